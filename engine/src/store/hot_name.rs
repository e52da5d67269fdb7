//! A name that was asked for lately, and what was found out about it since: where its content lies, how often that was read
//! from the file, and whatever the application derived from it.
//!
//! It never changes what it means: a name that is written anew is another [`HotName`]. The place is a hint like every place:
//! the bytes there are checked whenever they are read, and if they do not verify, all begins again with the hash index.

use super::fetch::{Found, Source};
use super::object::Object;
use crate::format::Checksum;
use crate::index::hot_names::HotEntry;
use crate::position::BucketId;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Arc, Mutex};
use std::any::Any;
use std::ops::Deref;
use std::sync::OnceLock;

/// Reads from the file after which a content is kept in memory. More than one: who passes through all objects once should
/// push nothing out.
const READS_OF_HOT: u8 = 3;

/// Bytes that a name holds whatever its owner gave it: itself, the place of its content, and an annex, for which the door's
/// table of 12 to 24 headers is the measure.
const FIXED_BYTES: usize = size_of::<HotName>() + size_of::<Found>() + 3 * 1024;

/// A name that was asked for lately.
pub struct HotName {
    object: Object,
    place: Mutex<Option<Arc<Found>>>,
    reads: AtomicU8,
    annex: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl HotName {
    pub(super) const fn new(object: Object) -> Self {
        Self {
            object,
            place: Mutex::new(None),
            reads: AtomicU8::new(0),
            annex: OnceLock::new(),
        }
    }

    /// The name, and what it means.
    pub const fn object(&self) -> &Object {
        &self.object
    }

    /// Something of the application's that follows from the object and is kept as long as it: made when first asked for.
    /// `None` if something of another type is there already.
    pub fn annex<T: Send + Sync + 'static>(&self, make: impl FnOnce(&Object) -> T) -> Option<&T> {
        self.annex
            .get_or_init(|| Box::new(make(&self.object)))
            .downcast_ref()
    }

    /// Where the content lies in a segment, if that was found out.
    pub(super) fn place(&self) -> Option<Arc<Found>> {
        self.place.lock().clone()
    }

    /// Remembers where the content lies. Only in a file that is read through the page cache: that of a segment which is
    /// being written is replaced when it is sealed.
    pub(super) fn set_place(&self, source: &Source) {
        if let Source::Disk(found) = source
            && found.file.alignment() == 1
        {
            *self.place.lock() = Some(Arc::clone(found));
        }
    }

    /// Forgets where the content lies.
    pub(super) fn forget_place(&self) {
        *self.place.lock() = None;
    }

    /// Counts a read of the whole content from its file; whether it should be kept in memory.
    pub(super) fn was_read(&self) -> bool {
        // A race loses a count, no more.
        let reads = self.reads.load(Ordering::Relaxed) + 1;
        let hot = reads >= READS_OF_HOT;
        self.reads
            .store(if hot { 0 } else { reads }, Ordering::Relaxed);
        hot
    }
}

impl Deref for HotName {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

impl HotEntry for HotName {
    fn is(&self, bucket: BucketId, key: &[u8]) -> bool {
        self.object.bucket == bucket && self.object.key == key
    }

    fn weight(&self) -> usize {
        let of = &self.object.attributes;
        let texts = [
            &of.content_type,
            &of.cache_control,
            &of.content_disposition,
            &of.content_encoding,
            &of.content_language,
            &of.expires,
            &of.storage_class,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let metadata = of
            .metadata
            .iter()
            .map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>());
        let parts = self.object.part_sizes.len() * size_of::<u64>();
        let checksums = of
            .checksums
            .iter()
            .map(|it| size_of::<Checksum>() + it.algorithm.len() + it.value.len());
        // The annex has the texts once more.
        let texts = 2 * (texts + self.object.etag.len());
        FIXED_BYTES
            + self.object.key.len()
            + texts
            + metadata.sum::<usize>()
            + parts
            + checksums.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Id;
    use crate::index::hot_names::WEIGHT_MAX;
    use crate::position::{Incarnation, NodeId, Offset, Position, SegmentNumber, Version};
    use crate::store::Attributes;

    fn name() -> HotName {
        HotName::new(Object {
            bucket: BucketId(1),
            key: b"k".to_vec(),
            version: Version::default(),
            at: Position {
                node: NodeId(1),
                incarnation: Incarnation(1),
                segment: SegmentNumber(1),
                offset: Offset(0),
            },
            blob: Id::of(b""),
            size: 3,
            etag: String::new(),
            modified_ms: 0,
            part_sizes: Vec::new(),
            attributes: Attributes::default(),
        })
    }

    #[test]
    fn the_annex_is_made_once() {
        let name = name();
        assert_eq!(name.annex(|object| object.size), Some(&3));
        assert_eq!(name.annex(|_| 4_u64), Some(&3));
        assert_eq!(name.annex(|_| "other"), None);
    }

    #[test]
    fn a_content_is_hot_again_after_as_many_reads_again() {
        let name = name();
        let hot: Vec<bool> = (0..2 * READS_OF_HOT).map(|_| name.was_read()).collect();
        assert_eq!(hot, [false, false, true, false, false, true]);
    }

    #[test]
    fn a_name_weighs_what_its_owner_gave_it() {
        let mut name = name();
        let light = name.weight();
        name.object.attributes.metadata = vec![("a".repeat(5000), String::new())];
        // The longest key and some hundred bytes of headers still fit.
        assert!(light + 1024 + 2 * 400 < WEIGHT_MAX, "{light}");
        assert_eq!(name.weight(), light + 5000 + 2 * size_of::<String>());
        let (before, text) = (name.weight(), "text/plain");
        name.object.attributes.content_type = Some(text.to_owned());
        assert_eq!(name.weight(), before + 2 * text.len());
    }
}
