//! What is known of who takes part, and how layouts change step by step.

mod ring_support;

use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{LayoutHash, Membership, Phase, Stage, Step, View, plan};
use dynamo_protocol::ring::{
    Layout, LayoutError, MAX_NAME_BYTES, Member, Ring, Strategy as Partitioning,
};
use proptest::prelude::*;
use ring_support::{layouts, layouts_of, member, members, shares, webster_is_fair};
use std::collections::BTreeSet;

const PARTS: Partitioning = Partitioning::EqualPartitions { partitions: 16 };

fn layout(count: u64) -> Layout {
    Layout::new(PARTS, 1, members(count)).expect("a valid layout")
}

/// The plans that compete for a version: the cluster grows by one of three nodes.
fn plans(current: &Layout) -> Vec<Layout> {
    let next = current.members().len() as u64;
    (0..3).map(|i| current.join(member(10 * next + i, 1, None)).unwrap()).collect()
}

/// One of the memberships that there may be at a time: `version` changes have come to their end,
/// each time that of the largest hash, and it is the same everywhere.
#[derive(Clone, Debug)]
struct Way {
    version: usize,
    /// What is proposed, as long as nothing is decided; then the largest has won.
    proposed: Option<usize>,
    /// Whether that is withdrawn.
    withdrawn: bool,
    steps: usize,
    down: BTreeSet<u64>,
    /// Who of them is waited for after all.
    up: BTreeSet<u64>,
    /// Without whom the change before came to its end here.
    without: BTreeSet<u64>,
}

fn way() -> impl Strategy<Value = Way> {
    let down = prop::collection::btree_set(0..3u64, 0..3);
    let without = down.clone();
    let change = (prop::option::of(0..3usize), any::<bool>(), 0..3usize);
    (0..3usize, change, down.clone(), down, without).prop_map(
        |(version, (proposed, withdrawn, steps), down, up, without)| Way {
            version,
            proposed,
            withdrawn,
            steps,
            down,
            up,
            without,
        },
    )
}

fn winner(current: &Layout) -> Layout {
    plans(current).into_iter().max_by_key(LayoutHash::of_layout).expect("there are plans")
}

impl Way {
    fn membership(&self) -> Membership {
        let mut membership = Membership::founding(layout(3), &());
        for _ in 0..self.version {
            let next = winner(membership.current());
            membership = membership.propose(next).advance().advance();
            let without = self.without.iter();
            membership = without.fold(membership, |m, node| m.declare_down(NodeId(*node)));
            membership = membership.advance();
        }
        let Some(plan) = self.proposed else { return membership };
        let current = membership.current().clone();
        let mut membership = match self.steps {
            0 => membership.propose(plans(&current)[plan].clone()),
            _ => membership.propose(winner(&current)),
        };
        membership = self.down.iter().fold(membership, |m, node| m.declare_down(NodeId(*node)));
        membership = self.up.iter().fold(membership, |m, node| m.declare_up(NodeId(*node)));
        if self.withdrawn {
            return (0..self.steps.min(1)).fold(membership.withdraw(), |m, _| m.advance());
        }
        (0..self.steps).fold(membership, |m, _| m.advance())
    }
}

proptest! {
    /// E10: it does not matter who tells whom, how often and in which order.
    #[test]
    fn a_merge_is_commutative_associative_and_idempotent(a in way(), b in way(), c in way()) {
        let [a, b, c] = [a, b, c].map(|way| way.membership());
        prop_assert_eq!(a.merge(&a), a.clone());
        prop_assert_eq!(a.merge(&b), b.merge(&a));
        prop_assert_eq!(a.merge(&b).merge(&c), a.merge(&b.merge(&c)));
        prop_assert_eq!(a.merge(&b).merge(&a), a.merge(&b));
    }

    /// F1: nothing that was known is taken back.
    #[test]
    fn a_merge_never_goes_back(a in way(), b in way()) {
        let [a, b] = [a, b].map(|way| way.membership());
        let merged = a.merge(&b);
        for part in [&a, &b] {
            prop_assert!(!merged.view().is_before(&part.view()));
            prop_assert!(merged.version() >= part.version());
        }
        prop_assert_eq!(merged.digest() == a.digest(), merged == a);
    }

    #[test]
    fn a_membership_survives_encoding(way in way()) {
        let membership = way.membership();
        let bytes = postcard::to_allocvec(&membership).unwrap();
        let decoded: Membership = postcard::from_bytes(&bytes).unwrap();
        prop_assert_eq!(decoded.digest(), membership.digest(), "worked out anew");
        prop_assert_eq!(decoded, membership);
    }

    #[test]
    fn to_replace_a_member_moves_its_partitions_and_no_others(
        layout in layouts_of(3..=3),
        old: prop::sample::Index,
        weight in 1u32..4,
    ) {
        let old = layout.members()[old.index(layout.members().len())].id;
        let after = layout.replace(old, member(1000, weight, None)).unwrap();
        for (before, after) in layout.owners().iter().zip(after.owners()) {
            let expected = if *before == old { NodeId(1000) } else { *before };
            prop_assert_eq!(*after, expected);
        }
        prop_assert!(!after.has(old) && after.has(NodeId(1000)));
    }

    /// Webster's method never moves anything between two members that stay as they are.
    #[test]
    fn another_weight_moves_partitions_to_the_member_or_from_it(
        layout in layouts_of(3..=3),
        node: prop::sample::Index,
        weight in 1u32..6,
    ) {
        let node = &layout.members()[node.index(layout.members().len())];
        let after = layout.reweigh(node.id, weight).unwrap();
        let pairs = layout.owners().iter().zip(after.owners());
        for (before, after) in pairs.filter(|(before, after)| before != after) {
            let (giver, taker) = if weight > node.weight { (before, after) } else { (after, before) };
            prop_assert_eq!(*taker, node.id);
            prop_assert_ne!(*giver, node.id);
        }
        if webster_is_fair(&layout) {
            prop_assert!(webster_is_fair(&after));
        }
    }

    #[test]
    fn the_same_weight_again_changes_nothing(layout in layouts(), node: prop::sample::Index) {
        let node = &layout.members()[node.index(layout.members().len())];
        let same = layout.reweigh(node.id, node.weight).unwrap();
        if webster_is_fair(&layout) {
            prop_assert_eq!(&same, &layout);
        }
        prop_assert_eq!(layout.rezone(node.id, node.zone.clone()).unwrap(), layout.clone());
        prop_assert_eq!(layout.readdress(node.id, node.address.clone()).unwrap(), layout);
    }

    #[test]
    fn another_zone_or_address_moves_no_first_owner(layout in layouts(), node: prop::sample::Index) {
        let node = layout.members()[node.index(layout.members().len())].id;
        let rezoned = layout.rezone(node, Some("elsewhere".into())).unwrap();
        prop_assert_eq!(shares(&rezoned), shares(&layout));
        prop_assert_eq!(rezoned.owners(), layout.owners());
        let moved = layout.readdress(node, "127.0.0.1:1".into()).unwrap();
        prop_assert_ne!(&moved, &layout, "it is part of what the nodes agree on");
        prop_assert_ne!(LayoutHash::of_layout(&moved), LayoutHash::of_layout(&layout));
        let lists = |layout: &Layout| -> Vec<(u128, Vec<NodeId>)> {
            Ring::new(layout).ranges().map(|(size, list)| (size, list.all().collect())).collect()
        };
        prop_assert_eq!(lists(&moved), lists(&layout));
    }
}

#[test]
fn a_change_goes_through_its_stages_to_its_end() {
    let founding = Membership::founding(layout(2), &());
    let at = |m: &Membership| (m.version(), m.view().phase, m.change().map(|c| c.stage));
    assert_eq!(at(&founding), (0, Phase::Settled, None));
    assert_eq!(founding.advance(), founding);
    assert_eq!(founding.declare_down(NodeId(1)), founding, "nobody is waited for");
    let next = layout(2).join(member(2, 1, None)).unwrap();
    let proposed = founding.propose(next.clone());
    assert_eq!(at(&proposed), (0, Phase::Settled, Some(Stage::Proposed)));
    assert_eq!(proposed.view(), founding.view());
    let moving = proposed.advance();
    assert_eq!(at(&moving), (0, Phase::Moving, Some(Stage::Moving)));
    assert_eq!(moving.view().layout, LayoutHash::of_layout(&next));
    let reading = moving.advance();
    assert_eq!(at(&reading), (0, Phase::Reading, Some(Stage::Reading)));
    let moved = reading.advance();
    assert_eq!(at(&moved), (1, Phase::Settled, None));
    assert_eq!((moved.current(), moved.cluster()), (&next, founding.cluster()));
    let views = [founding.view(), moving.view(), reading.view(), moved.view()];
    assert!(views.windows(2).all(|pair| pair[0].is_before(&pair[1])));
    assert!(!views.iter().any(|view| view.is_before(view)));
    let [old, new] = [founding.current(), &next].map(LayoutHash::of_layout);
    let texts = [
        format!("layout 0 {old}"),
        format!("layout 0, moving to {new}"),
        format!("layout 0, reading from {new}"),
        format!("layout 1 {new}"),
    ];
    assert_eq!(views.map(|view| view.to_string()), texts);
    let without = proposed.declare_down(NodeId(1));
    let texts = [
        (&founding, format!("layout 0 {old}")),
        (&proposed, format!("layout 0 {old}, proposed {new}")),
        (&without, format!("layout 0 {old}, proposed {new}, without n1")),
        (&proposed.withdraw(), format!("layout 0 {old}, a change is withdrawn")),
        (&moving, format!("layout 0 {old}, moving to {new}")),
        (&reading, format!("layout 0 {old}, reading from {new}")),
    ];
    texts.iter().for_each(|(membership, text)| assert_eq!(membership.to_string(), *text));
    let digests: BTreeSet<_> =
        [&founding, &proposed, &moving, &reading, &moved].map(Membership::digest).into();
    assert_eq!(digests.len(), 5);
}

#[test]
fn a_change_waits_for_all_members_of_both_layouts_but_those_declared_down() {
    let ids = |ids: &[u64]| -> BTreeSet<NodeId> { ids.iter().copied().map(NodeId).collect() };
    let founding = Membership::founding(layout(3), &());
    assert_eq!(founding.awaited(&ids(&[])), ids(&[]));
    let next = layout(3).join(member(3, 1, None)).unwrap().leave(NodeId(0)).unwrap();
    let proposed = founding.propose(next);
    assert_eq!(proposed.awaited(&ids(&[])), ids(&[0, 1, 2, 3]));
    let one = proposed.declare_down(NodeId(0));
    assert_eq!(one.awaited(&ids(&[0])), ids(&[1, 2, 3]));
    assert!(one.has_majority(), "two of three");
    assert!(!one.declare_down(NodeId(1)).has_majority());
    assert!(one.declare_down(NodeId(3)).has_majority(), "it has no say yet");
}

/// It may still come back, and does not hold what it is to own; whoever has left need not.
#[test]
fn absent_is_who_was_declared_down_and_stays() {
    let next = layout(3).leave(NodeId(0)).unwrap();
    let proposed = Membership::founding(layout(3), &()).propose(next);
    let without = proposed.declare_down(NodeId(0)).declare_down(NodeId(1));
    let moved = without.advance().advance().advance();
    assert!(
        moved.is_absent(NodeId(1)) && !moved.is_absent(NodeId(0)) && !moved.is_absent(NodeId(2))
    );
    let again = moved.propose(layout(3)).advance().advance().advance();
    assert!(!again.is_absent(NodeId(1)), "of the change before only");
}

#[test]
fn of_two_proposals_the_larger_hash_stays_and_the_farther_stage_wins_over_it() {
    let founding = Membership::founding(layout(3), &());
    let mut plans = plans(founding.current());
    plans.sort_by_key(LayoutHash::of_layout);
    let [small, large] = [0, 2].map(|i| founding.propose(plans[i].clone()));
    assert_eq!(small.merge(&large), large);
    assert_eq!(large.merge(&small), large);
    let moving = small.advance();
    assert_eq!(large.merge(&moving), moving);
    assert_eq!(moving.merge(&large), moving);
}

/// Whoever has gone on has not heard of it, and takes everybody along.
#[test]
fn a_withdrawal_wins_over_all_that_is_proposed_and_over_nothing_that_moves() {
    let founding = Membership::founding(layout(3), &());
    let withdrawn = founding.propose(plans(founding.current())[0].clone()).withdraw();
    assert!(withdrawn.is_withdrawal() && withdrawn.view() == founding.view());
    for plan in plans(founding.current()) {
        let proposed = founding.propose(plan);
        assert_eq!(proposed.merge(&withdrawn), withdrawn);
        assert_eq!(withdrawn.merge(&proposed), withdrawn);
        let moving = proposed.advance();
        assert_eq!(moving.merge(&withdrawn), moving);
        assert_eq!(withdrawn.merge(&moving), moving);
    }
    // Who has begun to move has not agreed to it a second time.
    let sealed = withdrawn.advance();
    assert_eq!(sealed.view(), founding.view());
    let moving = founding.propose(plans(founding.current())[0].clone()).advance();
    assert_eq!(moving.merge(&sealed), moving);
    assert_eq!(sealed.merge(&moving), moving);
    let after = sealed.advance();
    assert_eq!((after.version(), after.current(), after.change()), (1, founding.current(), None));
    assert!(founding.view().is_before(&after.view()), "what is still proposed then is outdated");
}

/// The change before was made without n1; that one came to nothing does not alter that.
#[test]
fn whoever_is_absent_is_so_after_a_withdrawal() {
    let moving = Membership::founding(layout(3), &()).propose(layout(4)).advance();
    let moved = moving.declare_down(NodeId(1)).advance().advance();
    assert!(
        moved.is_absent(NodeId(1)) && moved.withdraw().advance().advance().is_absent(NodeId(1))
    );
}

#[test]
fn whoever_is_declared_down_anywhere_is_down_everywhere() {
    let proposed = Membership::founding(layout(3), &()).propose(layout(2));
    let [a, b] = [0, 1].map(|id| proposed.declare_down(NodeId(id)));
    let both = proposed.advance().declare_down(NodeId(0)).declare_down(NodeId(1));
    assert_eq!(a.advance().merge(&b), both);
    assert_eq!(b.merge(&a.advance()), both);
}

/// n1 has heard that n0 is down, then of a withdrawal, and at last of those who have gone on.
#[test]
fn what_was_declared_outlives_the_change_that_it_was_declared_in() {
    let founding = Membership::founding(layout(3), &());
    let mut plans = plans(founding.current());
    plans.sort_by_key(LayoutHash::of_layout);
    let proposed = founding.propose(plans[0].clone());
    let without = proposed.declare_down(NodeId(0));
    let withdrawn = without.merge(&proposed.withdraw());
    assert_eq!((withdrawn.is_withdrawal(), withdrawn.down()), (true, [].into()), "all are asked");
    assert_eq!(withdrawn, without.withdraw());
    assert_eq!(withdrawn.merge(&proposed.advance()), without.advance());
    let larger = founding.propose(plans[2].clone());
    assert_eq!(without.merge(&larger).down(), [NodeId(0)].into());
}

#[test]
fn another_cluster_is_no_news() {
    let [a, b] = [2, 3].map(|count| Membership::founding(layout(count), &()));
    let later = b.propose(layout(4)).advance().advance().advance();
    assert_eq!(a.merge(&later), a);
}

/// Whatever the digest on the wire might be, it is not believed: there is none.
#[test]
fn a_digest_is_never_sent() {
    let membership = Membership::founding(layout(2), &());
    let bytes = postcard::to_allocvec(&membership).unwrap();
    let digest = membership.digest().0;
    assert!(!bytes.windows(digest.len()).any(|window| window == digest));
}

#[test]
fn a_plan_is_its_steps_one_after_the_other() {
    let zone = Some("cellar".to_string());
    let steps = [
        Step::Join(member(7, 2, None)),
        Step::Leave(NodeId(0)),
        Step::Replace { old: NodeId(1), new: member(8, 1, None) },
        Step::Weight { node: NodeId(2), weight: 3 },
        Step::Zone { node: NodeId(2), zone: zone.clone() },
        Step::Address { node: NodeId(2), address: "[::1]:1".into() },
    ];
    let planned = plan(&layout(3), &steps).unwrap();
    let ids: Vec<u64> = planned.members().iter().map(|member| member.id.0).collect();
    assert_eq!(ids, [2, 7, 8]);
    let n2 = Member { address: "[::1]:1".into(), ..member(2, 3, zone.as_deref()) };
    assert_eq!(planned.members()[0], n2);
    assert_eq!(plan(&layout(3), &[]), Ok(layout(3)));
}

#[test]
fn steps_that_cannot_be_are_refused_with_the_reason() {
    let unknown = Err(LayoutError::UnknownMember(NodeId(9)));
    let new = member(5, 1, None);
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    let (node, zone) = (NodeId(9), None);
    let three = layout(3);
    assert_eq!(three.replace(node, new.clone()), unknown);
    assert_eq!(three.reweigh(node, 1), unknown);
    assert_eq!(three.rezone(node, zone), unknown);
    assert_eq!(three.readdress(node, String::new()), unknown);
    let double = Err(LayoutError::DuplicateId(NodeId(1)));
    assert_eq!(three.replace(NodeId(0), member(1, 1, None)), double);
    let namesake = Member { name: "node 1".into(), ..new };
    let same_name = Err(LayoutError::DuplicateName("node 1".into()));
    assert_eq!(three.replace(NodeId(0), namesake.clone()), same_name);
    assert!(three.replace(NodeId(1), namesake).is_ok(), "it takes the name over");
    assert_eq!(three.reweigh(NodeId(0), 0), Err(LayoutError::ZeroWeight("node 0".into())));
    let bad = |text: &str| Err(LayoutError::BadName(text.into(), NodeId(0)));
    assert_eq!(three.rezone(NodeId(0), Some(String::new())), bad(""));
    assert_eq!(three.rezone(NodeId(0), Some(long.clone())), bad(&long));
    assert_eq!(three.readdress(NodeId(0), long.clone()), bad(&long));
    let longest = "x".repeat(MAX_NAME_BYTES);
    assert!(three.readdress(NodeId(0), longest).is_ok());
    assert_eq!(layout(1).leave(NodeId(0)), Err(LayoutError::NoMembers));
}

#[test]
fn views_are_ordered_by_version_and_then_by_phase() {
    let layout = LayoutHash([0; 16]);
    let view = |version, phase| View { version, phase, layout };
    let order = [
        view(0, Phase::Settled),
        view(0, Phase::Moving),
        view(0, Phase::Reading),
        view(1, Phase::Settled),
    ];
    for (i, a) in order.iter().enumerate() {
        for (j, b) in order.iter().enumerate() {
            assert_eq!(a.is_before(b), i < j);
        }
    }
    let other = View { layout: LayoutHash([1; 16]), ..order[1] };
    assert!(!order[1].is_before(&other) && !other.is_before(&order[1]), "they cannot both be");
}
