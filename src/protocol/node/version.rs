//! The new version that a put makes: what it replaces, and its dot or stamp.

use super::Node;
use crate::door::Ambient;
#[cfg(feature = "museum")]
use crate::ids::NodeId;
use crate::ids::{Key, RequestId};
use crate::policy::{ActorName, Clock, DotCounter, Replaces};
use crate::store::{Record, RecordKey, Store};
use crate::versions::{
    Actor, Context, Dot, Epoch, Incarnation, NewVersion, Object, Stamp, Written,
};

impl<S: Store> Node<S> {
    /// The key's object with the new version, and the version's dot.
    pub(super) fn new_version(
        &self,
        key: &Key,
        context: &Context,
        written: Written,
        ambient: Ambient,
    ) -> (Object, Dot) {
        let versioning = self.config.versioning();
        let copy = self.copy(key).unwrap_or_else(|| versioning.empty_object());
        let replaced = match self.config.policy().replaces {
            Replaces::Covered => context,
            #[cfg(feature = "museum")]
            Replaces::AllOrNothing if context.descends(&copy.context()) => context,
            #[cfg(feature = "museum")]
            Replaces::AllOrNothing | Replaces::NothingRead => &versioning.empty_context(),
        };
        let dot = self.next_dot(key, &copy, context, written.by, ambient);
        let truncation = self.config.policy().truncation;
        let new = NewVersion { dot, stamp: self.stamp(ambient), truncation };
        (versioning.put(&copy, replaced, self.id, new, written), dot)
    }

    /// The next dot of this node for `key`. It continues the epoch of its last dot only if that
    /// dot is the highest of the epoch that anybody here has heard of: if the copy was lost,
    /// replaced or came back from elsewhere, the counter cannot be trusted and the put takes a
    /// fresh epoch, whose counters start at 1 (bugs A2–A4, A16).
    fn next_dot(
        &self,
        key: &Key,
        copy: &Object,
        context: &Context,
        by: RequestId,
        ambient: Ambient,
    ) -> Dot {
        let fresh = Dot { actor: self.actor(ambient.epoch, by), counter: 1 };
        let (Object::Dotted(copy), Context::Dotted(read)) = (copy, context) else {
            return fresh;
        };
        let recorded = match self.store.get(&RecordKey::Counter(key.clone())) {
            Some(Record::Counter { epoch, counter }) => {
                Some(Dot { actor: self.actor(epoch, by), counter })
            }
            _ => None,
        };
        let is_highest = |last: &Dot| {
            copy.seen().counter(last.actor) == last.counter
                && read.counter(last.actor) <= last.counter
        };
        let last = match self.config.policy().counter {
            DotCounter::Recorded => recorded.filter(is_highest),
            #[cfg(feature = "museum")]
            DotCounter::OfCopy => copy.seen().last_of(fresh.actor.node),
            #[cfg(feature = "museum")]
            DotCounter::OfContext => read.last_of(fresh.actor.node),
            #[cfg(feature = "museum")]
            DotCounter::NeverReused => recorded,
        };
        last.map_or(fresh, |last| Dot { counter: last.counter + 1, ..last })
    }

    /// Who counts the put `by` in this epoch: one life of this node's disk (bugs A5–A7).
    fn actor(
        &self,
        epoch: Epoch,
        #[cfg_attr(not(feature = "museum"), expect(unused_variables))] by: RequestId,
    ) -> Actor {
        let incarnation = self.state.incarnation.unwrap_or(Incarnation(0));
        match self.config.policy().actor {
            ActorName::Epoch => Actor { node: self.id, incarnation, epoch },
            #[cfg(feature = "museum")]
            ActorName::Node => Actor::of_all_time(self.id),
            #[cfg(feature = "museum")]
            ActorName::StartTime => Actor { node: NodeId(0), incarnation, epoch },
            #[cfg(feature = "museum")]
            ActorName::Client => Actor::of_all_time(NodeId(by.client.0)),
        }
    }

    /// What this node takes for the time.
    fn stamp(&self, ambient: Ambient) -> Stamp {
        match self.config.policy().clock {
            Clock::Shell => ambient.stamp,
            #[cfg(feature = "museum")]
            Clock::Skewed => Stamp(ambient.stamp.0.saturating_add(self.id.0)),
        }
    }
}
