//! Small stores on real files, with the mapped hash index and the name index on disk, for the bars that damage them at rest.
//!
//! Two samples hold the same: `sealed` was closed; `unsealed` is what a process that was killed left (a copy made while
//! the store was open and idle), so its last segment has no footer and its indexes were not closed.

use bytes::Bytes;
use moraine_engine::index::hash::HashConfig;
use moraine_engine::testing::{Check, Failure, ensure};
use moraine_engine::{
    Attributes, BucketId, CompletePart, Condition, Error, Geometry, IoChoice, ListEntry, ListQuery,
    Options, Store,
};
use pollster::block_on;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The lengths of the samples.
pub const GEOMETRY: Geometry = Geometry {
    extent_bytes: 4096,
    crc_block_bytes: 1024,
    segment_bytes: 64 << 10,
    block_bytes: 512,
};

/// How the samples are opened.
pub fn options(create: bool) -> Options {
    Options {
        io: IoChoice::Blocking,
        geometry: GEOMETRY,
        memory_bytes: 256 << 10,
        create,
        workers: 1,
        hash: HashConfig {
            shards: 2,
            initial_pages: 1,
            number_block: 2,
        },
    }
}

/// A folder that goes when it is dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("moraine-real-{}-{number}", std::process::id());
        // In memory where there is such a folder: a thousand stores are opened, each with some syncs.
        let memory = Path::new("/dev/shm");
        let path = if memory.is_dir() {
            memory.join(name)
        } else {
            std::env::temp_dir().join(name)
        };
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn copy_of(from: &Path) -> Self {
        let folder = Self::new();
        copy(from, &folder.0);
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a folder; zeros at the end of a journal, which is laid out ahead, are left out.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if target.extension().is_some_and(|it| it == "jnl") {
            let bytes = fs::read(entry.path()).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0);
            fs::write(target, &bytes[..used.map_or(0, |last| last + 1)]).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder but the lock, by its path in there.
pub fn files(folder: &Path) -> Vec<String> {
    fn visit(root: &Path, folder: &Path, out: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(root, &path, out);
            } else if !path.ends_with("LOCK") && !path.ends_with("lock") {
                let inside = path.strip_prefix(root).unwrap();
                out.push(inside.to_str().unwrap().to_owned());
            }
        }
    }
    let mut out = Vec::new();
    visit(folder, folder, &mut out);
    out.sort();
    out
}

/// Bytes that follow from a number and do not repeat.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut out);
    out
}

/// A sample: where it lies, what it holds, and the indexes that it had when it held less.
pub struct Sample {
    pub folder: Folder,
    pub objects: BTreeMap<&'static str, Vec<u8>>,
    pub earlier_index: Folder,
}

impl Sample {
    /// The path of the segment that was written last.
    pub fn last_segment(&self) -> String {
        let mut files = files(&self.folder.0);
        files.retain(|path| path.ends_with(".seg"));
        files.pop().unwrap()
    }
}

/// The key that was deleted: it must not come back.
pub const DELETED: &str = "deleted";

async fn put(store: &Store, bucket: BucketId, key: &str, content: Vec<u8>) -> Result<(), Error> {
    let mut writer = store.blob_writer(Some(content.len() as u64));
    writer.write(Bytes::from(content)).await?;
    let staged = writer.finish().await?;
    let attributes = Attributes {
        content_type: Some("image/webp".into()),
        metadata: vec![("artist".into(), "somebody".into())],
        ..Attributes::default()
    };
    store
        .put(bucket, key.as_bytes(), staged, attributes, Condition::None)
        .await
        .map(drop)
}

async fn upload(store: &Store, bucket: BucketId, key: &str, parts: &[Vec<u8>], complete: bool) {
    let attributes = Attributes::default();
    let upload = store
        .create_upload(bucket, key.as_bytes(), attributes)
        .await
        .unwrap();
    let mut done = Vec::new();
    for (number, content) in (1..).zip(parts) {
        let mut writer = store
            .part_writer(bucket, upload, number, None)
            .await
            .unwrap();
        writer.write(Bytes::from(content.clone())).await.unwrap();
        let staged = writer.finish().await.unwrap();
        let part = store
            .put_part(bucket, upload, number, staged, Vec::new())
            .await
            .unwrap();
        done.push(CompletePart {
            number,
            etag: part.etag,
        });
    }
    if complete {
        let condition = Condition::None;
        store
            .complete_upload(bucket, upload, &done, 0, Vec::new(), condition)
            .await
            .unwrap();
    }
}

/// Makes a sample: three runs, each with a segment or more of its own.
pub fn make(sealed: bool) -> Sample {
    let work = Folder::new();
    let mut objects = BTreeMap::new();
    let earlier_index = Folder::new();
    for run in 0..3_u64 {
        let store = Store::open(&work.0, options(true)).unwrap();
        block_on(fill(&store, run, &mut objects));
        let last = run == 2;
        if last && !sealed {
            let folder = Folder::copy_of(&work.0);
            block_on(store.close()).unwrap();
            return Sample {
                folder,
                objects,
                earlier_index,
            };
        }
        block_on(store.close()).unwrap();
        drop(store);
        if run == 1 {
            copy(&work.0.join("index"), &earlier_index.0);
        }
    }
    let folder = Folder::copy_of(&work.0);
    Sample {
        folder,
        objects,
        earlier_index,
    }
}

async fn fill(store: &Store, run: u64, objects: &mut BTreeMap<&'static str, Vec<u8>>) {
    let bucket = match store.bucket("media") {
        Some(bucket) => bucket.id,
        None => {
            let tenant = store.create_tenant("example.social").await.unwrap();
            store
                .create_access_key(tenant.id, Some("AKIDEXAMPLE"), None)
                .await
                .unwrap();
            let bucket = store.create_bucket(tenant.id, "media", true).await;
            bucket.unwrap().id
        }
    };
    let puts: &[(&'static str, u64, usize)] = match run {
        0 => &[
            ("a/small", 1, 100),
            ("a/two", 2, 8192),
            (DELETED, 3, 3000),
            ("twice", 4, 5000),
        ],
        1 => &[("many", 5, 20_000), ("twice", 6, 700), ("empty", 0, 0)],
        _ => &[("again", 5, 20_000), ("z/last", 7, 4097), ("z/one", 8, 1)],
    };
    for (key, seed, len) in puts {
        let content = noise(*seed, *len);
        put(store, bucket, key, content.clone()).await.unwrap();
        objects.insert(key, content);
    }
    if run == 1 {
        store
            .delete(bucket, DELETED.as_bytes(), Condition::None)
            .await
            .unwrap();
        objects.remove(DELETED);
        let parts = [noise(9, 8192), noise(10, 5000)];
        upload(store, bucket, "parts", &parts, true).await;
        objects.insert("parts", parts.concat());
        upload(store, bucket, "pending", &parts[..1], false).await;
    }
}

/// What became of a damaged store.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    /// It was not opened, for a reason that it told.
    pub refused: bool,
    /// Objects that were read in part or not at all, with an error.
    pub unreadable: u64,
    /// Names that were not there.
    pub missing: u64,
}

impl Seen {
    pub const fn is_whole(&self) -> bool {
        !self.refused && self.unreadable == 0 && self.missing == 0
    }
}

/// Opens a copy of a sample and reads everything. Other bytes than were stored, names that nobody made and deleted names are
/// failures; errors and names that are missing are counted, and judged by the caller.
pub fn look(folder: &Path, objects: &BTreeMap<&'static str, Vec<u8>>) -> Result<Seen, Failure> {
    let store = match Store::open(folder, options(false)) {
        Ok(store) => store,
        Err(error) => {
            ensure!(!error.to_string().is_empty(), "an error without a word");
            return Ok(Seen {
                refused: true,
                ..Seen::default()
            });
        }
    };
    let mut seen = Seen::default();
    block_on(async {
        let Some(bucket) = store.bucket("media").map(|bucket| bucket.id) else {
            seen.missing = objects.len() as u64;
            return Ok(());
        };
        for (key, content) in objects {
            match read(&store, bucket, key, content).await? {
                Read::Whole => {}
                Read::Error => seen.unreadable += 1,
                Read::Absent => seen.missing += 1,
            }
        }
        list(&store, bucket, objects).await?;
        let gone = store.head(bucket, DELETED.as_bytes()).await;
        ensure!(gone.is_err(), "a deleted name came back");
        put(&store, bucket, "new", noise(11, 9000))
            .await
            .map_err(|error| Failure(format!("the store takes no write: {error}")))?;
        let new = read(&store, bucket, "new", &noise(11, 9000)).await?;
        ensure!(
            matches!(new, Read::Whole),
            "what was just written is not there"
        );
        Ok(())
    })?;
    // A store that met damage may say so at its end.
    let _ = block_on(store.close());
    Ok(seen)
}

enum Read {
    Whole,
    Error,
    Absent,
}

async fn read(store: &Store, bucket: BucketId, key: &str, content: &[u8]) -> Result<Read, Failure> {
    let object = match store.head(bucket, key.as_bytes()).await {
        Ok(object) => object,
        Err(Error::NoSuchKey) => return Ok(Read::Absent),
        Err(_) => return Ok(Read::Error),
    };
    ensure!(
        object.size == content.len() as u64,
        "{key} has {} bytes, not {}",
        object.size,
        content.len()
    );
    let Ok(mut reader) = store.read(&object, 0..object.size).await else {
        return Ok(Read::Error);
    };
    let mut rest = content;
    while let Some(chunk) = reader.next().await {
        let Ok(chunk) = chunk else {
            return Ok(Read::Error);
        };
        rest = rest
            .strip_prefix(chunk.as_ref())
            .ok_or_else(|| Failure(format!("wrong bytes of {key} are served")))?;
    }
    ensure!(rest.is_empty(), "{key} ends too early, without an error");
    Ok(Read::Whole)
}

async fn list(store: &Store, bucket: BucketId, objects: &BTreeMap<&'static str, Vec<u8>>) -> Check {
    let query = ListQuery {
        limit: 1000,
        ..ListQuery::default()
    };
    let Ok(page) = store.list(bucket, query).await else {
        return Ok(());
    };
    for entry in page.entries {
        let ListEntry::Object(object) = entry else {
            return Err(Failure("a listing without delimiter holds a prefix".into()));
        };
        let key = String::from_utf8_lossy(&object.key).into_owned();
        let known = key == "new" || objects.contains_key(key.as_str());
        ensure!(known, "{key} was never put");
    }
    Ok(())
}
