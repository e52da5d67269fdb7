//! The simulated disk's folders: entries that are visible at once and durable with a sync of their folder.

use super::node::{Node, NodeId};
use super::state::{Change, Entry, State, Verdict};
use std::collections::BTreeMap;
use std::io;

/// The folder that holds a path.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    pub fn is_dir(&self, path: &str) -> bool {
        path.is_empty() || self.live.get(path) == Some(&Entry::Dir)
    }

    fn in_a_dir(&self, path: &str) -> io::Result<()> {
        if self.is_dir(parent(path)) {
            Ok(())
        } else {
            Err(not_found())
        }
    }

    /// The file at a path.
    pub fn find(&self, path: &str) -> io::Result<NodeId> {
        match self.live.get(path) {
            Some(Entry::File(node)) => Ok(*node),
            Some(Entry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn change_entries(
        &mut self,
        what: &str,
        text: &str,
        set: Option<(String, Entry)>,
        clear: Option<String>,
    ) -> io::Result<()> {
        match self.begin_change(what, text, &[]) {
            Verdict::Go => {}
            Verdict::Crash => {
                self.record(Change::Entries {
                    set,
                    clear,
                    lost: false,
                });
                return Err(self.freeze());
            }
            Verdict::Fail(error) => return Err(error),
        }
        let lost = what == "rename" && self.faults.rename.strikes();
        apply(&mut self.live, set.as_ref(), clear.as_deref());
        self.record(Change::Entries { set, clear, lost });
        Ok(())
    }

    pub fn create_dir(&mut self, path: &str) -> io::Result<()> {
        self.running()?;
        if self.is_dir(path) {
            return self.begin_call("create_dir", path, &[]);
        }
        if self.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.in_a_dir(path)?;
        let set = Some((path.to_owned(), Entry::Dir));
        self.change_entries("create_dir", path, set, None)
    }

    pub fn create(&mut self, path: &str) -> io::Result<NodeId> {
        self.running()?;
        if self.live.contains_key(path) || path.is_empty() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.in_a_dir(path)?;
        let node = self.fresh();
        self.nodes.insert(node, Node::default());
        let set = Some((path.to_owned(), Entry::File(node)));
        self.change_entries("create", path, set, None)?;
        Ok(node)
    }

    pub fn list(&mut self, dir: &str) -> io::Result<Vec<String>> {
        self.begin_call("list", dir, &[])?;
        if !self.is_dir(dir) {
            return Err(not_found());
        }
        let prefix = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        let mut names: Vec<String> = self
            .live
            .range(prefix.clone()..)
            .map_while(|(path, _)| path.strip_prefix(&prefix))
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// A simulated file takes as much as it is long.
    pub fn allocated(&mut self, dir: &str) -> io::Result<u64> {
        self.begin_call("allocated", dir, &[])?;
        if !self.is_dir(dir) {
            return Err(not_found());
        }
        let prefix = format!("{dir}/");
        let below = self.live.range(prefix.clone()..);
        let files = below
            .take_while(|(path, _)| path.starts_with(&prefix))
            .filter_map(|(_, entry)| match entry {
                Entry::File(node) => self.nodes.get(node),
                Entry::Dir => None,
            });
        Ok(files.map(|node| node.live.len() as u64).sum())
    }

    pub fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.running()?;
        let node = self.find(from)?;
        self.in_a_dir(to)?;
        if self.is_dir(to) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let set = Some((to.to_owned(), Entry::File(node)));
        let clear = (from != to).then(|| from.to_owned());
        self.change_entries("rename", &format!("{from} {to}"), set, clear)
    }

    pub fn remove(&mut self, path: &str) -> io::Result<()> {
        self.running()?;
        self.find(path)?;
        self.change_entries("remove", path, None, Some(path.to_owned()))
    }

    /// Entry by entry: what a folder holds goes before it.
    pub fn remove_tree(&mut self, path: &str) -> io::Result<()> {
        self.begin_call("remove_tree", path, &[])?;
        let below = format!("{path}/");
        let paths = self.live.keys().rev();
        let doomed = paths.filter(|it| *it == path || it.starts_with(&below));
        for path in doomed.cloned().collect::<Vec<_>>() {
            self.change_entries("remove", &path, None, Some(path.clone()))?;
        }
        Ok(())
    }

    /// Makes the changes to a folder's entries durable.
    pub fn sync_dir(&mut self, dir: &str) -> io::Result<()> {
        self.running()?;
        if !self.is_dir(dir) {
            return Err(not_found());
        }
        let failure = match self.begin_change("sync_dir", dir, &[]) {
            Verdict::Crash => return Err(self.freeze()),
            Verdict::Fail(error) if self.frozen => return Err(error),
            Verdict::Fail(error) => Some(error),
            Verdict::Go => self.strike_sync(),
        };
        if let Some(error) = failure {
            self.drop_entry_changes(dir);
            return Err(error);
        }
        for change in self.changes.values_mut() {
            let Change::Entries {
                set,
                clear,
                lost: false,
            } = change
            else {
                continue;
            };
            let clears = clear.as_deref().is_some_and(|path| parent(path) == dir);
            // The old name goes only with the new one in place.
            let sets = clears || set.as_ref().is_some_and(|(path, _)| parent(path) == dir);
            let set = if sets { set.take() } else { None };
            let clear = if clears { clear.take() } else { None };
            apply(&mut self.durable, set.as_ref(), clear.as_deref());
        }
        self.changes.retain(|_, change| {
            !matches!(
                change,
                Change::Entries {
                    set: None,
                    clear: None,
                    ..
                }
            )
        });
        Ok(())
    }

    /// After a failed sync nothing brings these down any more.
    fn drop_entry_changes(&mut self, dir: &str) {
        for change in self.changes.values_mut() {
            if let Change::Entries { set, clear, lost } = change {
                let set = set.as_ref().map(|(path, _)| path.as_str());
                *lost |= [set, clear.as_deref()]
                    .into_iter()
                    .flatten()
                    .any(|path| parent(path) == dir);
            }
        }
    }
}

/// Makes a change to entries.
pub(super) fn apply(
    entries: &mut BTreeMap<String, Entry>,
    set: Option<&(String, Entry)>,
    clear: Option<&str>,
) {
    if let Some((path, entry)) = set {
        entries.insert(path.clone(), *entry);
    }
    if let Some(path) = clear {
        entries.remove(path);
    }
}
