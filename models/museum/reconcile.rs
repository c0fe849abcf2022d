//! What becomes of two views of a cluster that meet: rules by which it depends on who hears whom, or
//! in which order.

use super::cases::{Found, Tried, look};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{Membership, Stage};
use dynamo_protocol::ring::{Layout, Member, Strategy};
use std::collections::BTreeSet;

/// A ring of one partition: whose it is, and how often each of two nodes has changed that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OldRing {
    clock: [u8; 2],
    owner: u8,
}

/// A node gives the partition to `owner`; by force without a new version.
#[derive(Clone, Copy)]
struct Edit {
    owner: u8,
    by_force: bool,
}

impl OldRing {
    fn edited(self, by: usize, edit: &Edit) -> OldRing {
        let mut clock = self.clock;
        clock[by] += u8::from(!edit.by_force);
        OldRing { clock, owner: edit.owner }
    }

    /// The newer one; of two that nobody has compared the one of the larger owner.
    fn reconcile(self, heard: OldRing) -> OldRing {
        let clock = [0, 1].map(|node| self.clock[node].max(heard.clock[node]));
        match (clock == self.clock, clock == heard.clock) {
            (true, _) => self,
            (_, true) => heard,
            _ => OldRing { clock, owner: self.owner.max(heard.owner) },
        }
    }
}

/// E10: a ring that is replaced by force is another one of the same version. Whoever has the one does
/// not take the other.
pub(super) fn unversioned_ring() -> Tried {
    let edits = || {
        let edit = |kind: u8| Edit { owner: kind % 2, by_force: kind / 2 == 1 };
        let kinds = move || (0..4).map(edit);
        let pairs = kinds().flat_map(move |first| kinds().map(move |second| vec![first, second]));
        [Vec::new()].into_iter().chain(kinds().map(|edit| vec![edit])).chain(pairs)
    };
    let ring = |by: usize, edits: &[Edit]| {
        let founding = OldRing { clock: [0, 0], owner: 0 };
        edits.iter().fold(founding, |ring, edit| ring.edited(by, edit))
    };
    let rings =
        edits().flat_map(|mine| edits().map(move |theirs| (ring(0, &mine), ring(1, &theirs))));
    let broken = look(rings, |(a, b)| {
        (a.reconcile(*b) != b.reconcile(*a)).then(|| {
            format!(
                "version {:?} with the partition at n{} and version {:?} with it at n{} stay apart",
                a.clock, a.owner, b.clock, b.owner
            )
        })
    });
    Tried { broken, safe: reconciled() }
}

/// Any three states of a membership that a few commands lead to, and that can meet: in whichever
/// order they meet, it comes to the same.
fn reconciled() -> Found {
    let states = reachable(4);
    let all = || states.iter();
    let triples = all().flat_map(|a| all().flat_map(move |b| all().map(move |c| [a, b, c])));
    let meet = |[a, b, c]: &[&Membership; 3]| can_meet(a, b) && can_meet(b, c) && can_meet(a, c);
    look(triples.filter(meet), |[a, b, c]| {
        let is_sound = a.merge(a) == **a
            && a.merge(b) == b.merge(a)
            && a.merge(b).merge(c) == a.merge(&b.merge(c));
        (!is_sound).then(|| format!("{a}; {b}; {c}"))
    })
}

/// While one plan moves no other does, and no two layouts have one version.
fn can_meet(a: &Membership, b: &Membership) -> bool {
    let both = a.change().zip(b.change());
    let meet = both.is_none_or(|(mine, theirs)| {
        let leads_back = a.is_withdrawal() || b.is_withdrawal();
        mine.layout == theirs.layout
            || leads_back
            || mine.stage.min(theirs.stage) == Stage::Proposed
    });
    a.version() != b.version() || (a.current() == b.current() && meet)
}

/// All that at most so many commands and stages lead to, in a cluster of two.
fn reachable(steps: usize) -> Vec<Membership> {
    let mut states = vec![founding()];
    let mut layer = states.clone();
    for _ in 0..steps {
        let next: Vec<Membership> = layer.iter().flat_map(next).collect();
        layer = Vec::new();
        for state in next {
            if !states.contains(&state) {
                states.push(state.clone());
                layer.push(state);
            }
        }
    }
    states
}

fn next(from: &Membership) -> Vec<Membership> {
    let Some(change) = from.change() else {
        let leaves = [0, 1].into_iter().filter_map(|node| from.current().leave(NodeId(node)).ok());
        return leaves.map(|layout| from.propose(layout)).collect();
    };
    let mut next = vec![from.advance()];
    if !from.is_withdrawal() {
        next.extend([0, 1].map(|node| from.declare_down(NodeId(node))));
        next.extend([0, 1].map(|node| from.declare_up(NodeId(node))));
        next.extend((change.stage == Stage::Proposed).then(|| from.withdraw()));
    }
    next
}

/// Two nodes and two partitions.
fn founding() -> Membership {
    let member = |id| Member {
        id: NodeId(id),
        name: format!("n{id}"),
        weight: 1,
        zone: None,
        address: String::new(),
    };
    let strategy = Strategy::EqualPartitions { partitions: 2 };
    let layout = Layout::new(strategy, 1, vec![member(0), member(1)]).expect("a small cluster");
    Membership::founding(layout, &())
}

/// A ring of three partitions, and whose they are.
type Owners = [u8; 3];

/// E9: of what two rings differ in, whoever hears of the other picks at random. Two nodes may hear
/// of each other's ring and be as far apart as before, for ever.
pub(super) fn random_ring() -> Tried {
    let ring = |case: u8| -> Owners { [0, 1, 2].map(|partition| case >> partition & 1) };
    let rings = || (0..8).map(ring);
    let dice = || (0..8u8).flat_map(|mine| (0..8u8).map(move |theirs| (mine, theirs)));
    let cases = rings()
        .flat_map(move |a| rings().flat_map(move |b| dice().map(move |thrown| (a, b, thrown))));
    let pick = |mine: Owners, heard: Owners, die: u8| -> Owners {
        [0, 1, 2].map(|p| if die >> p & 1 == 1 { heard[p] } else { mine[p] })
    };
    let broken = look(cases, |&(a, b, (first, second))| {
        let (after_a, after_b) = (pick(a, b, first), pick(b, a, second));
        let is_swapped = a != b && (after_a, after_b) == (b, a);
        is_swapped.then(|| format!("{a:?} and {b:?} become {after_a:?} and {after_b:?}"))
    });
    let states = reachable(5);
    let pairs = states.iter().flat_map(|a| states.iter().map(move |b| (a, b)));
    let safe = look(pairs.filter(|(a, b)| can_meet(a, b)), |(a, b)| {
        (a.merge(b) != b.merge(a)).then(|| format!("{a}; {b}"))
    });
    Tried { broken, safe }
}

/// What happens to two nodes, which both know that a member was removed.
#[derive(Clone, Copy)]
enum Since {
    /// The first has waited long enough, and forgets the member.
    Forgets(usize),
    /// It hears from the other one.
    Hears(usize),
    /// It hears what was sent before the member was removed.
    HearsOld(usize),
}

fn told(run: &[Since]) -> String {
    let told = |since: &Since| match since {
        Since::Forgets(node) => format!("n{node} forgets"),
        Since::Hears(node) => format!("n{node} hears n{}", 1 - node),
        Since::HearsOld(node) => format!("n{node} hears what is old"),
    };
    let told: Vec<String> = run.iter().map(told).collect();
    format!("{}: there it is again", told.join(", "))
}

/// F1: each node forgets at its own time that a member was removed, and then takes it for a new one
/// when another node speaks of it, which does so before it forgets as well.
pub(super) fn forgotten_member() -> Tried {
    let kinds = [Since::Forgets(0), Since::Forgets(1), Since::Hears(0), Since::Hears(1)];
    let old = [Since::HearsOld(0), Since::HearsOld(1), Since::Hears(0), Since::Hears(1)];
    let runs = |kinds: [Since; 4]| {
        let all = (1..=6).flat_map(|steps| (0..4usize.pow(steps)).map(move |case| (steps, case)));
        all.map(move |(steps, case)| {
            let kind = |step: u32| kinds[case / 4usize.pow(step) % 4];
            (0..steps).map(kind).collect::<Vec<Since>>()
        })
    };
    let broken = look(runs(kinds), |run| {
        let mut knows = [true, true];
        let is_back = run.iter().any(|since| match *since {
            Since::Forgets(node) => {
                knows[node] = false;
                false
            }
            Since::Hears(node) => !knows[node] && knows[1 - node],
            Since::HearsOld(_) => false,
        });
        is_back.then(|| told(run))
    });
    Tried { broken, safe: remembered(runs(old)) }
}

/// The version of the layout remembers for ever that somebody was removed.
fn remembered(runs: impl Iterator<Item = Vec<Since>>) -> Found {
    let gone = NodeId(1);
    let leave = founding().current().leave(gone).expect("one stays");
    let old = founding().propose(leave).advance();
    let removed = old.advance().advance();
    look(runs, |run| {
        let mut known = [removed.clone(), removed.clone()];
        let is_back = run.iter().any(|since| {
            let (node, heard) = match *since {
                Since::Forgets(node) | Since::HearsOld(node) => (node, old.clone()),
                Since::Hears(node) => (node, known[1 - node].clone()),
            };
            known[node] = known[node].merge(&heard);
            known[node].members().any(|member| member.id == gone)
        });
        is_back.then(|| told(run))
    })
}

/// That a member is dead, or alive again, and the number of its life.
type Rumour = (u8, bool);

/// F2: that a member is dead is no news of one that is dead, and so its number is not kept. An older
/// rumour of its life then counts as newer.
pub(super) fn dead_twice() -> Tried {
    let rumours = (0..3usize.pow(4)).map(|case| {
        let kind = |number: u8| case / 3usize.pow(u32::from(number)) % 3;
        (0..4).filter(|n| kind(*n) > 0).map(|n| (n + 1, kind(n) == 1)).collect::<Vec<Rumour>>()
    });
    let broken = look(rumours.flat_map(orders), |heard| {
        let believed = heard.iter().fold((0, false), |known, rumour| believe(known, *rumour)).1;
        let truth = heard.iter().max().is_some_and(|(_, is_dead)| *is_dead);
        let told = || {
            heard.iter().map(
                |(n, is_dead)| if *is_dead { format!("dead@{n}") } else { format!("alive@{n}") },
            )
        };
        (believed != truth).then(|| told().collect::<Vec<_>>().join(", "))
    });
    Tried { broken, safe: declared() }
}

fn believe(known: Rumour, heard: Rumour) -> Rumour {
    match (known, heard) {
        // Dead is dead.
        ((_, true), (_, true)) => known,
        ((number, _), (newer, false)) if newer <= number => known,
        ((number, _), (newer, true)) if newer < number => known,
        _ => heard,
    }
}

/// A member that is declared down and up by turns, and that is heard of in any order.
fn declared() -> Found {
    let node = NodeId(0);
    let leave = founding().current().leave(NodeId(1)).expect("one stays");
    let turn = |of: &Membership| match of.down().contains(&node) {
        true => of.declare_up(node),
        false => of.declare_down(node),
    };
    let declared: Vec<_> =
        std::iter::successors(Some(founding().propose(leave)), |of| Some(turn(of)))
            .take(5)
            .collect();
    let subsets = (1..1usize << declared.len())
        .map(|set| (0..declared.len()).filter(|turn| set >> turn & 1 == 1).collect::<Vec<_>>());
    look(subsets.flat_map(orders), |heard| {
        let all = heard.iter().map(|turn| declared[*turn].clone());
        let merged = all.reduce(|known, heard| known.merge(&heard));
        let last = heard.iter().max().map(|turn| declared[*turn].clone());
        (merged != last).then(|| format!("turns {heard:?}"))
    })
}

/// All orders of a few things.
fn orders<T: Clone + Ord>(things: Vec<T>) -> Vec<Vec<T>> {
    let Some((first, rest)) = things.split_first() else { return vec![things] };
    let with_first = |order: Vec<T>| {
        (0..=order.len()).map(move |at| {
            let (before, after) = order.split_at(at);
            [before, std::slice::from_ref(first), after].concat()
        })
    };
    orders(rest.to_vec())
        .into_iter()
        .flat_map(with_first)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}
