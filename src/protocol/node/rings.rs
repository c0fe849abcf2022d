//! The layouts that a node acts on: one, or two while a change moves data. Worked out from what it
//! knows of the membership, and no part of its state.

use crate::config::Config;
use crate::ids::{Key, NodeId};
use crate::membership::{Membership, Phase, View};
use crate::policy::{DeclaredDown, Joiners, MovingReads};
use crate::ring::{Position, PreferenceList, Ring};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;

/// Who owns what, in the layouts that are live.
#[derive(Clone, Debug)]
pub(super) struct Rings {
    membership: Option<Arc<Membership>>,
    view: View,
    current: Arc<Ring>,
    /// While data moves: of the next layout.
    next: Option<Arc<Ring>>,
    /// Whether both are cut into the same ranges. Under strategy 1 it takes long to find out.
    cut_alike: bool,
    moving_reads: MovingReads,
    /// Those that the change under way does not wait for.
    down: BTreeSet<NodeId>,
    /// Those that it waits for.
    awaited: BTreeSet<NodeId>,
}

impl Rings {
    /// What follows from a disk's record, or from the founding of the cluster if it has none.
    pub(super) fn new(config: &Config, known: Option<Arc<Membership>>) -> Rings {
        let moving_reads = config.policy().moving_reads;
        let founding = || Rings {
            membership: config.founding().cloned(),
            view: config.founding().map(|founding| founding.view()).unwrap_or_default(),
            current: config.ring().clone(),
            next: None,
            cut_alike: true,
            moving_reads,
            down: BTreeSet::new(),
            awaited: BTreeSet::new(),
        };
        let Some(membership) = known else { return founding() };
        let view = membership.view();
        let current = match membership.version() {
            0 => config.ring().clone(),
            _ => Arc::new(Ring::new(membership.current())),
        };
        let moves = view.phase != Phase::Settled;
        let next = membership.change().filter(|_| moves);
        let next = next.map(|change| Arc::new(Ring::new(&change.layout)));
        let cut_alike = next.as_ref().is_none_or(|next| next.has_ranges_of(&current));
        let down = effective_down(config, &membership, &current);
        let awaited = membership.awaited(&down).into_iter();
        let awaited = match config.policy().joiners {
            Joiners::Awaited => awaited.collect(),
            #[cfg(feature = "museum")]
            Joiners::OnTrust => awaited.filter(|node| membership.current().has(*node)).collect(),
        };
        let membership = Some(membership);
        Rings { membership, view, current, next, cut_alike, moving_reads, down, awaited }
    }

    pub(super) fn membership(&self) -> Option<&Arc<Membership>> {
        self.membership.as_ref()
    }

    pub(super) fn view(&self) -> View {
        self.view
    }

    /// The present layout; the old one while data moves.
    pub(super) fn current(&self) -> &Ring {
        &self.current
    }

    /// The layout that is to stay.
    pub(super) fn target(&self) -> &Ring {
        self.next.as_ref().unwrap_or(&self.current)
    }

    /// The layout on which gets act.
    pub(super) fn read(&self) -> &Ring {
        match (self.view.phase, self.moving_reads) {
            (Phase::Reading, _) => self.target(),
            #[cfg(feature = "museum")]
            (Phase::Moving, MovingReads::Next) => self.target(),
            (Phase::Settled | Phase::Moving, _) => &self.current,
        }
    }

    /// All layouts on which puts act.
    pub(super) fn live(&self) -> impl Iterator<Item = &Ring> {
        [Some(&self.current), self.next.as_ref()].into_iter().flatten().map(|ring| &**ring)
    }

    /// Who stores `key`, in each live layout.
    pub(super) fn lists(&self, key: &Key) -> impl Iterator<Item = PreferenceList<'_>> {
        self.lists_at(Position::of(&key.0))
    }

    pub(super) fn lists_at(&self, position: Position) -> impl Iterator<Item = PreferenceList<'_>> {
        self.live().map(move |ring| ring.preference_list_at(position))
    }

    /// Whether `node` is among the key's top N of a live layout.
    pub(super) fn owns(&self, node: NodeId, key: &Key) -> bool {
        self.owns_at(node, Position::of(&key.0))
    }

    pub(super) fn owns_at(&self, node: NodeId, position: Position) -> bool {
        self.lists_at(position).any(|list| list.contains_primary(node))
    }

    /// One position of each range within which no live layout changes its mind.
    pub(super) fn positions(&self) -> impl Iterator<Item = Position> {
        self.live().flat_map(Ring::starts)
    }

    /// The layouts of which a range's number means the same: under strategy 1 each has its own ranges.
    pub(super) fn with_ranges_of_current(&self) -> impl Iterator<Item = &Ring> {
        self.live().take(if self.cut_alike { 2 } else { 1 })
    }

    /// Whether `node` is a member of a live layout.
    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.live().any(|ring| ring.contains(node))
    }

    /// Whether there is another version of the same layout: the change of the other was withdrawn.
    pub(super) fn is_of_the_layout_of(&self, before: &Rings) -> bool {
        let (Some(mine), Some(other)) = (&self.membership, &before.membership) else {
            return false;
        };
        mine.version() > other.version() && mine.current() == other.current()
    }

    /// Whether there are nodes beyond a key's top N: without them there is nobody to turn to, and
    /// no use for suspicion.
    pub(super) fn have_fallbacks(&self) -> bool {
        self.live().any(|ring| ring.members() > usize::from(ring.n()))
    }

    /// Those with whom `node` stores some key, in the same live layout or in the other one.
    pub(super) fn neighbours(&self, node: NodeId) -> BTreeSet<NodeId> {
        let mut neighbours = BTreeSet::new();
        for position in self.positions().filter(|&position| self.owns_at(node, position)) {
            neighbours.extend(self.lists_at(position).flat_map(PreferenceList::primaries));
        }
        neighbours.remove(&node);
        neighbours
    }

    /// Whether the change under way does not wait for `node`.
    pub(super) fn is_down(&self, node: NodeId) -> bool {
        self.down.contains(&node)
    }

    pub(super) fn down(&self) -> &BTreeSet<NodeId> {
        &self.down
    }

    /// Those that the change under way waits for; nobody if there is none.
    pub(super) fn awaited(&self) -> &BTreeSet<NodeId> {
        &self.awaited
    }
}

/// Those that were declared down, if that is not too many. Two operators may each declare as many as
/// one may: then everybody is waited for after all.
fn effective_down(config: &Config, membership: &Membership, current: &Ring) -> BTreeSet<NodeId> {
    let is_awaited = match config.policy().declared_down {
        DeclaredDown::NotAwaited => false,
        #[cfg(feature = "museum")]
        DeclaredDown::Awaited => true,
    };
    match !is_awaited && suffice(config, membership, current) {
        true => membership.down(),
        false => BTreeSet::new(),
    }
}

/// Whether a change can do without those that were declared down. Of the present owners of each key
/// fewer than W are missing, so that whatever was acknowledged can be handed over; and fewer than W
/// of the next ones, so that one that has it is there to take it: those that own a key before and
/// after do not fetch it, and N-W of them may lack it.
pub(super) fn suffice(config: &Config, membership: &Membership, current: &Ring) -> bool {
    let Some(change) = membership.change() else { return true };
    let down = membership.down();
    if down.is_empty() {
        return true;
    }
    let few_missing = |ring: &Ring| {
        let mut lists = ring.ranges().map(|(_, list)| list.primaries());
        let missing = |list: &[NodeId]| list.iter().filter(|n| down.contains(n)).count();
        lists.all(|list| missing(list) < usize::from(config.w()))
    };
    membership.has_majority() && few_missing(current) && few_missing(&Ring::new(&change.layout))
}
