//! Gossip of layouts (paper §4.8), and what a node does as a change goes on.
//!
//! A gossip says what its sender knows, as a hash, and whether it has done what the present stage
//! asks of it. Whoever knows something else answers with it; whoever agrees says so. When a node has
//! heard from everybody that a change waits for, it goes on to the next stage, and the others
//! learn of it. It does not matter who is the first.

use super::rings::{Rings, suffice};
use super::{Node, Pending};
use crate::door::{Delay, Effects, Ignored, Note, Timer};
use crate::ids::NodeId;
use crate::limits;
use crate::membership::{
    Command, CommandError, LayoutHash, Membership, Phase, Stage, Step, View, plan,
};
use crate::message::Message;
use crate::policy::{Commit, SameLayout, StaleGossip};
use crate::store::{Durability, Record, RecordKey, Store};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl<S: Store> Node<S> {
    /// What this node knows of who takes part; `None` if the cluster was not founded on a layout.
    pub fn membership(&self) -> Option<&Arc<Membership>> {
        self.rings.membership()
    }

    /// Whether this node is a member of a layout on which it acts.
    pub fn is_member(&self) -> bool {
        self.rings.contains(self.id)
    }

    /// What this node's requests to others are made under.
    pub fn view(&self) -> View {
        self.rings.view()
    }

    /// It is time to gossip with `peer`.
    pub(super) fn gossip_timer(&mut self, peer: NodeId, effects: &mut Effects) {
        if !self.gossips_with(peer) {
            return effects.ignore(Ignored::Stale);
        }
        self.send_gossip(peer, true, effects);
        effects.set(Timer::Gossip(peer), Delay::Gossip);
    }

    pub(super) fn gossips_with(&self, peer: NodeId) -> bool {
        let is_member = self.membership().is_some_and(|membership| membership.has(peer));
        self.config.failures().gossip && peer != self.id && is_member
    }

    /// Sets the timers of those whom this node gossips with.
    pub(super) fn set_gossip_timers(&self, effects: &mut Effects) {
        let Some(membership) = self.membership().filter(|_| self.config.failures().gossip) else {
            return;
        };
        for peer in membership.members().map(|member| member.id).filter(|peer| *peer != self.id) {
            effects.set(Timer::Gossip(peer), Delay::Gossip);
        }
    }

    fn send_gossip(&self, to: NodeId, asks: bool, effects: &mut Effects) {
        if let Some(membership) = self.membership() {
            let (digest, done) = (membership.digest(), self.has_done());
            effects.send(to, Message::Gossip { digest, done, asks });
        }
    }

    pub(super) fn send_news(&self, to: NodeId, effects: &mut Effects) {
        if let Some(membership) = self.membership() {
            effects.send(to, Message::News(membership.clone()));
        }
    }

    /// A request of another view is not served: whoever is behind is told.
    pub(super) fn other_view(&mut self, from: NodeId, view: View, effects: &mut Effects) {
        effects.ignore(Ignored::OtherView);
        if view.is_before(&self.view()) {
            self.send_news(from, effects);
        } else {
            self.send_gossip(from, true, effects);
        }
    }

    pub(super) fn gossip(
        &mut self,
        (from, view): (NodeId, View),
        digest: LayoutHash,
        done: bool,
        asks: bool,
        effects: &mut Effects,
    ) {
        let Some(membership) = self.membership() else { return effects.ignore(Ignored::Stale) };
        let agrees = match self.config.policy().same_layout {
            SameLayout::Hash => membership.digest() == digest,
            #[cfg(feature = "museum")]
            SameLayout::Version => {
                (view.version, view.phase) == (self.view().version, self.view().phase)
            }
        };
        if agrees {
            if done && self.rings.awaited().contains(&from) {
                self.state.confirmed.insert(from);
            }
            if self.state.behind.remove(&from) {
                self.ask_again(from, effects);
            }
            if asks {
                self.send_gossip(from, false, effects);
            }
        } else if self.view().is_before(&view) {
            self.send_gossip(from, true, effects);
        } else {
            let is_old = view.is_before(&self.view());
            if is_old && self.waits_for(from) {
                self.state.behind.insert(from);
            }
            let is_answered = match self.config.policy().stale_gossip {
                StaleGossip::Answered => true,
                #[cfg(feature = "museum")]
                StaleGossip::Ignored => !is_old || self.rings.awaited().contains(&from),
            };
            match is_answered {
                true => self.send_news(from, effects),
                false => effects.ignore(Ignored::Stale),
            }
        }
    }

    /// Whether a request here waits for `node`.
    pub fn waits_for(&self, node: NodeId) -> bool {
        self.state.pending.values().any(|pending| match pending {
            Pending::Put(put) => put.waits_for(node),
            Pending::Get(get) => get.waits_for(node),
            Pending::Forward(_) => false,
        })
    }

    /// Somebody who was behind has caught up: what it was asked before is asked again.
    fn ask_again(&mut self, node: NodeId, effects: &mut Effects) {
        for (&id, pending) in &self.state.pending {
            match pending {
                Pending::Put(put) => self.put_again(id, put, node, effects),
                Pending::Get(get) => self.get_again(id, get, node, effects),
                Pending::Forward(_) => {}
            }
        }
    }

    pub(super) fn news(&mut self, from: NodeId, theirs: &Arc<Membership>, effects: &mut Effects) {
        let Some(mine) = self.membership().cloned() else { return effects.ignore(Ignored::Stale) };
        let is_sound = theirs.cluster() == mine.cluster()
            && theirs.fits(&self.config)
            && theirs.version() <= mine.version().saturating_add(limits::MAX_LAYOUT_LEAD);
        if !is_sound {
            return effects.ignore(Ignored::OtherCluster);
        }
        // Whoever takes no part yet has nothing to add, but perhaps outdated addresses.
        let is_outside = !mine.has(self.id);
        let merged = match mine.change() {
            None if is_outside && theirs.version() == mine.version() => (**theirs).clone(),
            _ => mine.merge(theirs),
        };
        if merged != *mine {
            self.adopt(Arc::new(merged.clone()), effects);
        }
        if merged == **theirs {
            self.send_gossip(from, false, effects);
        } else if theirs.merge(&merged) != **theirs {
            self.send_news(from, effects);
        } else {
            effects.ignore(Ignored::OtherCluster);
        }
    }

    /// Goes on from a new state of the membership.
    fn adopt(&mut self, membership: Arc<Membership>, effects: &mut Effects) {
        let rings = Rings::new(&self.config, Some(membership.clone()));
        if self.view().phase == Phase::Settled && rings.view() != self.view() {
            self.settle_the_rest(effects);
        }
        let before = core::mem::replace(&mut self.rings, rings);
        let record = Record::Membership(membership);
        self.store.put(RecordKey::Membership, record, Durability::Durable);
        self.state.confirmed.clear();
        self.set_gossip_timers(effects);
        self.forget_what_is_decided();
        if before.view() == self.view() {
            return self.wait_for_fewer(effects);
        }
        effects.note(match self.rings.is_of_the_layout_of(&before) {
            true => Note::Withdrawn(self.view()),
            false => Note::Layout(self.view()),
        });
        self.note_gains(&before);
        let has_indexes = self.config.failures().anti_entropy || self.config.failures().reap;
        if has_indexes && !self.rings.current().has_ranges_of(before.current()) {
            // Under strategy 1 all trees are of other ranges now (paper §6.2).
            self.rebuild_indexes(effects);
        }
        self.state.pulls.clear();
        self.state.behind.clear();
        self.state.reaping = None;
        self.state.watched.clear();
        self.begin_to_settle(effects);
        self.set_exchange_timers(effects);
        self.renew_requests(effects);
    }

    /// Somebody may have been declared down: that may be enough.
    fn wait_for_fewer(&mut self, effects: &mut Effects) {
        self.note_what_is_merged();
        if self.is_leaving() {
            self.begin_to_settle(effects);
        }
    }

    /// Begins anew, in the live layouts, what was under way in others.
    fn renew_requests(&mut self, effects: &mut Effects) {
        for (id, pending) in core::mem::take(&mut self.state.pending) {
            match pending {
                pending if pending.is_answered() => effects.cancel(Timer::Straggler(id)),
                Pending::Put(put) => self.renew_put(id, put, effects),
                Pending::Get(get) => self.renew_get(id, get, effects),
                Pending::Forward(forward) => {
                    self.state.pending.insert(id, Pending::Forward(forward));
                }
            }
        }
    }

    /// Whether this node has done what the present stage of a change asks of it.
    pub fn has_done(&self) -> bool {
        match self.view().phase {
            // A copy that is to go must be gone before its key may come back to this node: what it
            // missed may have been deleted and forgotten meanwhile (bug B12).
            Phase::Settled => !self.is_settling(),
            // Nor does it end without what somebody has lost since, or fetches late.
            Phase::Reading => self.is_whole(),
            // Whoever leaves gives away what it keeps for others.
            Phase::Moving => {
                self.is_whole() && (!self.is_leaving() || self.homes().next().is_none())
            }
        }
    }

    /// Whether this node is no member of the layout that is to stay.
    pub(super) fn is_leaving(&self) -> bool {
        !self.rings.target().contains(self.id)
    }

    /// Those that the change under way waits for, and that have not said yet that they have done
    /// what its present stage asks of them.
    pub fn awaited(&self) -> BTreeSet<NodeId> {
        let mut awaited = self.rings.awaited().clone();
        awaited.retain(|node| match *node == self.id {
            true => !self.has_done(),
            false => !self.state.confirmed.contains(node),
        });
        awaited
    }

    /// Whether `node` is to be asked again as soon as it has heard of the present layouts.
    pub fn is_behind(&self, node: NodeId) -> bool {
        self.state.behind.contains(&node)
    }

    /// Goes on to the next stage once everybody has done what the present one asks for.
    pub(super) fn advance_change(&mut self, effects: &mut Effects) {
        let others = self.rings.awaited().iter().filter(|node| **node != self.id).count();
        let is_awaited = self.rings.awaited().contains(&self.id);
        let agreed = match self.config.policy().commit {
            Commit::Agreed => self.state.confirmed.len() >= others,
            #[cfg(feature = "museum")]
            Commit::AtOnce => true,
        };
        if self.rings.awaited().is_empty() || !agreed {
            return;
        }
        if (!is_awaited || self.has_done())
            && let Some(membership) = self.membership()
        {
            let next = Arc::new(membership.advance_without(self.rings.down()));
            self.adopt(next, effects);
        }
    }

    /// The plan that this node keeps.
    pub fn staged(&self) -> Vec<Step> {
        match self.store.get(&RecordKey::Staged) {
            Some(Record::Staged(steps)) => steps,
            _ => Vec::new(),
        }
    }

    /// What the membership is after a command; `None` if the command only changes the plan.
    ///
    /// # Errors
    /// [`CommandError`] says why the command is refused.
    pub fn check_command(&self, command: &Command) -> Result<Option<Membership>, CommandError> {
        let membership = self.membership().ok_or(CommandError::NoLayout)?;
        if !membership.current().has(self.id) {
            return Err(CommandError::NotAMember);
        }
        if self.has_lost_its_disk() {
            return Err(CommandError::LostDisk);
        }
        let mut steps = self.staged();
        match command {
            Command::Stage(step) => {
                steps.push(step.clone());
                if steps.len() > limits::MAX_STAGED {
                    return Err(CommandError::TooManySteps);
                }
                plan(membership.current(), &steps)?;
                Ok(None)
            }
            Command::Clear => Ok(None),
            Command::Commit(hash) => {
                if membership.change().is_some() {
                    return Err(CommandError::ChangeUnderWay);
                }
                let layout = plan(membership.current(), &steps)?;
                if layout == *membership.current() {
                    return Err(CommandError::NothingStaged);
                }
                if LayoutHash::of_layout(&layout) != *hash {
                    return Err(CommandError::OtherPlan);
                }
                Ok(Some(membership.propose(layout)))
            }
            Command::Down(node) => self.without(membership, *node).map(Some),
            Command::Up(node) => match membership.change() {
                Some(_) if !membership.down().contains(node) => Err(CommandError::NotDown(*node)),
                Some(change) if change.stage == Stage::Reading => {
                    Err(CommandError::TooLateForUp(*node))
                }
                Some(_) => Ok(Some(membership.declare_up(*node))),
                None => Err(CommandError::NotDown(*node)),
            },
            Command::Abort => match membership.change() {
                None => Err(CommandError::NothingProposed),
                Some(_) if membership.is_withdrawal() => Err(CommandError::Withdrawn),
                Some(change) if change.stage > Stage::Proposed => Err(CommandError::TooLateToAbort),
                Some(_) => Ok(Some(membership.withdraw())),
            },
        }
    }

    /// The membership with `node` declared down.
    fn without(&self, membership: &Membership, node: NodeId) -> Result<Membership, CommandError> {
        if membership.change().is_none() {
            return Err(CommandError::NoChange(node));
        }
        if membership.is_withdrawal() {
            return Err(CommandError::Withdrawn);
        }
        if !membership.has(node) || self.rings.is_down(node) {
            return Err(CommandError::NotAwaited(node));
        }
        // It may have a disk of former times, and not have heard what of that was given up.
        if self.view().phase == Phase::Settled && !membership.current().has(node) {
            return Err(CommandError::Newcomer(node));
        }
        let without = membership.declare_down(node);
        match suffice(&self.config, &without, self.rings.current()) {
            true => Ok(without),
            false => Err(CommandError::TooManyDown(node)),
        }
    }

    /// An operator commands.
    pub(super) fn command(&mut self, command: Command, effects: &mut Effects) {
        match (self.check_command(&command), command) {
            (Err(_), _) => effects.ignore(Ignored::BadCommand),
            (Ok(Some(membership)), _) => self.adopt(Arc::new(membership), effects),
            (Ok(None), Command::Stage(step)) => {
                let mut steps = self.staged();
                steps.push(step);
                let record = Record::Staged(steps);
                self.store.put(RecordKey::Staged, record, Durability::Durable);
            }
            (Ok(None), _) => self.store.remove(&RecordKey::Staged, Durability::Durable),
        }
    }

    /// A plan has served its purpose once its layout is sure to come. If another took its place, it
    /// stays, for the operator to look at again.
    fn forget_what_is_decided(&mut self) {
        let staged = self.staged();
        let Some(membership) = self.membership().filter(|_| !staged.is_empty()) else { return };
        let is_decided = membership.change().is_some_and(|change| {
            change.stage > Stage::Proposed
                && plan(membership.current(), &staged).as_ref() == Ok(&change.layout)
        });
        if is_decided {
            self.store.remove(&RecordKey::Staged, Durability::Durable);
        }
    }
}
