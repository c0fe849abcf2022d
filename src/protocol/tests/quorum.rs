//! The quorum tally against a dumb twin, in all small cases.

use dynamo_protocol::ids::NodeId;
use dynamo_protocol::quorum::{Standing, Tally, Target};

/// Nodes 0, 1, 2, of which the first few are asked; the last ones are strangers.
const NODES: u64 = 4;

fn primary(node: u64) -> Target {
    Target { node: NodeId(node), home: None }
}

fn stand_in(node: u64, home: u64) -> Target {
    Target { node: NodeId(node), home: Some(NodeId(home)) }
}

/// What a node may do in one message.
#[derive(Clone, Copy, Debug)]
enum Say {
    Yes(u64),
    No(u64),
}

/// Remembers every message in order, and looks at them afresh for every question.
#[derive(Clone)]
struct Twin {
    asked: u64,
    need: u64,
    said: Vec<Say>,
}

impl Twin {
    /// A node's first word counts.
    fn first_word(&self, node: u64) -> Option<bool> {
        self.said.iter().find_map(|say| match say {
            Say::Yes(from) if *from == node => Some(true),
            Say::No(from) if *from == node => Some(false),
            _ => None,
        })
    }

    fn who(&self, word: Option<bool>) -> Vec<NodeId> {
        let nodes = (0..self.asked).filter(|&node| self.first_word(node) == word);
        nodes.map(NodeId).collect()
    }

    fn standing(&self) -> Standing {
        let yes = self.who(Some(true)).len() as u64;
        let silent = self.who(None).len() as u64;
        if yes >= self.need {
            Standing::Reached
        } else if yes + silent >= self.need {
            Standing::Pending
        } else {
            Standing::Failed
        }
    }
}

/// Compares the two, then lets every node say everything, down to `depth` messages. Returns how
/// often each standing was seen.
fn compare(tally: &Tally, twin: &Twin, depth: u32, seen: &mut [u32; 3]) {
    assert_eq!(tally.standing(), twin.standing(), "{:?}", twin.said);
    assert_eq!(tally.silent().collect::<Vec<_>>(), twin.who(None));
    let accepted = twin.who(Some(true));
    assert_eq!(tally.accepted().collect::<Vec<_>>(), accepted);
    assert_eq!(usize::from(tally.got()), accepted.len());
    for node in (0..NODES).map(NodeId) {
        assert_eq!(tally.has_accepted(node), accepted.contains(&node));
    }
    seen[tally.standing() as usize] += 1;
    if depth == 0 {
        return;
    }
    for node in 0..NODES {
        for say in [Say::Yes(node), Say::No(node)] {
            let (mut tally, mut twin) = (tally.clone(), twin.clone());
            match say {
                Say::Yes(from) => tally.accept(NodeId(from)),
                Say::No(from) => tally.refuse(NodeId(from)),
            }
            twin.said.push(say);
            compare(&tally, &twin, depth - 1, seen);
        }
    }
}

#[test]
fn a_tally_counts_the_first_word_of_each_replica_asked_and_nothing_else() {
    let mut seen = [0; 3];
    for asked in 1..NODES {
        for need in 1..=asked {
            let tally = Tally::new(need as u8, (0..asked).map(primary));
            assert_eq!(u64::from(tally.need()), need);
            let twin = Twin { asked, need, said: Vec::new() };
            compare(&tally, &twin, 4, &mut seen);
        }
    }
    assert!(seen.iter().all(|&times| times > 100), "{seen:?}");
}

#[test]
fn one_replica_that_answers_twice_is_one_answer() {
    let mut tally = Tally::new(2, [1, 2, 3].map(primary));
    tally.accept(NodeId(1));
    tally.accept(NodeId(1));
    assert_eq!((tally.got(), tally.standing()), (1, Standing::Pending));
    tally.accept(NodeId(2));
    assert_eq!((tally.got(), tally.standing()), (2, Standing::Reached));
}

#[test]
fn the_same_node_listed_twice_is_asked_once() {
    let mut tally = Tally::new(2, [1, 1].map(primary));
    assert_eq!(tally.standing(), Standing::Failed);
    tally.accept(NodeId(1));
    assert_eq!(tally.standing(), Standing::Failed);
}

#[test]
fn one_that_is_asked_later_counts_like_the_others() {
    let mut tally = Tally::new(2, [0, 1].map(primary));
    tally.refuse(NodeId(0));
    assert_eq!(tally.standing(), Standing::Failed);
    tally.ask(stand_in(2, 0));
    assert_eq!(tally.standing(), Standing::Pending);
    tally.accept(NodeId(2));
    tally.accept(NodeId(1));
    assert_eq!(tally.standing(), Standing::Reached);
    let replicas = tally.replicas();
    assert_eq!((replicas.primaries, replicas.fallbacks), (vec![NodeId(1)], vec![NodeId(2)]));
    assert_eq!(tally.home(NodeId(2)), Some(NodeId(0)));
    assert_eq!(tally.asked().collect::<Vec<_>>(), [primary(1), stand_in(2, 0), primary(0)]);
}

#[test]
fn whoever_is_asked_again_keeps_its_answer_and_its_place() {
    let mut tally = Tally::new(2, [0, 1, 2].map(primary));
    tally.accept(NodeId(0));
    tally.refuse(NodeId(1));
    for node in 0..3 {
        assert!(tally.was_asked(NodeId(node)));
        tally.ask(stand_in(node, 2));
        assert_eq!(tally.home(NodeId(node)), None);
    }
    assert!(!tally.was_asked(NodeId(3)));
    assert_eq!((tally.got(), tally.silent().collect::<Vec<_>>()), (1, vec![NodeId(2)]));
}

fn set(nodes: &[u64]) -> std::collections::BTreeSet<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

#[test]
fn each_of_several_quorums_must_give_as_many_answers() {
    let asked = || [0, 1, 2].map(primary);
    let mut tally = Tally::new(2, asked()).in_each(vec![set(&[0, 1]), set(&[0, 2])]);
    tally.accept(NodeId(0));
    tally.accept(NodeId(1));
    assert_eq!((tally.standing(), tally.got()), (Standing::Pending, 1), "n2 is missing");
    tally.accept(NodeId(2));
    assert_eq!((tally.standing(), tally.got()), (Standing::Reached, 2));
    let mut tally = Tally::new(2, asked()).in_each(vec![set(&[0, 1]), set(&[0, 2])]);
    tally.refuse(NodeId(2));
    assert_eq!(tally.standing(), Standing::Failed, "though the first can still be had");
    let tally = Tally::new(2, asked()).in_each(Vec::new());
    assert_eq!(tally.standing(), Standing::Pending, "whoever is asked counts");
}

#[test]
fn a_fallback_counts_in_the_quorums_of_its_home() {
    let asked = [primary(0), stand_in(3, 1)];
    let mut tally = Tally::new(2, asked).in_each(vec![set(&[0, 1]), set(&[0, 2])]);
    tally.accept(NodeId(0));
    tally.accept(NodeId(3));
    assert_eq!((tally.got(), tally.standing()), (1, Standing::Failed), "for n1, not for n2");
}

#[test]
fn a_question_that_is_put_anew_keeps_who_has_said_yes_and_forgets_who_has_refused() {
    let mut tally = Tally::new(2, [0, 1].map(primary));
    tally.accept(NodeId(0));
    tally.refuse(NodeId(1));
    assert_eq!(tally.standing(), Standing::Failed);
    tally.renew(vec![set(&[0, 1]), set(&[1, 2])], [0, 1, 2].map(primary));
    assert_eq!(tally.silent().collect::<Vec<_>>(), [NodeId(1), NodeId(2)]);
    assert!(tally.has_accepted(NodeId(0)));
    tally.accept(NodeId(1));
    assert_eq!(tally.standing(), Standing::Pending);
    tally.accept(NodeId(2));
    assert_eq!(tally.standing(), Standing::Reached);
}

#[test]
fn whoever_is_not_asked_anew_has_no_say() {
    let mut tally = Tally::new(1, [primary(0), stand_in(3, 1)]);
    tally.renew(Vec::new(), [primary(0), primary(3)]);
    tally.accept(NodeId(1));
    assert_eq!(tally.standing(), Standing::Pending);
    tally.accept(NodeId(3));
    assert_eq!(tally.home(NodeId(3)), None, "it stands in for nobody any more");
    assert_eq!(tally.standing(), Standing::Reached);
}
