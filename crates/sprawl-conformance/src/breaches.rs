//! What a drill's judge found broken, by promise.

use std::collections::BTreeMap;

/// Shown of each kind of breach; the rest is in the kept files.
const EXAMPLES_MAX: usize = 3;

/// Breaches of promises of one drill, in the order of its promises.
#[derive(Clone, Debug)]
pub(crate) struct Breaches<P> {
    by_promise: BTreeMap<P, Vec<String>>,
}

impl<P> Default for Breaches<P> {
    fn default() -> Self {
        Self {
            by_promise: BTreeMap::new(),
        }
    }
}

impl<P: Copy + Ord> Breaches<P> {
    /// True when every promise was kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_promise.is_empty()
    }

    /// Notes a breach.
    pub(crate) fn add(&mut self, promise: P, breach: String) {
        self.by_promise.entry(promise).or_default().push(breach);
    }

    /// Examples of what breaks a promise; none when it was kept.
    pub(crate) fn examples(&self, promise: P) -> Vec<String> {
        let all = self.by_promise.get(&promise);
        examples(all.map_or(&[][..], Vec::as_slice))
    }

    /// The promises that were broken.
    pub(crate) fn promises(&self) -> impl Iterator<Item = P> {
        self.by_promise.keys().copied()
    }

    /// Says which promises were broken.
    pub(crate) fn summary(&self, name: fn(P) -> &'static str) -> String {
        let names: Vec<&str> = self.promises().map(name).collect();
        match names.as_slice() {
            [] => "every promise kept".to_owned(),
            names => format!("broken: {}", names.join(", ")),
        }
    }
}

/// The first breaches of a kind, and how many there are in all.
pub(crate) fn examples(breaches: &[String]) -> Vec<String> {
    let mut examples: Vec<String> = breaches.iter().take(EXAMPLES_MAX).cloned().collect();
    if breaches.len() > EXAMPLES_MAX {
        examples.push(format!("{} in all", breaches.len()));
    }
    examples
}
