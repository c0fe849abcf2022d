//! Dotted version vectors: every version carries the one event (dot) that made it, and the object
//! one vector of all events ever seen. A version is gone exactly when its dot is seen and its
//! value is not held, so a put removes what its context covers and nothing else.
//! Source: Preguiça, Baquero, Almeida, Fonte, Gonçalves, "Dotted Version Vectors" (2010).

use super::{Dot, VersionVector, Written};
use crate::ids::RequestId;
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// The siblings of a key, and every event that this copy knows of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dotted {
    siblings: BTreeMap<Dot, Written>,
    seen: VersionVector,
}

impl Dotted {
    /// Every event that this copy knows of.
    pub fn seen(&self) -> &VersionVector {
        &self.seen
    }

    /// Whether every version held is an event that is seen. Otherwise no context could cover it.
    pub(super) fn is_sound(&self) -> bool {
        let mut dots = self.siblings.keys();
        dots.all(|&dot| dot.counter > 0 && self.seen.contains(dot)) && self.seen.is_canonical()
    }

    pub(super) fn siblings(&self) -> impl Iterator<Item = &Written> + use<'_> {
        self.siblings.values()
    }

    pub(super) fn dots(&self) -> impl Iterator<Item = (Dot, RequestId)> + use<'_> {
        self.siblings.iter().map(|(dot, written)| (*dot, written.by))
    }

    pub(super) fn versions(&self) -> Vec<(String, &Written)> {
        self.siblings.iter().map(|(dot, written)| (format!("{{{dot}}}"), written)).collect()
    }

    pub(super) fn put(&self, context: &VersionVector, dot: Dot, written: Written) -> Dotted {
        let mut new = self.clone();
        new.siblings.retain(|&held, _| !context.contains(held));
        new.siblings.insert(dot, written);
        new.seen.merge(context);
        new.seen.add(dot);
        new
    }

    pub(super) fn merge(&self, other: &Dotted) -> Dotted {
        let mut siblings = BTreeMap::new();
        for (mine, theirs) in [(self, other), (other, self)] {
            for (&dot, written) in &mine.siblings {
                match theirs.siblings.get(&dot) {
                    // One dot, two values: a broken promise (`unique-dots`), resolved alike everywhere.
                    Some(rival) => siblings.insert(dot, written.max(rival).clone()),
                    None if theirs.seen.contains(dot) => continue,
                    None => siblings.insert(dot, written.clone()),
                };
            }
        }
        let mut seen = self.seen.clone();
        seen.merge(&other.seen);
        Dotted { siblings, seen }
    }
}
