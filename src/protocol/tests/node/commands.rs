//! What operators may order.

use crate::common::*;
use crate::town::*;
use dynamo_protocol::door::{Ignored, Input, Start};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{Command, CommandError, LayoutHash, Membership, Stage, Step};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::{Layout, LayoutError};
use dynamo_protocol::versions::Incarnation;

fn commit(layout: &Layout) -> Command {
    Command::Commit(LayoutHash::of_layout(layout))
}

fn down(id: u64) -> Command {
    Command::Down(NodeId(id))
}

fn join(id: u64) -> Step {
    Step::Join(member(id))
}

/// It says why, and does nothing.
fn refuses(town: &mut Town, id: u64, command: Command, why: &CommandError) {
    let before = town.node(id).clone();
    assert_eq!(before.check_command(&command).as_ref(), Err(why));
    assert_eq!(town.take(id, Input::Operator(command)), ignored(Ignored::BadCommand));
    assert!(*town.node(id) == before, "{why}");
}

/// (2,1,2) on three founders and one more.
fn three() -> Town {
    Town::new((2, 1, 2), 3, 4)
}

#[test]
fn a_plan_is_staged_step_by_step_and_committed_as_it_was_looked_at() {
    let mut town = three();
    let planned = layout(2, 3).join(member(3)).unwrap().leave(NodeId(0)).unwrap();
    town.stage(1, join(3));
    town.stage(1, Step::Leave(NodeId(0)));
    assert_eq!(town.node(1).staged(), [join(3), Step::Leave(NodeId(0))]);
    assert_eq!(town.membership(1), town.founding(), "nothing is proposed yet");
    let wanted = town.founding().propose(planned.clone());
    assert_eq!(town.node(1).check_command(&commit(&planned)), Ok(Some(wanted.clone())));
    let effects = town.take(1, Input::Operator(commit(&planned)));
    assert_eq!(receivers(&effects), [0u64; 0], "gossip spreads it");
    assert_eq!(town.membership(1), wanted);
}

#[test]
fn a_plan_that_is_cleared_is_gone() {
    let mut town = three();
    town.stage(0, join(3));
    assert_eq!(town.node(0).check_command(&Command::Clear), Ok(None));
    town.take(0, Input::Operator(Command::Clear));
    assert_eq!(town.node(0).staged(), []);
}

#[test]
fn a_plan_survives_a_restart() {
    let mut town = three();
    town.stage(0, join(3));
    town.restart(0);
    assert_eq!(town.node(0).staged(), [join(3)]);
}

#[test]
fn a_step_that_gives_no_layout_is_refused_with_the_reason() {
    let mut town = three();
    let refused = |error: LayoutError| CommandError::Layout(error);
    let double = refused(LayoutError::DuplicateId(NodeId(1)));
    refuses(&mut town, 0, Command::Stage(join(1)), &double);
    let unknown = refused(LayoutError::UnknownMember(NodeId(7)));
    refuses(&mut town, 0, Command::Stage(Step::Leave(NodeId(7))), &unknown);
    // Two may stay, one may not.
    town.stage(0, Step::Leave(NodeId(2)));
    let few = refused(LayoutError::TooFewMembers { n: 2, members: 1 });
    refuses(&mut town, 0, Command::Stage(Step::Leave(NodeId(1))), &few);
    assert_eq!(few.to_string(), "N is 2, but there are 1 members; lower N or add members");
}

#[test]
fn a_plan_that_is_empty_changes_nothing_or_is_another_one_is_refused() {
    let mut town = three();
    let nothing = CommandError::NothingStaged;
    refuses(&mut town, 0, commit(&layout(2, 3)), &nothing);
    town.stage(0, Step::Weight { node: NodeId(0), weight: 2 });
    town.stage(0, Step::Weight { node: NodeId(0), weight: 1 });
    let is_back = town.founding().current() == &layout(2, 3);
    assert!(is_back);
    town.take(0, Input::Operator(Command::Clear));
    town.stage(0, join(3));
    refuses(
        &mut town,
        0,
        commit(&layout(2, 4).leave(NodeId(0)).unwrap()),
        &CommandError::OtherPlan,
    );
}

#[test]
fn one_change_at_a_time() {
    let mut town = three();
    let with_n3 = layout(2, 3).join(member(3)).unwrap();
    town.order(0, vec![join(3)]);
    refuses(&mut town, 0, commit(&with_n3), &CommandError::ChangeUnderWay);
    assert_eq!(town.node(0).check_command(&Command::Stage(join(4))), Ok(None), "for later");
}

#[test]
fn only_a_member_of_a_cluster_with_a_layout_obeys() {
    let mut town = three();
    refuses(&mut town, 3, Command::Stage(join(3)), &CommandError::NotAMember);
    refuses(&mut town, 3, Command::Clear, &CommandError::NotAMember);
    let unfounded = USUAL.node(0);
    assert_eq!(unfounded.node.check_command(&Command::Clear), Err(CommandError::NoLayout));
    let left = town.founding().propose(layout(2, 2)).advance().advance().advance();
    town.tell(2, 0, &left);
    refuses(&mut town, 2, Command::Clear, &CommandError::NotAMember);
}

#[test]
fn down_is_only_who_is_waited_for() {
    let mut town = three();
    refuses(&mut town, 0, down(2), &CommandError::NoChange(NodeId(2)));
    town.order(0, vec![Step::Leave(NodeId(2))]);
    refuses(&mut town, 0, down(3), &CommandError::NotAwaited(NodeId(3)));
    town.take(0, Input::Operator(down(2)));
    assert!(town.membership(0).down().contains(&NodeId(2)));
    refuses(&mut town, 0, down(2), &CommandError::NotAwaited(NodeId(2)));
}

/// Fewer than W of a key's present owners, not all of its next ones, and most of the members stay.
#[test]
fn down_are_at_most_so_many_that_nothing_can_be_lost() {
    let mut town = three();
    town.order(0, vec![join(3)]);
    town.take(0, Input::Operator(down(1)));
    refuses(&mut town, 0, down(2), &CommandError::TooManyDown(NodeId(2)));
    // A joiner owns nothing yet, but some key is to be n1's and n3's.
    town.tell(0, 1, &town.membership(0).advance());
    refuses(&mut town, 0, down(3), &CommandError::TooManyDown(NodeId(3)));
    // With W = 1 the one that is down may be the only one that holds a write.
    let mut town = Town::new((2, 2, 1), 3, 4);
    town.order(0, vec![join(3)]);
    refuses(&mut town, 0, down(1), &CommandError::TooManyDown(NodeId(1)));
    // And the one that joins may be the only one that fetches it.
    town.tell(0, 1, &town.membership(0).advance());
    refuses(&mut town, 0, down(3), &CommandError::TooManyDown(NodeId(3)));
    // One of two is not most of them.
    let mut town = Town::new((2, 1, 2), 2, 3);
    town.order(0, vec![join(2)]);
    refuses(&mut town, 0, down(1), &CommandError::TooManyDown(NodeId(1)));
}

/// Two memberships that propose one step each; the second gives way to the first.
fn rivals(town: &Town) -> [(Step, Membership); 2] {
    let proposed = |step: Step| {
        let layout = step.apply(town.founding().current()).unwrap();
        (step, town.founding().propose(layout))
    };
    let (a, b) = (proposed(join(3)), proposed(Step::Leave(NodeId(0))));
    if a.1.merge(&b.1) == a.1 { [a, b] } else { [b, a] }
}

#[test]
fn a_plan_whose_commit_lost_is_still_staged_and_one_that_is_sure_to_come_is_not() {
    let mut town = three();
    let [(winning, winner), (losing, loser)] = rivals(&town);
    town.order(0, vec![losing.clone()]);
    town.order(1, vec![winning.clone()]);
    assert_eq!(town.membership(0), loser);
    town.tell(0, 1, &winner);
    town.tell(1, 0, &loser);
    for id in [0, 1] {
        assert_eq!(town.membership(id), winner);
        assert_eq!(town.node(id).staged().len(), 1, "nothing is decided");
    }
    let moving = winner.advance();
    assert_eq!(moving.change().unwrap().stage, Stage::Moving);
    town.tell(0, 1, &moving);
    town.tell(1, 0, &moving);
    assert_eq!(town.node(0).staged(), [losing], "for the operator to look at again");
    assert_eq!(town.node(1).staged(), []);
}

#[test]
fn a_node_that_has_lost_its_disk_may_not_know_the_layout_and_refuses() {
    let mut town = three();
    town.hosts[0].node = Node::new(town.config.clone(), NodeId(0), Disk::default());
    let start = Start::Amnesia { incarnation: Incarnation(9), latest: BEFORE };
    town.take(0, Input::Start(start));
    refuses(&mut town, 0, Command::Stage(join(3)), &CommandError::LostDisk);
    town.stage(1, join(3));
}
