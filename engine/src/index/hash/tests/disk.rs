//! A disk in memory: files and names as they are seen, and as they are durable.
//!
//! Every call that changes something is a step; at a given step the machine can crash, and every later call fails.

use super::Random;
use crate::io::{Disk, DiskPath, File, OpenMode, Queue, Space};
use crate::sync::{Arc, Mutex};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The unit that is written whole or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    dirs: BTreeSet<String>,
    steps: u64,
    fail_from: Option<u64>,
    fail_once: Option<u64>,
    /// The number of the error that is injected; one without a number otherwise.
    errno: Option<i32>,
    full: bool,
}

/// What a crash leaves of what was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keep {
    Nothing,
    Everything,
    /// Any subset of the sectors and names.
    Some(u64),
}

#[derive(Default)]
pub(super) struct MemoryDisk(Arc<Mutex<State>>);

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        let now = self.steps;
        if self.fail_from.is_some_and(|from| now >= from) || self.fail_once == Some(now) {
            return Err(match self.errno {
                Some(errno) => io::Error::from_raw_os_error(errno),
                None => io::Error::other("injected"),
            });
        }
        Ok(())
    }
}

impl MemoryDisk {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Steps so far.
    pub(super) fn steps(&self) -> u64 {
        self.0.lock().steps
    }

    /// All calls from the `n`-th step from now on fail.
    pub(super) fn crash_at(&self, n: u64) {
        let mut state = self.0.lock();
        state.fail_from = Some(state.steps + n);
    }

    /// The `n`-th step from now fails, and no other.
    pub(super) fn fail_at(&self, n: u64) {
        let mut state = self.0.lock();
        state.fail_once = Some(state.steps + n);
    }

    /// The `n`-th step from now fails with the error of this number, and no other.
    pub(super) fn fail_at_with(&self, n: u64, errno: i32) {
        self.fail_at(n);
        self.0.lock().errno = Some(errno);
    }

    pub(super) fn set_full(&self, full: bool) {
        self.0.lock().full = full;
    }

    /// The disk after the machine crashed.
    pub(super) fn after_crash(&self, keep: Keep) -> Arc<Self> {
        let state = self.0.lock();
        let mut random = Random(match keep {
            Keep::Some(seed) => seed,
            _ => 0,
        });
        let mut keeps = |keep| match keep {
            Keep::Nothing => false,
            Keep::Everything => true,
            Keep::Some(_) => random.below(2) == 0,
        };
        let mut names = state.durable_names.clone();
        let all: BTreeSet<_> = state.names.keys().chain(names.keys()).cloned().collect();
        for name in all {
            if keeps(keep) {
                match state.names.get(&name) {
                    Some(inode) => names.insert(name, *inode),
                    None => names.remove(&name),
                };
            }
        }
        let inodes = state.inodes.iter().map(|inode| {
            let mut content = inode.durable.clone();
            if inode.seen.len() != content.len() && keeps(keep) {
                content.resize(inode.seen.len(), 0);
            }
            for (to, from) in content.chunks_mut(SECTOR).zip(inode.seen.chunks(SECTOR)) {
                if to.len() <= from.len() && keeps(keep) {
                    let len = to.len();
                    to.copy_from_slice(&from[..len]);
                }
            }
            Inode {
                seen: content.clone(),
                durable: content,
            }
        });
        Arc::new(Self(Arc::new(Mutex::new(State {
            inodes: inodes.collect(),
            durable_names: names.clone(),
            names,
            dirs: state.dirs.clone(),
            ..State::default()
        }))))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().names.keys().cloned().collect()
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        let state = self.0.lock();
        state.inodes[state.names[name]].seen.clone()
    }

    /// Puts a file there, durably.
    pub(super) fn put(&self, name: &str, content: Vec<u8>) {
        let mut state = self.0.lock();
        let inode = state.inodes.len();
        state.inodes.push(Inode {
            seen: content.clone(),
            durable: content,
        });
        state.names.insert(name.to_owned(), inode);
        state.durable_names.insert(name.to_owned(), inode);
    }

    pub(super) fn delete(&self, name: &str) {
        let mut state = self.0.lock();
        state.names.remove(name).unwrap();
        state.durable_names.remove(name);
    }
}

impl Disk for MemoryDisk {
    fn driver(&self) -> &'static str {
        "memory"
    }

    fn create_dir(&self, path: &DiskPath) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        state.dirs.insert(path.as_str().to_owned());
        Ok(())
    }

    fn list(&self, dir: &DiskPath) -> io::Result<Vec<String>> {
        let prefix = format!("{dir}/");
        let state = self.0.lock();
        let names = state.names.keys();
        Ok(names
            .filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned))
            .collect())
    }

    fn exists(&self, path: &DiskPath) -> io::Result<bool> {
        let state = self.0.lock();
        Ok(state.names.contains_key(path.as_str()) || state.dirs.contains(path.as_str()))
    }

    fn open(&self, path: &DiskPath, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut state = self.0.lock();
        let name = path.as_str().to_owned();
        let inode = match (mode, state.names.get(&name)) {
            (OpenMode::CreateDirect, Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (OpenMode::CreateDirect, None) => {
                state.step()?;
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.names.insert(name, inode);
                inode
            }
            (_, Some(inode)) => *inode,
            (_, None) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(MemoryFile(self.0.clone(), inode)))
    }

    fn rename(&self, from: &DiskPath, to: &DiskPath) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        let inode = state.names.remove(from.as_str());
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.as_str().to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &DiskPath) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        let removed = state.names.remove(path.as_str());
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn remove_tree(&self, path: &DiskPath) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        let below = format!("{path}/");
        let gone = |name: &String| name == path.as_str() || name.starts_with(&below);
        state.names.retain(|name, _| !gone(name));
        state.dirs.retain(|name| !gone(name));
        Ok(())
    }

    fn sync_dir(&self, dir: &DiskPath) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        let in_dir = |name: &String| {
            let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
            parent == dir.as_str()
        };
        let seen: Vec<_> = state.names.iter().map(|(n, i)| (n.clone(), *i)).collect();
        state.durable_names.retain(|name, _| !in_dir(name));
        let seen = seen.into_iter().filter(|(name, _)| in_dir(name));
        state.durable_names.extend(seen);
        Ok(())
    }

    fn allocated(&self, _: &DiskPath) -> io::Result<u64> {
        Ok(0)
    }

    fn space(&self) -> io::Result<Space> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn queue(&self, _depth: usize) -> io::Result<Box<dyn Queue>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct MemoryFile(Arc<Mutex<State>>, usize);

impl MemoryFile {
    fn change(&self, f: impl FnOnce(&mut Inode)) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        f(&mut state.inodes[self.1]);
        Ok(())
    }
}

impl File for MemoryFile {
    fn alignment(&self) -> usize {
        SECTOR
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().inodes[self.1].seen.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.0.lock();
        let start = usize::try_from(offset).unwrap();
        let content = state.inodes[self.1].seen.get(start..).unwrap_or_default();
        let len = content.len().min(buf.len());
        buf[..len].copy_from_slice(&content[..len]);
        Ok(len)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.read_at(buf, offset).map(Some)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        assert!(start.is_multiple_of(SECTOR) && buf.len().is_multiple_of(SECTOR));
        self.change(|inode| {
            let end = inode.seen.len().max(start + buf.len());
            inode.seen.resize(end, 0);
            inode.seen[start..start + buf.len()].copy_from_slice(buf);
        })
    }

    /// What was allocated and never written holds garbage.
    fn allocate(&self, len: u64) -> io::Result<()> {
        if self.0.lock().full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.change(|inode| inode.seen.resize(usize::try_from(len).unwrap(), 0xa5))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|inode| inode.seen.resize(usize::try_from(len).unwrap(), 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|inode| inode.durable = inode.seen.clone())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
