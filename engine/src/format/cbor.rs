//! The tagged encoding of names, catalog entries and starts: a CBOR map from numbers to values.
//!
//! Keys ascend, lengths are definite, nesting is bounded. A key that this program does not know keeps its raw value and is
//! written again, so that an older program does not lose what a newer one added.

use super::error::FormatError;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use std::collections::BTreeMap;

/// Arrays, maps and tags inside each other, the outer map not counted.
const DEPTH_MAX: usize = 8;

/// Fields of a map that this program does not know: their keys, and their values as they were encoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unknown(BTreeMap<u64, Vec<u8>>);

impl Unknown {
    /// Whether every field was known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, ascending.
    pub fn keys(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }
}

/// Writes a map. Fields must come in ascending order; unknown ones are put between them where they belong.
pub(super) struct MapWriter<'a> {
    body: Encoder<Vec<u8>>,
    fields: u64,
    unknown: std::iter::Peekable<std::collections::btree_map::Iter<'a, u64, Vec<u8>>>,
    next_key: u64,
}

impl<'a> MapWriter<'a> {
    /// A map that will also hold the unknown fields.
    pub(super) fn new(unknown: &'a Unknown) -> Self {
        Self {
            body: Encoder::new(Vec::new()),
            fields: 0,
            unknown: unknown.0.iter().peekable(),
            next_key: 0,
        }
    }

    /// Begins field `key`; the caller writes exactly one value to the encoder.
    fn field(&mut self, key: u64) -> &mut Encoder<Vec<u8>> {
        self.unknown_below(key);
        assert!(
            key >= self.next_key,
            "fields are written in ascending order"
        );
        self.next_key = key + 1;
        self.fields += 1;
        infallible(self.body.u64(key));
        &mut self.body
    }

    fn unknown_below(&mut self, limit: u64) {
        while let Some((key, value)) = self.unknown.next_if(|(key, _)| **key < limit) {
            infallible(self.body.u64(*key));
            self.body.writer_mut().extend_from_slice(value);
            self.fields += 1;
        }
    }

    /// A number.
    pub(super) fn uint(&mut self, key: u64, value: u64) {
        infallible(self.field(key).u64(value));
    }

    /// A truth value.
    pub(super) fn bool(&mut self, key: u64, value: bool) {
        infallible(self.field(key).bool(value));
    }

    /// Bytes.
    pub(super) fn bytes(&mut self, key: u64, value: &[u8]) {
        infallible(self.field(key).bytes(value));
    }

    /// A text.
    pub(super) fn text(&mut self, key: u64, value: &str) {
        infallible(self.field(key).str(value));
    }

    /// A text, or no field.
    pub(super) fn optional_text(&mut self, key: u64, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// An array whose items `item` writes; no field if it is empty.
    pub(super) fn array<T>(
        &mut self,
        key: u64,
        items: &[T],
        mut item: impl FnMut(&mut Items<'_>, &T),
    ) {
        if items.is_empty() {
            return;
        }
        let out = self.field(key);
        infallible(out.array(super::bytes::len_u64(items.len())));
        for value in items {
            item(&mut Items(out), value);
        }
    }

    /// The encoded map.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.unknown_below(u64::MAX);
        let mut out = Encoder::new(Vec::new());
        infallible(out.map(self.fields));
        let mut out = out.into_writer();
        out.extend_from_slice(self.body.writer());
        out
    }
}

/// Writes the items of an array.
pub(super) struct Items<'a>(&'a mut Encoder<Vec<u8>>);

impl Items<'_> {
    /// A nested array of `len` items, which follow.
    pub(super) fn array(&mut self, len: u64) -> &mut Self {
        infallible(self.0.array(len));
        self
    }

    /// A number.
    pub(super) fn uint(&mut self, value: u64) -> &mut Self {
        infallible(self.0.u64(value));
        self
    }

    /// A text.
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        infallible(self.0.str(value));
        self
    }
}

fn infallible<T, E>(result: Result<T, minicbor::encode::Error<E>>) {
    assert!(result.is_ok(), "writing to memory does not fail");
}

/// The fields of a decoded map, taken one by one; what is left is unknown.
pub(super) struct MapReader<'a> {
    fields: BTreeMap<u64, &'a [u8]>,
    what: &'static str,
}

impl<'a> MapReader<'a> {
    /// Splits a map of at most `max` bytes into its fields. Errors call it `what`.
    pub(super) fn new(
        bytes: &'a [u8],
        max: usize,
        what: &'static str,
    ) -> Result<Self, FormatError> {
        let bad = FormatError::Content { what };
        if bytes.len() > max {
            return Err(FormatError::Range {
                what,
                found: super::bytes::len_u64(bytes.len()),
            });
        }
        let mut from = Decoder::new(bytes);
        let count = from.map().ok().flatten().ok_or(bad)?;
        let mut fields = BTreeMap::new();
        for _ in 0..count {
            let key = from.u64().map_err(|_| bad)?;
            let start = from.position();
            skip(&mut from, DEPTH_MAX).ok_or(bad)?;
            let value = bytes.get(start..from.position()).ok_or(bad)?;
            let ascends = fields.last_key_value().is_none_or(|(last, _)| *last < key);
            if !ascends || key == u64::MAX {
                return Err(bad);
            }
            fields.insert(key, value);
        }
        if from.position() == bytes.len() {
            Ok(Self { fields, what })
        } else {
            Err(bad)
        }
    }

    /// Takes field `key`, if it is there.
    pub(super) fn optional(&mut self, key: u64) -> Option<Value<'a>> {
        self.fields.remove(&key).map(|bytes| Value {
            from: Decoder::new(bytes),
            what: self.what,
        })
    }

    /// Takes field `key`, which must be there.
    pub(super) fn required(&mut self, key: u64) -> Result<Value<'a>, FormatError> {
        self.optional(key)
            .ok_or(FormatError::Content { what: self.what })
    }

    /// Takes the text `key` of at most `max` bytes, if it is there.
    pub(super) fn optional_text(
        &mut self,
        key: u64,
        max: usize,
    ) -> Result<Option<String>, FormatError> {
        self.optional(key)
            .map(|mut value| value.text(max))
            .transpose()
    }

    /// Takes the array `key` of at most `max` items, each read by `item`; empty if it is not there.
    pub(super) fn array<T>(
        &mut self,
        key: u64,
        max: u64,
        mut item: impl FnMut(&mut Value<'a>) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let Some(mut value) = self.optional(key) else {
            return Ok(Vec::new());
        };
        let count = value.array(max)?;
        (0..count).map(|_| item(&mut value)).collect()
    }

    /// What nobody took.
    pub(super) fn unknown(self) -> Unknown {
        let raw = |(key, value): (u64, &[u8])| (key, value.to_vec());
        Unknown(self.fields.into_iter().map(raw).collect())
    }
}

/// One value, or the items of an array one after the other.
pub(super) struct Value<'a> {
    from: Decoder<'a>,
    what: &'static str,
}

impl<'a> Value<'a> {
    /// A number.
    pub(super) fn uint(&mut self) -> Result<u64, FormatError> {
        self.from.u64().map_err(|_| self.bad())
    }

    /// A truth value.
    pub(super) fn bool(&mut self) -> Result<bool, FormatError> {
        self.from.bool().map_err(|_| self.bad())
    }

    /// Bytes, at most `max`.
    pub(super) fn bytes(&mut self, max: usize) -> Result<&'a [u8], FormatError> {
        let bytes = self.from.bytes().map_err(|_| self.bad())?;
        if bytes.len() <= max {
            Ok(bytes)
        } else {
            Err(self.bad())
        }
    }

    /// Exactly `N` bytes.
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| self.bad())
    }

    /// A text of at most `max` bytes.
    pub(super) fn text(&mut self, max: usize) -> Result<String, FormatError> {
        let text = self.from.str().map_err(|_| self.bad())?;
        if text.len() <= max {
            Ok(text.to_owned())
        } else {
            Err(self.bad())
        }
    }

    /// The head of an array of at most `max` items, which follow.
    pub(super) fn array(&mut self, max: u64) -> Result<u64, FormatError> {
        let count = self.from.array().ok().flatten();
        count.filter(|count| *count <= max).ok_or(self.bad())
    }

    /// The head of an array of exactly `len` items, which follow.
    pub(super) fn tuple(&mut self, len: u64) -> Result<(), FormatError> {
        let found = self.array(len)?;
        if found == len {
            Ok(())
        } else {
            Err(self.bad())
        }
    }

    const fn bad(&self) -> FormatError {
        FormatError::Content { what: self.what }
    }
}

/// Steps over one item of definite length that nests at most `depth` deep; `None` for anything else.
fn skip(from: &mut Decoder<'_>, depth: usize) -> Option<()> {
    let items = match from.datatype().ok()? {
        Type::Array => from.array().ok()??,
        Type::Map => from.map().ok()??.checked_mul(2)?,
        Type::Tag => from.tag().ok().map(|_| 1)?,
        Type::Bytes => return from.bytes().ok().map(drop),
        Type::String => return from.str().ok().map(drop),
        Type::BytesIndef
        | Type::StringIndef
        | Type::ArrayIndef
        | Type::MapIndef
        | Type::Break
        | Type::Unknown(_) => return None,
        _ => return from.skip().ok(),
    };
    let depth = depth.checked_sub(1)?;
    (0..items).try_for_each(|_| skip(from, depth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u64>, FormatError> {
        let map = MapReader::new(bytes, 1 << 16, "test")?;
        Ok(map.fields.into_keys().collect())
    }

    #[test]
    fn unknown_fields_survive_where_they_were() {
        // {0: 1, 3: [1, {"a": h'00'}], 5: true, 9: -1}
        let bytes = b"\xa4\x00\x01\x03\x82\x01\xa1\x61a\x41\x00\x05\xf5\x09\x20";
        let mut map = MapReader::new(bytes, 100, "test").unwrap();
        let number = map.required(0).unwrap().uint().unwrap();
        let flag = map.required(5).unwrap().bool().unwrap();
        let unknown = map.unknown();
        assert_eq!(unknown.keys().collect::<Vec<_>>(), [3, 9]);
        let mut out = MapWriter::new(&unknown);
        out.uint(0, number);
        out.bool(5, flag);
        assert_eq!(out.finish(), bytes);
    }

    #[test]
    fn keys_ascend_once_each_and_are_numbers() {
        assert_eq!(read(b"\xa2\x00\x00\x01\x00"), Ok(vec![0, 1]));
        assert!(read(b"\xa2\x01\x00\x00\x00").is_err());
        assert!(read(b"\xa2\x01\x00\x01\x00").is_err());
        assert!(read(b"\xa1\x61a\x00").is_err());
        assert!(read(b"\xa1\x20\x00").is_err());
    }

    #[test]
    fn lengths_are_definite_and_bounded() {
        assert!(read(b"\xbf\x00\x00\xff").is_err());
        assert!(read(b"\xa1\x00\x9f\xff").is_err());
        assert!(read(b"\xa1\x00\x5f\xff").is_err());
        assert!(read(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00").is_err());
        assert!(read(b"\xa1\x00\x9b\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
        assert!(read(b"\xa1\x00\x5b\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
        assert!(read(b"\xa1\x00\x00\x00").is_err());
        assert!(MapReader::new(b"\xa1\x00\x00", 2, "test").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| [b"\xa1\x00", &*vec![0x81; depth], b"\x00"].concat();
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        assert!(read(&nested(DEPTH_MAX + 1)).is_err());
        let tags = [b"\xa1\x00", &*vec![0xc1; 60_000], b"\x00"].concat();
        assert!(read(&tags).is_err());
    }
}
