//! The beginning of a life.

use super::{Node, Volatile};
use crate::door::{Effects, Ignored, Start};
use crate::store::{Record, RecordKey, Store};

impl<S: Store> Node<S> {
    /// Starts on an empty disk, or on this node's own with objects of its scheme. Any other disk is
    /// left alone and the node stays deaf: somebody has mixed up folders or configurations.
    pub(super) fn start(&mut self, start: Start, effects: &mut Effects) {
        let versioning = self.config.versioning();
        let identity = self.store.get(&RecordKey::Identity);
        let incarnation = match (start, identity) {
            _ if self.state.incarnation.is_some() => None,
            (Start::Bootstrap { incarnation }, None) if self.store.next(None).is_none() => {
                let record = Record::Identity { node: self.id, incarnation, versioning };
                self.store.put(RecordKey::Identity, record);
                Some(incarnation)
            }
            (Start::Restart, Some(Record::Identity { node, incarnation, versioning: scheme }))
                if node == self.id && scheme == versioning =>
            {
                Some(incarnation)
            }
            _ => None,
        };
        match incarnation {
            Some(_) => self.state = Volatile { incarnation, ..Volatile::default() },
            None => effects.ignore(Ignored::BadStart),
        }
    }
}
