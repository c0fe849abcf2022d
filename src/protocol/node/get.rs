//! A get, coordinated by any node (paper §4.5, §6.4): ask all N owners, answer with the merge of the
//! first R copies, then let the owners that hold less know (read repair, paper §5).

use super::{Node, Pending};
use crate::config::ReadRepair;
use crate::door::{Delay, Effects, Ignored, Note, Timer};
use crate::ids::{Key, NodeId, RequestId};
use crate::message::{Answer, Message};
use crate::quorum::{Standing, Tally};
use crate::store::Store;
use crate::versions::Object;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::Serialize;

/// A get that is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Get {
    key: Key,
    /// Who has sent a copy, out of all owners.
    tally: Tally,
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
    pub(super) fn get(&mut self, id: RequestId, key: Key, effects: &mut Effects) {
        let owners = self.preference_list(&key).primaries();
        let tally = Tally::new(self.config.r(), owners.iter().copied());
        let others: Vec<NodeId> = owners.iter().copied().filter(|&o| o != self.id).collect();
        let mine = self.owns(&key).then(|| self.load(&key));
        let mut get = Get { key, tally, copies: BTreeMap::new(), stage: Stage::Reading };
        if let Some(mine) = mine {
            get.accept(self.id, mine);
        }
        // Without read repair nobody would look at further copies.
        let enough = get.tally.standing() == Standing::Reached
            && self.config.read_repair() == ReadRepair::Off;
        if !enough {
            for owner in others {
                effects.send(owner, Message::Read { id, key: get.key.clone() });
            }
        }
        effects.set(Timer::Request(id), Delay::Request);
        self.advance(id, get, effects);
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

    /// A replica refuses to serve the get.
    pub(super) fn get_refused(
        &mut self,
        id: RequestId,
        mut get: Get,
        from: NodeId,
        effects: &mut Effects,
    ) {
        get.tally.refuse(from);
        if let Stage::Confirming { holders, .. } = &mut get.stage {
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
                    return effects.reply(id, answer(get.merged(), self.empty()));
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
                    return effects.reply(id, answer(Some(result.clone()), self.empty()));
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
        effects.reply(id, answer(get.merged(), self.empty()));
        effects.set(Timer::Straggler(id), Delay::Straggler);
        get.stage = Stage::Straggling;
    }

    /// Sends what is to be returned to every owner not known to hold it.
    fn confirm(&mut self, id: RequestId, get: &mut Get, effects: &mut Effects) {
        let result = get.merged().unwrap_or_else(|| self.empty());
        let owners: Vec<NodeId> = get.tally.silent().chain(get.tally.accepted()).collect();
        let mut holders = Tally::new(self.config.confirmations(), owners.iter().copied());
        let nothing = result == self.empty();
        for &owner in &owners {
            let copy = get.copies.get(&owner).and_then(Option::as_ref);
            if nothing || copy.is_some_and(|copy| copy.includes(&result)) {
                holders.accept(owner);
            } else if owner == self.id {
                self.merge(&get.key, &result);
                holders.accept(owner);
            }
        }
        if holders.standing() == Standing::Pending {
            for owner in holders.silent() {
                let (key, object) = (get.key.clone(), result.clone());
                effects.note(Note::Repaired(owner));
                effects.send(owner, Message::Confirm { id, key, object });
            }
        }
        get.stage = Stage::Confirming { result, holders };
    }

    /// Sends the merge of all copies to every owner whose copy lacks something.
    fn repair_copies(&mut self, get: &Get, effects: &mut Effects) {
        let Some(merged) = get.merged() else { return };
        for (&owner, copy) in &get.copies {
            if copy.as_ref().is_some_and(|copy| copy.includes(&merged)) {
                continue;
            }
            effects.note(Note::Repaired(owner));
            if owner == self.id {
                self.merge(&get.key, &merged);
            } else {
                let (key, object) = (get.key.clone(), merged.clone());
                effects.send(owner, Message::Repair { key, object });
            }
        }
    }

    pub(super) fn straggler_timer(&mut self, id: RequestId, effects: &mut Effects) {
        match self.state.pending.remove(&id) {
            Some(Pending::Get(get)) if matches!(get.stage, Stage::Straggling) => {
                self.repair_copies(&get, effects);
            }
            Some(other) => {
                self.state.pending.insert(id, other);
                effects.ignore(Ignored::Stale);
            }
            None => effects.ignore(Ignored::Stale),
        }
    }

    pub(super) fn get_timed_out(&mut self, id: RequestId, get: Get, effects: &mut Effects) {
        let tally = match &get.stage {
            Stage::Reading => &get.tally,
            Stage::Confirming { holders, .. } => holders,
            Stage::Straggling => {
                self.state.pending.insert(id, Pending::Get(get));
                return effects.ignore(Ignored::Stale);
            }
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

    /// The merge of the copies at hand; `None` if no owner has any.
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
fn answer(object: Option<Object>, empty: Object) -> Answer {
    let object = object.unwrap_or(empty);
    let context = object.context();
    let siblings: Vec<_> = object.siblings().cloned().collect();
    if siblings.iter().any(|written| written.value.is_some()) {
        Answer::Found { siblings, context }
    } else {
        let deletes = siblings.iter().map(|written| written.by).collect();
        Answer::NotFound { deletes, context }
    }
}
