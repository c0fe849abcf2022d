//! A get, coordinated by any node (paper §4.5, §6.4): ask the N nodes that it acts on, answer with
//! the merge of the first R copies, then let the owners that hold less know (read repair, paper §5).

use super::place::Place;
use super::{Node, Pending};
use crate::config::{Quorum, ReadRepair};
use crate::door::{Delay, Effects, Note, Timer};
use crate::ids::{Key, NodeId, RequestId};
use crate::message::{Answer, Message, Replicas};
use crate::policy::RepairSet;
use crate::quorum::{Standing, Tally, Target};
use crate::store::Store;
use crate::versions::Object;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::Serialize;

/// A get that is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Get {
    key: Key,
    /// Who has sent a copy, out of all that were asked.
    tally: Tally,
    /// Whether others may be asked when those are silent.
    quorum: Quorum,
    /// Their copies.
    copies: BTreeMap<NodeId, Option<Object>>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Stage {
    /// Fewer than R copies are here.
    Reading,
    /// Blocking read repair: `holders` must hold what is to be returned before it is.
    Confirming { result: Object, holders: Tally },
    /// Answered; read repair waits for the rest of the copies.
    Straggling,
}

impl<S: Store> Node<S> {
    /// Coordinates a get.
    pub(super) fn get(&mut self, id: RequestId, key: Key, quorum: Quorum, effects: &mut Effects) {
        let targets = self.read_targets(&key, quorum);
        let tally = Tally::new(self.config.r(), targets.iter().copied());
        let mut get = Get { key, tally, quorum, copies: BTreeMap::new(), stage: Stage::Reading };
        self.ask_myself(&mut get);
        // Without read repair nobody would look at further copies.
        let enough = get.tally.standing() == Standing::Reached
            && self.config.read_repair() == ReadRepair::Off;
        if !enough {
            self.ask(id, &get.key, &targets, effects);
        }
        effects.set(Timer::Request(id), Delay::Request);
        self.advance(id, get, effects);
    }

    /// Counts this node's own copy, if it is asked.
    fn ask_myself(&self, get: &mut Get) {
        match get.tally.was_asked(self.id) {
            true if self.is_synchronised(&get.key) => {
                get.accept(self.id, self.copy(&get.key));
            }
            true => get.tally.refuse(self.id),
            false => {}
        }
    }

    fn ask(&self, id: RequestId, key: &Key, targets: &[Target], effects: &mut Effects) {
        for &Target { node, home } in targets.iter().filter(|target| target.node != self.id) {
            effects.send(node, Message::Read { id, key: key.clone(), home });
        }
    }

    /// A copy comes in.
    pub(super) fn get_copy(
        &mut self,
        id: RequestId,
        mut get: Get,
        from: NodeId,
        object: Option<Object>,
        effects: &mut Effects,
    ) {
        if let Stage::Confirming { result, holders } = &mut get.stage
            && object.as_ref().is_some_and(|object| object.includes(result))
        {
            holders.accept(from);
        }
        get.accept(from, object);
        self.advance(id, get, effects);
    }

    /// A replica refuses to serve the get. If it `stores`, it can still hold what is returned.
    pub(super) fn get_refused(
        &mut self,
        id: RequestId,
        mut get: Get,
        from: NodeId,
        stores: bool,
        effects: &mut Effects,
    ) {
        get.tally.refuse(from);
        if let Stage::Confirming { holders, .. } = &mut get.stage
            && !stores
        {
            holders.refuse(from);
        }
        self.advance(id, get, effects);
    }

    /// Goes on as far as the copies at hand allow.
    fn advance(&mut self, id: RequestId, mut get: Get, effects: &mut Effects) {
        if let Stage::Reading = get.stage {
            match (get.tally.standing(), self.config.read_repair()) {
                (Standing::Pending, _) => {}
                (Standing::Failed, _) => return self.unavailable(id, &get.tally, effects),
                (Standing::Reached, ReadRepair::Off) => {
                    effects.cancel(Timer::Request(id));
                    return self.answer_get(id, &get, get.merged(), effects);
                }
                (Standing::Reached, ReadRepair::Async) => self.answer_early(id, &mut get, effects),
                (Standing::Reached, ReadRepair::Blocking) => self.confirm(id, &mut get, effects),
            }
        }
        match &get.stage {
            Stage::Confirming { result, holders } => match holders.standing() {
                Standing::Pending => {}
                Standing::Failed => return self.unavailable(id, holders, effects),
                Standing::Reached => {
                    effects.cancel(Timer::Request(id));
                    return self.answer_get(id, &get, Some(result.clone()), effects);
                }
            },
            Stage::Straggling if get.tally.silent().next().is_none() => {
                effects.cancel(Timer::Straggler(id));
                return self.repair_copies(&get, effects);
            }
            Stage::Straggling | Stage::Reading => {}
        }
        self.state.pending.insert(id, Pending::Get(get));
    }

    /// Answers, and waits for the copies that were not needed.
    fn answer_early(&self, id: RequestId, get: &mut Get, effects: &mut Effects) {
        effects.cancel(Timer::Request(id));
        self.answer_get(id, get, get.merged(), effects);
        effects.set(Timer::Straggler(id), Delay::Straggler);
        get.stage = Stage::Straggling;
    }

    fn answer_get(&self, id: RequestId, get: &Get, result: Option<Object>, effects: &mut Effects) {
        let replicas = get.tally.replicas();
        for &fallback in &replicas.fallbacks {
            effects.note(Note::FallbackRead(fallback));
        }
        effects.reply(id, answer(result.unwrap_or_else(|| self.empty()), replicas));
    }

    /// Sends what is to be returned to every replica not known to hold it.
    fn confirm(&mut self, id: RequestId, get: &mut Get, effects: &mut Effects) {
        let result = get.merged().unwrap_or_else(|| self.empty());
        let mut asked: Vec<Target> = get.tally.asked().collect();
        let quorums = self.several_quorums(&get.key);
        if !quorums.is_empty() {
            let is_new = |target: &Target| !get.tally.was_asked(target.node);
            asked.extend(self.write_targets(&get.key, get.quorum).into_iter().filter(is_new));
        }
        let holders = Tally::new(self.config.confirmations(), asked.iter().copied());
        let mut holders = holders.in_each(quorums);
        let nothing = result == self.empty();
        for &Target { node, home } in &asked {
            let copy = get.copies.get(&node).and_then(Option::as_ref);
            if nothing || copy.is_some_and(|copy| copy.includes(&result)) {
                holders.accept(node);
            } else if node == self.id
                && let Some(place) = self.place(&get.key, home)
            {
                self.merge(place, &get.key, &result, self.usual_durability(), effects);
                holders.accept(node);
            }
        }
        if holders.standing() == Standing::Pending {
            for Target { node, home } in holders.silent_targets() {
                let (key, object) = (get.key.clone(), result.clone());
                effects.note(Note::Repaired(node));
                effects.send(node, Message::Confirm { id, key, object, home });
            }
        }
        get.stage = Stage::Confirming { result, holders };
    }

    /// Begins a get anew, in other layouts than before.
    pub(super) fn renew_get(&mut self, id: RequestId, get: Get, effects: &mut Effects) {
        self.get(id, get.key, get.quorum, effects);
    }

    /// Asks `node` what it was asked before.
    pub(super) fn get_again(&self, id: RequestId, get: &Get, node: NodeId, effects: &mut Effects) {
        let is_it = |target: &Target| target.node == node;
        match &get.stage {
            Stage::Reading | Stage::Straggling => {
                let targets: Vec<Target> = get.tally.silent_targets().filter(is_it).collect();
                self.ask(id, &get.key, &targets, effects);
            }
            Stage::Confirming { result, holders } => {
                for Target { node, home } in holders.silent_targets().filter(is_it) {
                    let (key, object) = (get.key.clone(), result.clone());
                    effects.send(node, Message::Confirm { id, key, object, home });
                }
            }
        }
    }

    /// Sends the merge of all copies to every owner whose copy lacks something. Fallbacks are left
    /// alone: what they keep goes home as it is.
    pub(super) fn repair_copies(&mut self, get: &Get, effects: &mut Effects) {
        let Some(merged) = get.merged() else { return };
        for (&owner, copy) in &get.copies {
            let is_whole = copy.as_ref().is_some_and(|copy| copy.includes(&merged));
            let is_whole = match self.config.policy().repair_set {
                RepairSet::AllThatLack => is_whole,
                #[cfg(feature = "museum")]
                RepairSet::StaleOnly => is_whole || copy.is_none(),
            };
            if is_whole || get.tally.home(owner).is_some() {
                continue;
            }
            effects.note(Note::Repaired(owner));
            if owner == self.id {
                self.merge(Place::Own, &get.key, &merged, self.usual_durability(), effects);
            } else {
                let (key, object) = (get.key.clone(), merged.clone());
                effects.send(owner, Message::Repair { key, object });
            }
        }
    }

    /// Those asked are silent. A sloppy get turns to others, as long as there are any.
    pub(super) fn get_timed_out(&mut self, id: RequestId, mut get: Get, effects: &mut Effects) {
        let tally = match &get.stage {
            Stage::Reading if get.quorum == Quorum::Sloppy => {
                let others = self.turn_to_others(&mut get.tally, Some(&get.key), effects);
                if !others.is_empty() {
                    self.ask_myself(&mut get);
                    self.ask(id, &get.key, &others, effects);
                    effects.set(Timer::Request(id), Delay::Request);
                    return self.advance(id, get, effects);
                }
                &get.tally
            }
            Stage::Reading => &get.tally,
            Stage::Confirming { holders, .. } => holders,
            Stage::Straggling => return,
        };
        self.suspect(tally.silent(), effects);
        effects.reply(id, unavailable(tally));
    }

    fn unavailable(&self, id: RequestId, tally: &Tally, effects: &mut Effects) {
        effects.cancel(Timer::Request(id));
        effects.reply(id, unavailable(tally));
    }

    fn empty(&self) -> Object {
        self.config.versioning().empty_object()
    }
}

impl Get {
    fn accept(&mut self, from: NodeId, object: Option<Object>) {
        if self.tally.silent().any(|silent| silent == from) {
            self.tally.accept(from);
            self.copies.insert(from, object);
        }
    }

    /// Whether it only waits for the replicas that its answer did not need.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Straggling)
    }

    /// Whether the order of further copies cannot matter.
    pub(super) fn takes_copies_in_any_order(&self, read_repair: ReadRepair) -> bool {
        match self.stage {
            Stage::Reading => {
                let missing = usize::from(self.tally.need() - self.tally.got());
                let looks_at_first_only = read_repair == ReadRepair::Off;
                self.tally.silent().count() == missing
                    || (looks_at_first_only && self.has_met_an_object())
            }
            Stage::Confirming { .. } => true,
            Stage::Straggling => false,
        }
    }

    /// Whether some replica has sent an object.
    pub(super) fn has_met_an_object(&self) -> bool {
        self.copies.values().any(Option::is_some)
    }

    /// Whether `node` was asked and has not answered.
    pub(super) fn waits_for(&self, node: NodeId) -> bool {
        let tally = match &self.stage {
            Stage::Confirming { holders, .. } => holders,
            Stage::Reading | Stage::Straggling => &self.tally,
        };
        tally.silent().any(|silent| silent == node)
    }

    /// The key.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// The merge of the copies at hand; `None` if nobody has any.
    fn merged(&self) -> Option<Object> {
        let merge = |a: Object, b: &Object| a.merge(b);
        let mut copies = self.copies.values().flatten();
        let first = copies.next()?.clone();
        Some(copies.fold(first, merge))
    }
}

fn unavailable(tally: &Tally) -> Answer {
    Answer::QuorumUnavailable { got: tally.got(), need: tally.need() }
}

/// What a client is told of an object.
fn answer(object: Object, replicas: Replicas) -> Answer {
    let context = object.context();
    let siblings: Vec<_> = object.siblings().cloned().collect();
    if siblings.iter().any(|written| written.value.is_some()) {
        Answer::Found { siblings, context, replicas }
    } else {
        let deletes = siblings.iter().map(|written| written.by).collect();
        Answer::NotFound { deletes, context, replicas }
    }
}
