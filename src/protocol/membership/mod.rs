//! Who takes part, and how that changes (paper §4.8, §4.9): versioned, content-hashed layouts.
//!
//! A change leads from one layout to the next through three stages, and a node goes on to the next
//! stage only when it knows that *everybody* is in the present one and has done what it asks for:
//!
//! - **proposed**: nothing has moved. Where two operators commit different plans at once, the larger
//!   hash wins; the other's changes are still staged where they were.
//! - **moving**: puts need a quorum in both layouts, gets read the old one; new owners fetch their
//!   keys from all old ones.
//! - **reading**: gets read the new layout; puts still need both.
//!
//! Then the new layout is the current one, and old owners give up what is not theirs any more.
//! Everybody means all members of both layouts but those that an operator has declared down.
//! Once everybody is in a proposed change no larger one can appear, because whoever would have
//! proposed it is among them; so two different changes never get to move side by side. (Where
//! operators on two sides of a partition declare each other's live nodes down, they might: then
//! neither comes to its end.)
//!
//! A proposed change is withdrawn by one that leads back to the present layout. It takes the place
//! of every other proposed one, and goes on when all present members, declared down or not, are in it.
//! From then on nobody can begin to move: a member that had begun would not be in it, and to whoever
//! was only to join nobody in it listens. It is at its end when all have said so once more: who has lost
//! its disk in between may have heard of the other change again, and begun.

mod plan;

pub use plan::{Command, CommandError, Step, plan};

use crate::config::Config;
use crate::ids::NodeId;
use crate::limits;
use crate::ring::{Layout, Member};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher;
use serde::{Deserialize, Serialize};

/// 128 bits of blake3 over the canonical encoding of a layout, or of all that a node knows of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayoutHash(pub [u8; 16]);

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Another change may still take its place.
    Proposed,
    /// New owners fetch their keys; puts act on both layouts.
    Moving,
    /// Gets act on the new layout, puts still on both.
    Reading,
}

/// On the way to another layout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// What the layout is to be.
    pub layout: Layout,
    /// How far it has come.
    pub stage: Stage,
    /// How often each member was declared down, or up again, by turns: of the larger number is what
    /// was said last. Whatever takes this change's place keeps it: it is about members.
    pub declared: BTreeMap<NodeId, u32>,
}

/// What a node knows of who takes part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Plain")]
pub struct Membership {
    cluster: LayoutHash,
    version: u64,
    current: Layout,
    /// Members that the change before was made without: nobody can tell what they hold.
    absent: BTreeSet<NodeId>,
    change: Option<Change>,
    /// Of all of the above, worked out once.
    #[serde(skip_serializing)]
    digest: LayoutHash,
}

/// What requests between nodes are made under: a node serves only those of its own view.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct View {
    /// Changes that have come to their end since the cluster was founded.
    pub version: u64,
    /// On which layouts gets and puts act.
    pub phase: Phase,
    /// The layout, or the next one while a change is under way.
    pub layout: LayoutHash,
}

/// On which layouts gets and puts act.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Phase {
    /// There is one.
    #[default]
    Settled,
    /// Gets on the old one, puts on both.
    Moving,
    /// Gets on the new one, puts on both.
    Reading,
}

impl LayoutHash {
    /// Of anything with a canonical encoding.
    fn of<T: Serialize>(value: &T) -> LayoutHash {
        let bytes = postcard::to_allocvec(value).expect("encoding to memory");
        LayoutHash(*blake3::hash(&bytes).as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }

    /// Of a layout.
    pub fn of_layout(layout: &Layout) -> LayoutHash {
        LayoutHash::of(layout)
    }
}

impl Change {
    fn proposed(layout: Layout) -> Change {
        Change { layout, stage: Stage::Proposed, declared: BTreeMap::new() }
    }

    fn down(&self) -> BTreeSet<NodeId> {
        let is_down = |(_, times): &(&NodeId, &u32)| **times % 2 == 1;
        self.declared.iter().filter(is_down).map(|(node, _)| *node).collect()
    }

    /// Whether another change of `current` takes this one's place.
    fn gives_way_to(&self, other: &Change, current: &Layout) -> bool {
        let leads_back = |change: &Change| change.layout == *current;
        let rank = |change: &Change| (leads_back(change), LayoutHash::of_layout(&change.layout));
        match (self.stage, other.stage) {
            (Stage::Proposed, Stage::Proposed) => rank(other) > rank(self),
            // Whoever has begun to move is waited for in vain.
            (Stage::Moving, Stage::Moving) => leads_back(self),
            (mine, other) => other > mine,
        }
    }

    /// The farther of two changes of `current`; of different ones the one that the other gives way
    /// to. What was declared in either holds.
    fn merge(&self, other: &Change, current: &Layout) -> Change {
        let mut merged = if self.gives_way_to(other, current) { other } else { self }.clone();
        for (node, times) in self.declared.iter().chain(&other.declared) {
            let known = merged.declared.entry(*node).or_default();
            *known = (*known).max(*times);
        }
        merged
    }
}

impl Membership {
    /// The beginning of a cluster, in which all go by the same `settings`.
    pub fn founding<T: Serialize>(layout: Layout, settings: &T) -> Membership {
        // Members move; whoever joins later may know them by their new addresses.
        let members = layout.members().iter();
        let members: Vec<_> = members.map(|m| (m.id, &m.name, m.weight, &m.zone)).collect();
        let cluster = LayoutHash::of(&(members, layout.n(), layout.strategy(), settings));
        let absent = BTreeSet::new();
        Membership::from(Plain { cluster, version: 0, current: layout, absent, change: None })
    }

    /// Which cluster this is: what it was founded on, but for addresses.
    pub fn cluster(&self) -> LayoutHash {
        self.cluster
    }

    /// Changes that have come to their end.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The present layout; the old one while a change is under way.
    pub fn current(&self) -> &Layout {
        &self.current
    }

    /// The change under way.
    pub fn change(&self) -> Option<&Change> {
        self.change.as_ref()
    }

    /// Whether the change before was made without this member.
    pub fn is_absent(&self, node: NodeId) -> bool {
        self.absent.contains(&node)
    }

    /// A hash of all this.
    pub fn digest(&self) -> LayoutHash {
        self.digest
    }

    /// What requests are made under.
    pub fn view(&self) -> View {
        let settled = || (Phase::Settled, LayoutHash::of_layout(&self.current));
        let (phase, layout) = match &self.change {
            None => settled(),
            Some(change) => match change.stage {
                _ if self.is_withdrawal() => settled(),
                Stage::Proposed => settled(),
                Stage::Moving => (Phase::Moving, LayoutHash::of_layout(&change.layout)),
                Stage::Reading => (Phase::Reading, LayoutHash::of_layout(&change.layout)),
            },
        };
        View { version: self.version, phase, layout }
    }

    /// The newer of two; where neither is, this one. Commutative and idempotent, and associative for
    /// all that can meet in a run: plans beyond `Proposed` that differ cannot (see the head of this file).
    #[must_use]
    pub fn merge(&self, other: &Membership) -> Membership {
        if self.cluster != other.cluster || other.version < self.version {
            return self.clone();
        }
        if other.version > self.version {
            return other.clone();
        }
        let change = match (&self.change, &other.change) {
            (Some(mine), Some(theirs)) => Some(mine.merge(theirs, &self.current)),
            (mine, theirs) => mine.as_ref().or(theirs.as_ref()).cloned(),
        };
        // One may have come here with a node, another without it.
        let absent = self.absent.union(&other.absent).copied().collect();
        Membership { absent, ..self.clone() }.with(change)
    }

    /// With a change proposed.
    #[must_use]
    pub fn propose(&self, layout: Layout) -> Membership {
        self.with(Some(Change::proposed(layout)))
    }

    /// With what is proposed withdrawn.
    #[must_use]
    pub fn withdraw(&self) -> Membership {
        let declared = self.change.as_ref().map(|change| change.declared.clone());
        let back = Change::proposed(self.current.clone());
        self.with(Some(Change { declared: declared.unwrap_or_default(), ..back }))
    }

    /// Whether what was proposed is being withdrawn.
    pub fn is_withdrawal(&self) -> bool {
        self.change.as_ref().is_some_and(|change| change.layout == self.current)
    }

    /// Members that an operator has declared down: nobody waits for them, but who withdraws a change.
    pub fn down(&self) -> BTreeSet<NodeId> {
        let change = self.change.as_ref().filter(|_| !self.is_withdrawal());
        change.map(Change::down).unwrap_or_default()
    }

    /// With the change under way one stage on, or at its end, without those declared down.
    #[must_use]
    pub fn advance(&self) -> Membership {
        self.advance_without(&self.down())
    }

    /// With the change under way one stage on, or at its end, which it came to without `down`.
    #[must_use]
    pub fn advance_without(&self, down: &BTreeSet<NodeId>) -> Membership {
        let Some(change) = &self.change else { return self.clone() };
        let (cluster, version) = (self.cluster, self.version + 1);
        let stage = match change.stage {
            Stage::Proposed => Stage::Moving,
            Stage::Moving if self.is_withdrawal() => {
                let (current, absent) = (self.current.clone(), self.absent.clone());
                return Membership::from(Plain { cluster, version, current, absent, change: None });
            }
            Stage::Moving => Stage::Reading,
            Stage::Reading => {
                let current = change.layout.clone();
                let absent = down.iter().copied().filter(|node| current.has(*node)).collect();
                return Membership::from(Plain { cluster, version, current, absent, change: None });
            }
        };
        self.with(Some(Change { stage, ..change.clone() }))
    }

    /// With `node` declared down.
    #[must_use]
    pub fn declare_down(&self, node: NodeId) -> Membership {
        self.declare(node, true)
    }

    /// With `node` waited for after all.
    #[must_use]
    pub fn declare_up(&self, node: NodeId) -> Membership {
        self.declare(node, false)
    }

    fn declare(&self, node: NodeId, down: bool) -> Membership {
        let change = self.change.clone().map(|mut change| {
            if change.down().contains(&node) != down {
                let times = change.declared.entry(node).or_default();
                *times = times.saturating_add(1);
            }
            change
        });
        self.with(change)
    }

    fn with(&self, change: Option<Change>) -> Membership {
        Membership::from(Plain {
            cluster: self.cluster,
            version: self.version,
            current: self.current.clone(),
            absent: self.absent.clone(),
            change,
        })
    }

    /// The members of the present and, if there is one, of the next layout.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        let next = self.change.iter().flat_map(|change| change.layout.members());
        let is_new = |member: &&Member| !self.current.has(member.id);
        self.current.members().iter().chain(next.filter(is_new))
    }

    /// Whether `node` is a member of the present or the next layout.
    pub fn has(&self, node: NodeId) -> bool {
        let next = self.change.as_ref().map(|change| &change.layout);
        self.current.has(node) || next.is_some_and(|layout| layout.has(node))
    }

    /// Those for whom a change without `down` waits; nobody if there is none.
    pub fn awaited(&self, down: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        if self.change.is_none() {
            return BTreeSet::new();
        }
        self.members().map(|member| member.id).filter(|id| !down.contains(id)).collect()
    }

    /// Whether more than half of the members of the present layout are not declared down. If live
    /// nodes are declared down on two sides at once, that alone does not keep two plans from moving
    /// side by side; then neither comes to its end.
    pub fn has_majority(&self) -> bool {
        let down = self.down();
        let is_down = |member: &&Member| down.contains(&member.id);
        2 * self.current.members().iter().filter(is_down).count() < self.current.members().len()
    }

    /// Whether this could be the cluster's next state as `config` has it: hostile or mistaken peers
    /// may send anything.
    pub fn fits(&self, config: &Config) -> bool {
        let Some(founding) = config.founding() else { return false };
        let strategy = founding.current().strategy();
        let fits = |layout: &Layout| layout.n() == config.n() && layout.strategy() == strategy;
        let is_possible = |times: &u32| *times <= limits::MAX_DECLARATIONS;
        let is_sound = |change: &Change| {
            fits(&change.layout)
                && change.declared.values().all(is_possible)
                && (!self.is_withdrawal() || change.stage < Stage::Reading)
        };
        fits(&self.current) && self.change.iter().all(is_sound)
    }
}

impl core::hash::Hash for Membership {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.digest.hash(hasher);
    }
}

/// What a [`Membership`] is without its digest.
#[derive(Serialize, Deserialize)]
struct Plain {
    cluster: LayoutHash,
    version: u64,
    current: Layout,
    absent: BTreeSet<NodeId>,
    change: Option<Change>,
}

impl From<Plain> for Membership {
    fn from(plain: Plain) -> Membership {
        let digest = LayoutHash::of(&plain);
        let Plain { cluster, version, current, absent, change } = plain;
        Membership { cluster, version, current, absent, change, digest }
    }
}

impl View {
    /// Whether the other has come farther.
    pub fn is_before(&self, other: &View) -> bool {
        (self.version, self.phase) < (other.version, other.phase)
    }
}

impl fmt::Debug for LayoutHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LayoutHash {
    /// The first 32 bits: enough to tell the layouts of one cluster apart at a glance.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layout {} {}", self.version, LayoutHash::of_layout(&self.current))?;
        let Some(change) = &self.change else { return Ok(()) };
        if self.is_withdrawal() {
            return write!(f, ", a change is withdrawn");
        }
        let stage = match change.stage {
            Stage::Proposed => "proposed",
            Stage::Moving => "moving to",
            Stage::Reading => "reading from",
        };
        write!(f, ", {stage} {}", LayoutHash::of_layout(&change.layout))?;
        self.down().iter().try_for_each(|node| write!(f, ", without {node}"))
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Settled => "",
            Phase::Moving => ", moving to",
            Phase::Reading => ", reading from",
        };
        write!(f, "layout {}{phase} {}", self.version, self.layout)
    }
}
