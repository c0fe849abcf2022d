//! The laws of versions and merges (paper §4.4), for every scheme, over objects that random
//! histories of puts and merges have made.

use dynamo_protocol::ids::{ClientId, NodeId, RequestId, Value};
use dynamo_protocol::versions::{
    Actor, Context, Dot, Epoch, Incarnation, NewVersion, Object, Stamp, VectorClock, VersionVector,
    Versioning, Written,
};
use proptest::array::uniform3;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet};

const NODES: usize = 3;

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// A client reads the copy of this node.
    Read(usize),
    /// A client puts through `node`, over one of the reads so far (0 is the blind one).
    Put { node: usize, over: Index, clock: u64 },
    /// `to` merges the copy of `from`.
    Merge { from: usize, to: usize },
}

/// Puts by number, in place of any clock.
type Puts = BTreeSet<u64>;

/// Copies of one key, and beside each what an observer without clocks knows about it.
struct History {
    versioning: Versioning,
    /// All nodes give the same dots: the broken promise of bug A5.
    shared_dots: bool,
    copies: Vec<Object>,
    /// The puts that each copy has heard of, directly or through a context.
    heard: Vec<Puts>,
    /// What each put had truly read, and so replaced.
    replaced: BTreeMap<u64, Puts>,
    reads: Vec<(Context, Puts)>,
    dots: BTreeMap<u64, u64>,
    /// Every copy that there ever was.
    snapshots: Vec<Object>,
}

impl History {
    fn new(versioning: Versioning, shared_dots: bool) -> History {
        History {
            versioning,
            shared_dots,
            copies: vec![versioning.empty_object(); NODES],
            heard: vec![Puts::new(); NODES],
            replaced: BTreeMap::new(),
            reads: vec![(versioning.empty_context(), Puts::new())],
            dots: BTreeMap::new(),
            snapshots: vec![versioning.empty_object()],
        }
    }

    fn run(versioning: Versioning, shared_dots: bool, steps: &[Step]) -> History {
        let mut history = History::new(versioning, shared_dots);
        for step in steps {
            history.take(step);
        }
        history
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Read(node) => {
                let read = (self.copies[node].context(), self.heard[node].clone());
                self.reads.push(read);
            }
            Step::Put { node, over, clock } => {
                let (context, read) = over.get(&self.reads).clone();
                self.put(node, &context, read, clock);
            }
            Step::Merge { from, to } => {
                self.copies[to] = self.copies[to].merge(&self.copies[from]);
                let more = self.heard[from].clone();
                self.heard[to].extend(more);
                self.snapshots.push(self.copies[to].clone());
            }
        }
    }

    fn put(&mut self, node: usize, context: &Context, read: Puts, clock: u64) {
        let number = self.replaced.len() as u64 + 1;
        let dot = self.next_dot(node);
        let new = NewVersion::new(dot, Stamp(clock));
        let copy = &self.copies[node];
        let by = NodeId(node as u64);
        self.copies[node] = self.versioning.put(copy, context, by, new, written(number));
        self.snapshots.push(self.copies[node].clone());
        self.heard[node].extend(&read);
        self.heard[node].insert(number);
        self.replaced.insert(number, read);
    }

    fn next_dot(&mut self, node: usize) -> Dot {
        let actor = if self.shared_dots { 0 } else { node as u64 };
        // With shared dots every node counts for itself, so that the dots collide.
        let counter = self.dots.entry(node as u64).or_default();
        *counter += 1;
        dot(actor, *counter)
    }

    /// The heard puts that no heard put has replaced.
    fn expected(&self, heard: &Puts) -> Puts {
        let gone: Puts = heard.iter().flat_map(|put| &self.replaced[put]).copied().collect();
        heard.difference(&gone).copied().collect()
    }
}

fn dot(node: u64, counter: u64) -> Dot {
    let actor = Actor { node: NodeId(node), incarnation: Incarnation(0), epoch: Epoch(0) };
    Dot { actor, counter }
}

fn written(number: u64) -> Written {
    Written {
        by: RequestId { client: ClientId(number), sequence: 1 },
        value: (!number.is_multiple_of(4)).then(|| Value(vec![number as u8])),
    }
}

/// The puts whose versions `object` holds.
fn held(object: &Object) -> Puts {
    object.siblings().map(|written| written.by.client.0).collect()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..NODES).prop_map(Step::Read),
        (0..NODES, any::<Index>(), 0..6_u64).prop_map(|(node, over, clock)| Step::Put {
            node,
            over,
            clock
        }),
        (0..NODES, 0..NODES).prop_map(|(from, to)| Step::Merge { from, to }),
    ]
}

fn scheme() -> impl Strategy<Value = Versioning> {
    let limit = prop_oneof![Just(None), (1..4_u8).prop_map(Some)];
    prop_oneof![
        Just(Versioning::Dotted),
        limit.prop_map(|limit| Versioning::VectorClock { limit }),
        Just(Versioning::LastWriterWins),
    ]
}

/// Failing inputs are printed; they belong into a test of their own, not into a file.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn merges_are_commutative_associative_idempotent_and_monotone(
        versioning in scheme(),
        shared_dots: bool,
        steps in vec(step(), 1..24),
        picks in any::<[Index; 3]>(),
    ) {
        let history = History::run(versioning, shared_dots, &steps);
        let [a, b, c] = picks.map(|pick| pick.get(&history.snapshots).clone());
        let ab = a.merge(&b);
        prop_assert_eq!(&ab, &b.merge(&a));
        prop_assert_eq!(ab.merge(&c), a.merge(&b.merge(&c)));
        prop_assert_eq!(&a.merge(&a), &a);
        prop_assert!(ab.includes(&a) && ab.includes(&b));
        prop_assert_eq!(b.includes(&a), ab == b);
    }

    #[test]
    fn dotted_copies_hold_exactly_what_no_put_has_truly_overwritten(
        steps in vec(step(), 1..40),
    ) {
        let mut history = History::new(Versioning::Dotted, false);
        for step in &steps {
            history.take(step);
            for (copy, heard) in history.copies.iter().zip(&history.heard) {
                prop_assert_eq!(held(copy), history.expected(heard));
            }
        }
        let all = history.copies.iter().fold(Versioning::Dotted.empty_object(), |a, b| a.merge(b));
        prop_assert_eq!(held(&all), history.expected(&history.replaced.keys().copied().collect()));
    }

    #[test]
    fn the_context_of_a_read_covers_every_sibling(
        versioning in scheme(),
        steps in vec(step(), 1..24),
    ) {
        // Truncated clocks forget whom they have met, and clocks that stand still tie.
        prop_assume!(!matches!(versioning, Versioning::VectorClock { limit: Some(_) }));
        let history = History::run(versioning, false, &steps);
        for copy in &history.copies {
            let new = NewVersion::new(dot(9, 1), Stamp(0));
            let put = versioning.put(copy, &copy.context(), NodeId(9), new, written(99));
            prop_assert_eq!(held(&put), Puts::from([99]));
        }
    }

    #[test]
    fn descent_of_version_vectors_is_a_partial_order_with_merge_as_its_join(
        // Few counters, zero among them, so that equal and comparable vectors are common.
        vectors in uniform3(vec((0..3_u64, 0..3_u64), 0..4)),
    ) {
        let [a, b, c] = vectors.map(|dots| -> VersionVector {
            dots.into_iter().map(|(node, counter)| dot(node, counter)).collect()
        });
        prop_assert!(a.descends(&a));
        prop_assert!(!(a.descends(&b) && b.descends(&a)) || a == b);
        prop_assert!(!(a.descends(&b) && b.descends(&c)) || a.descends(&c));
        let mut join = a.clone();
        join.merge(&b);
        prop_assert!(join.descends(&a) && join.descends(&b));
        prop_assert!(!(c.descends(&a) && c.descends(&b)) || c.descends(&join));
    }

    #[test]
    fn descent_of_vector_clocks_is_a_preorder_that_puts_climb(
        steps in vec(step(), 1..24),
        picks in any::<[Index; 3]>(),
    ) {
        let scheme = Versioning::VectorClock { limit: None };
        let history = History::run(scheme, false, &steps);
        let clocks = picks.map(|pick| clock_of(pick.get(&history.snapshots)));
        let [a, b, c] = &clocks;
        prop_assert!(a.descends(a));
        prop_assert!(!(a.descends(b) && b.descends(a)) || a == b);
        prop_assert!(!(a.descends(b) && b.descends(c)) || a.descends(c));
        let copy = picks[0].get(&history.snapshots);
        let after = put(scheme, copy, &copy.context(), 0, 99);
        prop_assert!(clock_of(&after).descends(a) && !a.descends(&clock_of(&after)));
    }

    #[test]
    fn the_last_writer_wins_by_a_stamp_above_all_that_it_and_its_coordinator_had_read(
        steps in vec(step(), 1..24),
        clock in 0..6_u64,
    ) {
        let scheme = Versioning::LastWriterWins;
        let history = History::run(scheme, false, &steps);
        for (context, _) in &history.reads {
            let new = NewVersion::new(dot(0, 1), Stamp(clock));
            let after = scheme.put(&history.copies[0], context, NodeId(0), new, written(99));
            prop_assert_eq!(held(&after), Puts::from([99]));
            prop_assert!(after.context() > *context && after.context() > history.copies[0].context());
        }
    }
}

fn clock_of(object: &Object) -> VectorClock {
    match object.context() {
        Context::Clock(clock) => clock,
        other => panic!("{other} is no clock"),
    }
}

/// A put through `node` while every shell's clock reads `number`.
fn put(scheme: Versioning, copy: &Object, context: &Context, node: u64, number: u64) -> Object {
    let new = NewVersion::new(dot(node, number), Stamp(number));
    scheme.put(copy, context, NodeId(node), new, written(number))
}

fn stamps(object: &Object) -> Vec<String> {
    object.versions().into_iter().map(|(stamp, _)| stamp).collect()
}

/// Figure 3 of the paper, with Sx = n0, Sy = n1, Sz = n2.
#[test]
fn figure_3_of_the_paper_comes_out_as_printed() {
    let scheme = Versioning::VectorClock { limit: None };
    let d1 = put(scheme, &scheme.empty_object(), &scheme.empty_context(), 0, 1);
    assert_eq!(stamps(&d1), ["{n0:1}"]);
    let d2 = put(scheme, &d1, &d1.context(), 0, 2);
    assert_eq!(stamps(&d2), ["{n0:2}"]);
    let d3 = put(scheme, &d2, &d2.context(), 1, 3);
    assert_eq!(stamps(&d3), ["{n0:2 n1:1}"]);
    let d4 = put(scheme, &d2, &d2.context(), 2, 5);
    assert_eq!(stamps(&d4), ["{n0:2 n2:1}"]);

    assert_eq!(d1.merge(&d4), d4, "a node that holds D1 may drop it for D4");
    assert_eq!(d2.merge(&d4), d4);
    let both = d3.merge(&d4);
    assert_eq!(stamps(&both), ["{n0:2 n1:1}", "{n0:2 n2:1}"]);
    assert_eq!(both.context().to_string(), "{n0:2 n1:1 n2:1}");

    let d5 = put(scheme, &both, &both.context(), 0, 6);
    assert_eq!(stamps(&d5), ["{n0:3 n1:1 n2:1}"]);
    assert!(d5.includes(&d3) && d5.includes(&d4));
}

/// D4.4-8: ten pairs, and the eleventh writer's put, which has read them all.
#[test]
fn a_truncated_clock_is_taken_for_a_rival_of_its_own_ancestor() {
    let descendant = |limit| {
        let scheme = Versioning::VectorClock { limit };
        let mut copy = scheme.empty_object();
        for node in 1..=10 {
            copy = put(scheme, &copy, &copy.context(), node, node);
        }
        assert_eq!(clock_of(&copy).len(), 10, "at the limit nothing is dropped");
        let next = put(scheme, &scheme.empty_object(), &copy.context(), 11, 11);
        (copy, next)
    };
    let (ten, next) = descendant(None);
    assert_eq!(ten.merge(&next), next);
    let (ten, next) = descendant(Some(10));
    assert_eq!(clock_of(&next).len(), 10);
    assert_eq!(clock_of(&next).counter(NodeId(1)), 0, "the oldest pair goes");
    assert_eq!(held(&ten.merge(&next)), Puts::from([10, 11]), "a false sibling");
}

/// D4.4-9: with limit 2, writers 1 2 3 1 2 in a row end with the clock of the second write.
#[test]
fn truncation_lets_a_counter_restart_and_reuse_an_old_clock() {
    let scheme = Versioning::VectorClock { limit: Some(2) };
    let mut copy = scheme.empty_object();
    let mut clocks = Vec::new();
    for (at, node) in [1, 2, 3, 1, 2].into_iter().enumerate() {
        let time = at as u64 + 1;
        copy = put(scheme, &scheme.empty_object(), &copy.context(), node, time);
        clocks.push(stamps(&copy).concat());
    }
    assert_eq!(clocks, ["{n1:1}", "{n1:1 n2:1}", "{n2:1 n3:1}", "{n1:1 n3:1}", "{n1:1 n2:1}"]);
}

#[test]
fn truncation_spares_the_pair_of_the_writing_coordinator_even_if_its_clock_is_behind() {
    let scheme = Versioning::VectorClock { limit: Some(1) };
    let first = put(scheme, &scheme.empty_object(), &scheme.empty_context(), 1, 50);
    let second = put(scheme, &first, &first.context(), 2, 7);
    assert_eq!(stamps(&second), ["{n1:1}", "{n2:1}"]);
    assert_eq!(held(&second), Puts::from([7, 50]), "limit 1 makes a false sibling, no loss");
}

/// A1 and D4.4-10: the scheme of the paper itself loses a write without any fault.
#[test]
fn two_puts_with_one_context_through_one_coordinator_lose_a_write_under_vector_clocks_only() {
    let after = |scheme: Versioning| {
        let read = put(scheme, &scheme.empty_object(), &scheme.empty_context(), 0, 1);
        let x = put(scheme, &read, &read.context(), 0, 2);
        held(&put(scheme, &x, &read.context(), 0, 3))
    };
    assert_eq!(after(Versioning::VectorClock { limit: None }), Puts::from([3]), "2 is lost");
    assert_eq!(after(Versioning::Dotted), Puts::from([2, 3]));
}

#[test]
fn two_values_of_one_dot_merge_alike_on_every_side() {
    let scheme = Versioning::Dotted;
    let new = NewVersion::new(dot(0, 1), Stamp(0));
    let value = |number| {
        let (copy, context) = (scheme.empty_object(), scheme.empty_context());
        scheme.put(&copy, &context, NodeId(0), new, written(number))
    };
    let (a, b) = (value(1), value(2));
    assert_ne!(a, b);
    assert_eq!(a.merge(&b), b.merge(&a));
    assert_eq!(held(&a.merge(&b)), Puts::from([2]));
}

#[test]
fn equal_stamps_fall_by_node() {
    let scheme = Versioning::LastWriterWins;
    let write = |node, number| {
        let new = NewVersion::new(dot(node, 1), Stamp(5));
        let (copy, context) = (scheme.empty_object(), scheme.empty_context());
        scheme.put(&copy, &context, NodeId(node), new, written(number))
    };
    let (low, high) = (write(1, 9), write(2, 3));
    assert_eq!(held(&low.merge(&high)), Puts::from([3]));
    assert_eq!(high.merge(&low), low.merge(&high));
}

#[test]
fn a_put_at_the_end_of_a_counter_or_of_time_does_not_overflow() {
    // No honest node gets there, but a hostile context may claim it.
    let clock: Context = Context::Clock(forged(&[(0, (u64::MAX, 0))]));
    let scheme = Versioning::VectorClock { limit: None };
    let after = put(scheme, &scheme.empty_object(), &clock, 0, 1);
    assert_eq!(clock_of(&after).counter(NodeId(0)), u64::MAX);

    let scheme = Versioning::LastWriterWins;
    let late = put(scheme, &scheme.empty_object(), &scheme.empty_context(), 0, u64::MAX);
    let after = put(scheme, &late, &late.context(), 1, 1);
    assert_eq!(stamps(&after), [format!("{{t{} n1}}", u64::MAX)]);
}

/// A clock that no put has made.
fn forged(pairs: &[(u64, (u64, u64))]) -> VectorClock {
    let map: BTreeMap<_, _> = pairs.iter().copied().collect();
    forge(&map)
}

/// Something of private fields, from the outside as a hostile peer would make it.
fn forge<T: serde::de::DeserializeOwned>(parts: &impl serde::Serialize) -> T {
    postcard::from_bytes(&postcard::to_allocvec(parts).unwrap()).unwrap()
}

#[test]
fn dotted_objects_that_no_history_makes_are_not_admitted() {
    let admitted = |held: &[u64], seen: &[u64]| {
        let siblings: BTreeMap<Dot, Written> =
            held.iter().map(|&counter| (dot(0, counter), written(counter))).collect();
        let seen: BTreeMap<Actor, u64> =
            seen.iter().map(|&counter| (dot(0, 0).actor, counter)).collect();
        Versioning::Dotted.admits(&Object::Dotted(forge(&(siblings, seen))))
    };
    assert!(admitted(&[], &[]) && admitted(&[2], &[2]) && admitted(&[1, 2], &[3]));
    assert!(!admitted(&[2], &[1]), "no context could ever cover the version");
    assert!(!admitted(&[0], &[1]), "everybody has seen it");
    assert!(!admitted(&[], &[0]), "equal knowledge must be equal bytes");
}

#[test]
fn clocked_objects_that_no_history_makes_are_not_admitted() {
    let scheme = Versioning::VectorClock { limit: None };
    let admitted = |versions: &[(u64, u64)]| {
        let version = |&(node, counter)| (forged(&[(node, (counter, 0))]), written(counter));
        let versions: Vec<_> = versions.iter().map(version).collect();
        scheme.admits(&Object::Clocked(forge(&versions)))
    };
    assert!(admitted(&[]) && admitted(&[(0, 2), (1, 1)]));
    assert!(!admitted(&[(0, 1), (0, 2)]), "one is an ancestor of the other");
    assert!(!admitted(&[(1, 1), (0, 2)]), "out of order");
}

#[test]
fn what_holds_no_version_says_so() {
    let empty = |versioning: Versioning| versioning.empty_object().to_string();
    assert_eq!(empty(Versioning::Dotted), "nothing {}");
    assert_eq!(empty(Versioning::VectorClock { limit: None }), "nothing");
    assert_eq!(empty(Versioning::LastWriterWins), "nothing");
}
