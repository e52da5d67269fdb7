//! Looking at a disk from outside the engine, and damaging what lies on it: nothing here is counted, traced or can fail by
//! a fault, and all of it is durable at once.

use super::disk::SimDisk;
use super::node::Node;
use super::state::{Change, Entry, State};
use crate::sync::Arc;
use std::io;

impl SimDisk {
    /// The paths of all files, sorted.
    pub fn files(&self) -> Vec<String> {
        let state = self.shared.state.lock();
        state
            .live
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::File(_)))
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// What a reader of the file would see.
    pub fn read_file(&self, path: &str) -> io::Result<Vec<u8>> {
        let state = self.shared.state.lock();
        let node = state.find(path)?;
        Ok(state.node(node)?.live.to_vec())
    }

    /// Puts a file there, durably, in the place of any other; makes the folders that it needs. With bytes that
    /// [`Self::read_file`] gave earlier: a stale file.
    pub fn write_file(&self, path: &str, bytes: &[u8]) {
        let mut state = self.shared.state.lock();
        for (slash, _) in path.match_indices('/') {
            let (dir, _) = path.split_at(slash);
            state.settle_entry(dir, Entry::Dir);
        }
        let id = match state.find(path) {
            Ok(node) => node,
            Err(_) => state.fresh(),
        };
        state
            .changes
            .retain(|_, change| !matches!(change, Change::Data { node, .. } if *node == id));
        let content = Arc::new(bytes.to_vec());
        let node = Node {
            live: Arc::clone(&content),
            durable: content,
            touched: false,
        };
        state.nodes.insert(id, node);
        state.settle_entry(path, Entry::File(id));
    }

    /// Loses a file's entry.
    pub fn remove_file(&self, path: &str) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.find(path)?;
        state.live.remove(path);
        state.durable.remove(path);
        Ok(())
    }

    /// Loses a file's length, and what lay behind it.
    pub fn truncate_file(&self, path: &str, len: usize) -> io::Result<()> {
        self.damage(path, |content| {
            content.truncate(len);
            Ok(())
        })
    }

    /// Flips bit `bit` (0 to 7) of byte `byte`.
    pub fn flip_bit(&self, path: &str, byte: usize, bit: u8) -> io::Result<()> {
        self.damage(path, |content| {
            let target = content.get_mut(byte).ok_or(io::ErrorKind::UnexpectedEof)?;
            *target ^= 1 << (bit % 8);
            Ok(())
        })
    }

    /// Puts other bytes in the place of those that lie there.
    pub fn overwrite(&self, path: &str, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.damage(path, |content| {
            content
                .get_mut(offset..)
                .and_then(|rest| rest.get_mut(..bytes.len()))
                .ok_or(io::ErrorKind::UnexpectedEof)?
                .copy_from_slice(bytes);
            Ok(())
        })
    }

    /// Damages what readers see, and what survives a crash as far as it is there already.
    fn damage(&self, path: &str, harm: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        let id = state.find(path)?;
        if let Some(node) = state.nodes.get_mut(&id) {
            harm(Arc::make_mut(&mut node.live))?;
            // What was never synced is not there to be damaged.
            let _ = harm(Arc::make_mut(&mut node.durable));
        }
        Ok(())
    }
}

impl State {
    fn settle_entry(&mut self, path: &str, entry: Entry) {
        self.live.insert(path.to_owned(), entry);
        self.durable.insert(path.to_owned(), entry);
    }
}
