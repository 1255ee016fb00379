//! The directory tree: as it looks, and as it is on the platter.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Entry;
use crate::sim::random::SeededRandom;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File(u64),
}

/// A change of names; it is atomic.
#[derive(Clone, Debug)]
enum Change {
    Create(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

/// All names of the disk.
#[derive(Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// Changes whose directory was not synced since, in order.
    pending: Vec<Change>,
}

impl Names {
    /// Makes a tree all of which is on the platter.
    pub(super) fn synced(names: BTreeMap<PathBuf, Node>) -> Self {
        Self {
            durable: names.clone(),
            seen: names,
            pending: Vec::new(),
        }
    }

    pub(super) fn all(&self) -> &BTreeMap<PathBuf, Node> {
        &self.seen
    }

    pub(super) fn get(&self, path: &Path) -> Option<Node> {
        if is_root(path) {
            Some(Node::Dir)
        } else {
            self.seen.get(path).copied()
        }
    }

    pub(super) fn file(&self, path: &Path) -> Option<u64> {
        match self.get(path)? {
            Node::File(id) => Some(id),
            Node::Dir => None,
        }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&Path, u64)> {
        self.seen.iter().filter_map(|(path, node)| match node {
            Node::File(id) => Some((path.as_path(), *id)),
            Node::Dir => None,
        })
    }

    /// Says whether a name refers to this file now, or may after a power cut.
    pub(super) fn refers_to(&self, id: u64) -> bool {
        let is_it = |node: &Node| *node == Node::File(id);
        self.seen.values().any(is_it)
            || self.durable.values().any(is_it)
            || self
                .pending
                .iter()
                .any(|change| matches!(change, Change::Create(_, node) if is_it(node)))
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.expect_dir(dir)?;
        let entries = self
            .seen
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir));
        Ok(entries
            .filter_map(|(path, node)| {
                let name = path.file_name()?.to_string_lossy().into_owned();
                Some(Entry {
                    name,
                    is_dir: *node == Node::Dir,
                })
            })
            .collect())
    }

    pub(super) fn expect_dir(&self, dir: &Path) -> io::Result<()> {
        match self.get(dir) {
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(error(io::ErrorKind::NotADirectory, dir)),
            None => Err(error(io::ErrorKind::NotFound, dir)),
        }
    }

    pub(super) fn create(&mut self, path: &Path, node: Node) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            self.expect_dir(parent)?;
        }
        self.change(Change::Create(path.to_owned(), node));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.change(Change::Remove(path.to_owned()));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self
            .get(from)
            .ok_or_else(|| error(io::ErrorKind::NotFound, from))?;
        if let Some(parent) = to.parent() {
            self.expect_dir(parent)?;
        }
        match (node, self.get(to)) {
            (_, None) | (Node::File(_), Some(Node::File(_))) => {}
            (_, Some(_)) => return Err(error(io::ErrorKind::AlreadyExists, to)),
        }
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.seen, &change);
        self.pending.push(change);
    }

    /// Makes the changes inside `dir` durable, with earlier ones of the same names that they rest
    /// on.
    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let mut wanted: BTreeSet<PathBuf> = BTreeSet::new();
        let mut is_synced = vec![false; self.pending.len()];
        for (change, is_synced) in self.pending.iter().zip(&mut is_synced).rev() {
            let paths = change.paths();
            *is_synced = paths
                .iter()
                .any(|path| path.parent() == Some(dir) || wanted.contains(*path));
            if *is_synced {
                wanted.extend(paths.into_iter().map(Path::to_owned));
            }
        }
        let mut is_synced = is_synced.into_iter();
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let is_synced = is_synced.next().unwrap_or(false);
            if is_synced {
                apply(durable, change);
            }
            !is_synced
        });
    }

    /// Keeps the first few of the changes that wait, or some of them; drops what then hangs in the
    /// air.
    pub(super) fn power_cut(&mut self, random: &SeededRandom) {
        let in_order = random.chance(1, 2);
        let kept = random.below(self.pending.len() as u64 + 1);
        for (index, change) in self.pending.drain(..).enumerate() {
            let is_kept = if in_order {
                (index as u64) < kept
            } else {
                random.chance(1, 2)
            };
            if is_kept {
                apply(&mut self.durable, &change);
            }
        }
        let mut tree = BTreeMap::new();
        // A parent sorts before what is in it.
        for (path, node) in &self.durable {
            if is_in_dir(&tree, path) {
                tree.insert(path.clone(), *node);
            }
        }
        self.durable.clone_from(&tree);
        self.seen = tree;
    }
}

impl Change {
    fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Create(path, _) | Self::Remove(path) => vec![path],
            Self::Rename(from, to) => vec![from, to],
        }
    }
}

fn apply(tree: &mut BTreeMap<PathBuf, Node>, change: &Change) {
    match change {
        Change::Create(path, node) => {
            tree.insert(path.clone(), *node);
        }
        Change::Remove(path) => drop(take(tree, path)),
        Change::Rename(from, to) => {
            let moved = take(tree, from);
            if !moved.is_empty() {
                drop(take(tree, to));
            }
            for (path, node) in moved {
                let inside = path.strip_prefix(from).expect("taken by this prefix");
                let path = if inside.as_os_str().is_empty() {
                    to.clone()
                } else {
                    to.join(inside)
                };
                tree.insert(path, node);
            }
        }
    }
}

/// Takes a name out of the tree, and what is inside.
fn take(tree: &mut BTreeMap<PathBuf, Node>, path: &Path) -> Vec<(PathBuf, Node)> {
    let inside: Vec<PathBuf> = tree
        .keys()
        .filter(|key| key.starts_with(path))
        .cloned()
        .collect();
    inside
        .into_iter()
        .filter_map(|key| tree.remove_entry(&key))
        .collect()
}

fn is_in_dir(tree: &BTreeMap<PathBuf, Node>, path: &Path) -> bool {
    path.parent()
        .is_none_or(|dir| is_root(dir) || tree.get(dir) == Some(&Node::Dir))
}

fn is_root(path: &Path) -> bool {
    path.parent().is_none()
}

pub(super) fn error(kind: io::ErrorKind, path: &Path) -> io::Error {
    io::Error::new(kind, format!("{}: {kind}", path.display()))
}
