//! An exploration that is kept on disk goes on as if nothing had ended it, and what is not as it was
//! written is refused.

use dynamo_models::check::{How, Outcome, check};
use dynamo_models::explore::{
    Agreement, Checkpoint, Exploration, Known, Limits, Marks, Progress, Space, Stopped, explore,
    explore_depth_first, explore_kept,
};
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::world::{Action, ClusterModel, Violated};
use std::fmt::Debug;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Many layers; `converges`; searches ahead; a space that ends when all is refuted; symmetry.
const SCENARIOS: [&str; 6] = [
    "hint-partition",
    "available-322",
    "lecture-331-concurrent",
    "plans-race",
    "disk-322-read",
    "four-writers",
];

fn load(name: &str) -> Scenario {
    let file = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    Scenario::load(file).unwrap_or_else(|error| panic!("{error}"))
}

fn passes(scenario: &Scenario) -> impl Iterator<Item = ClusterModel> {
    let model = ClusterModel::new(scenario).expect("a cluster").up_to_symmetry();
    let both = [model.clone(), model.with_history()];
    both.into_iter().filter(|model| model.asked().next().is_some())
}

/// What must not depend on whether it was ended on the way. Memory does: it is known which action led
/// to each state.
fn told<A: Debug>(found: &Exploration<A>) -> String {
    let Exploration { progress, stopped, refuted, marks, coverage, .. } = found;
    let progress = Progress { memory_bytes: 0, visited_bytes: 0, ..*progress };
    format!("{progress:?} {stopped:?} {refuted:?} {marks:?} {coverage:?}")
}

/// Explores as far as `looks` looks at how it goes allow, with so many threads, and with `before` found
/// at the first look.
fn a_while(
    model: &ClusterModel,
    checkpoint: &Checkpoint,
    looks: u64,
    threads: usize,
    before: u64,
) -> Exploration<Action> {
    let asked: Vec<Property> = model.asked().collect();
    let limits = Limits { threads: NonZero::new(threads), ..Limits::default() };
    let mut left = looks;
    let mut goes_on = |progress: &Progress| {
        assert!(left < looks || before == 0 || progress.unique == before, "{progress:?}");
        left = left.saturating_sub(1);
        left > 0
    };
    explore_kept(model, &asked, limits, checkpoint, &mut goes_on).expect("a checkpoint")
}

fn only_file(folder: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(folder).expect("a folder").collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().expect("a file").expect("an entry").path()
}

#[test]
fn whoever_is_interrupted_again_and_again_finds_the_same() {
    let mut interruptions = 0;
    for name in SCENARIOS {
        for model in passes(&load(name)) {
            let asked: Vec<Property> = model.asked().collect();
            let whole = explore(&model, &asked, Limits::default(), &mut |_| true);
            let folder = TempDir::new().expect("a folder");
            let checkpoint = Checkpoint::new(folder.path(), name);
            // To go on takes looks, too: as many as there are layers, or a few more.
            let (mut looks, mut before) = (3, 0);
            let found = loop {
                let found = a_while(&model, &checkpoint, looks, 1 + looks as usize % 3, before);
                if found.stopped != Some(Stopped::Interrupted) {
                    break found;
                }
                assert!(found.hit_limit() && found.unkept.is_none());
                interruptions += 1;
                looks += 7;
                before = found.progress.unique;
            };
            assert_eq!(told(&found), told(&whole), "{name}");
            // What is at its end is found at once.
            let file = only_file(folder.path());
            let written = fs::metadata(&file).and_then(|it| it.modified()).expect("a time");
            let again = a_while(&model, &checkpoint, 1, 2, 0);
            assert_eq!(told(&again), told(&whole), "{name}, again");
            let again = fs::metadata(&file).and_then(|it| it.modified()).expect("a time");
            assert_eq!(again, written, "{name}: nothing new was to be kept");
        }
    }
    println!("{interruptions} interruptions");
    assert!(interruptions > 30);
}

#[test]
fn a_higher_limit_goes_on_where_a_lower_one_ended() {
    let scenario = load("plans-race");
    let folder = TempDir::new().expect("a folder");
    let how = |states| {
        let limits = Limits { states, ..Limits::default() };
        let checkpoints = Some(folder.path().join("new").join("folder"));
        How { checkpoints, ..How::from(limits) }
    };
    let whole = check(&scenario, &How::default(), &mut |_| true).expect("a cluster");
    let mut before = 0;
    for states in [100, 1_000, 5_000] {
        let by = |states| check(&scenario, &how(Some(states)), &mut |_| true).expect("a cluster");
        let report = by(states);
        assert_eq!(report.outcome(), Outcome::Inconclusive);
        assert!(report.unique() >= states && report.unique() > before);
        before = report.unique();
        // The same again meets the limit before anything else.
        assert_eq!(by(states).unique(), before);
        assert_eq!(by(states).outcome(), Outcome::Inconclusive);
    }
    let report = check(&scenario, &how(None), &mut |_| true).expect("a cluster");
    assert_eq!(report.unique(), whole.unique());
    assert_eq!(report.outcome(), Outcome::AsExpected);
}

#[test]
fn what_is_not_as_it_was_written_is_refused() {
    let model = passes(&load("plans-race")).next().expect("a pass");
    let folder = TempDir::new().expect("a folder");
    let checkpoint = Checkpoint::new(folder.path(), "it");
    a_while(&model, &checkpoint, 20, 1, 0);
    let file = only_file(folder.path());
    let written = fs::read(&file).expect("a checkpoint");
    let asked: Vec<Property> = model.asked().collect();
    let goes_on = |model: &ClusterModel, checkpoint: &Checkpoint| {
        explore_kept(model, &asked, Limits::default(), checkpoint, &mut |_| true)
    };
    let is_refused = |checkpoint: &Checkpoint| {
        let refused = goes_on(&model, checkpoint).expect_err("refused").to_string();
        assert!(refused.contains("damaged: remove it to begin anew"), "{refused}");
    };
    for length in [0, 1, 8, 100, written.len() / 2, written.len() - 1] {
        fs::write(&file, &written[..length]).expect("a file");
        is_refused(&checkpoint);
    }
    for place in (0..written.len()).step_by(written.len() / 50) {
        let mut flipped = written.clone();
        flipped[place] ^= 1;
        fs::write(&file, flipped).expect("a file");
        is_refused(&checkpoint);
    }
    // Whole, but of something else: by its name, or by what its states lead to.
    let other = Checkpoint::new(folder.path(), "other");
    fs::write(&file, &written).expect("a file");
    a_while(&model, &other, 20, 1, 0);
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path != file {
            fs::copy(&file, path).expect("a copy");
        }
    }
    is_refused(&other);
    let another = passes(&load("join-put")).next().expect("a pass");
    assert!(goes_on(&another, &checkpoint).is_err(), "its actions lead to other states");
    assert!(goes_on(&model, &checkpoint).is_ok());
}

#[test]
fn what_cannot_be_kept_is_found_all_the_same() {
    let model = passes(&load("plans-race")).next().expect("a pass");
    let asked: Vec<Property> = model.asked().collect();
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "no folder").expect("a file");
    let checkpoint = Checkpoint::new(&file, "it");
    let found = explore_kept(&model, &asked, Limits::default(), &checkpoint, &mut |_| true);
    // To read below a file fails at once; to write below one that appears later, only later.
    assert!(found.expect_err("no folder").to_string().starts_with("cannot read"));
    let late = Checkpoint::new(&folder.path().join("late"), "it");
    let mut block = |_: &Progress| fs::write(folder.path().join("late"), "no folder").is_ok();
    let found = explore_kept(&model, &asked, Limits::default(), &late, &mut block);
    let found = found.expect("nothing was kept yet");
    assert!(found.unkept.as_ref().is_some_and(|why| why.starts_with("cannot write")));
    let whole = explore(&model, &asked, Limits::default(), &mut |_| true);
    assert_eq!(told(&found), told(&whole));
}

/// Whoever is killed has what was kept last.
#[test]
fn it_is_kept_on_the_way() {
    let model = passes(&load("plans-race")).next().expect("a pass");
    let asked: Vec<Property> = model.asked().collect();
    let folder = TempDir::new().expect("a folder");
    let often = Checkpoint::new(folder.path(), "it").eager();
    let (aside, mut looks) = (TempDir::new().expect("a folder"), 0);
    let mut copy = |_: &Progress| {
        looks += 1;
        if looks == 15 {
            let file = only_file(folder.path());
            let name = file.file_name().expect("a name");
            fs::copy(&file, aside.path().join(name)).expect("a copy");
        }
        true
    };
    let whole = explore_kept(&model, &asked, Limits::default(), &often, &mut copy);
    let whole = whole.expect("nothing was kept yet");
    let kept = Checkpoint::new(aside.path(), "it");
    let mut first = None;
    let mut look = |progress: &Progress| {
        first.get_or_insert(progress.unique);
        true
    };
    let found = explore_kept(&model, &asked, Limits::default(), &kept, &mut look);
    assert_eq!(told(&found.expect("a checkpoint")), told(&whole));
    assert!(first.is_some_and(|first| first > 100 && first < whole.progress.unique), "{first:?}");
    // A minute has not passed.
    let seldom = Checkpoint::new(folder.path(), "another");
    let began = Instant::now();
    let mut count = |_: &Progress| {
        let files = fs::read_dir(folder.path()).expect("a folder").count();
        assert!(files == 1 || began.elapsed() >= Duration::from_secs(60));
        true
    };
    explore_kept(&model, &asked, Limits::default(), &seldom, &mut count).expect("nothing yet");
}

/// A tree of numbers. Some leaves are of agreement, one number is wrong, one has lost a write, and one
/// takes long to search ahead of.
struct Tree {
    /// Configurations that it takes to search ahead of a number that is not known.
    each: usize,
    /// And of [`LONG`].
    long: usize,
}

/// It is in the middle of its layer.
const LONG: u32 = 14_000;

/// In the same batch.
const LOST: u32 = 13_000;

/// In a batch that is explored later.
const WRONG: u32 = 20_000;

/// Set by whoever searches ahead of [`LONG`].
static STOP: AtomicBool = AtomicBool::new(false);

impl Space for Tree {
    type State = u32;
    type Action = u32;

    fn initial(&self) -> u32 {
        0
    }

    fn actions(&self, state: &u32) -> Vec<u32> {
        let children = [3 * state + 1, 3 * state + 2, 3 * state + 3];
        children.into_iter().filter(|&child| child < 40_000).collect()
    }

    fn step(&self, _: &u32, &to: &u32, _: &mut Marks) -> u32 {
        to
    }

    fn violated(&self, state: &u32) -> Violated {
        let mut violated = Violated::default();
        violated.judge(Property::NoLostWrite, *state != LOST);
        violated
    }

    fn violated_ahead(&self, state: &u32, open: &[Property], known: &mut Known) -> Violated {
        if *state == LONG && self.long > self.each {
            STOP.store(true, Ordering::Relaxed);
        }
        let configurations = if *state == LONG { self.long } else { self.each };
        let number = u64::from(*state);
        let is_done = known.has(number) || (1..=configurations).all(|it| known.may_go_on(it));
        if is_done {
            known.add(number);
        }
        let mut violated = Violated::default();
        let is_open = open.contains(&Property::AvailableWrites);
        violated.judge(Property::AvailableWrites, !(is_open && is_done && *state == WRONG));
        violated
    }

    fn agreement(&self, state: &u32) -> Agreement {
        if *state > 20_000 { Agreement::OnSomething } else { Agreement::Apart }
    }
}

/// The batch in which a search ahead is given up is as if nobody had begun it, but for what was learned
/// and is told.
#[test]
fn what_a_limit_cuts_short_is_done_again() {
    let asked = [Property::Converges, Property::AvailableWrites, Property::NoLostWrite];
    let none = Limits::default();
    let tree = Tree { each: 10, long: 100_000_000 };
    let whole = explore(&tree, &asked, none, &mut |_| true);
    assert_eq!((whole.stopped, whole.progress.unique, whole.refuted.len()), (None, 40_000, 3));
    for (limits, stopped) in [
        (Limits { states: Some(50_000), ..none }, Stopped::StatesAhead),
        (Limits { memory_bytes: Some(50_000_000), ..none }, Stopped::Memory),
        (Limits { stop: Some(&STOP), ..none }, Stopped::Interrupted),
    ] {
        let folder = TempDir::new().expect("a folder");
        let checkpoint = Checkpoint::new(folder.path(), "it");
        let kept = |limits| {
            STOP.store(false, Ordering::Relaxed);
            let found = explore_kept(&tree, &asked, limits, &checkpoint, &mut |_| true);
            found.expect("a checkpoint")
        };
        for found in [kept(limits), kept(limits)] {
            assert!(found.stopped == Some(stopped) && found.unkept.is_none(), "{found:?}");
            assert!((10_000..LONG.into()).contains(&found.progress.unique), "{found:?}");
            assert_eq!(found.trace(Property::NoLostWrite), whole.trace(Property::NoLostWrite));
        }
        assert_eq!(told(&kept(none)), told(&whole));
        let deep = explore_depth_first(&tree, &asked[1..], limits, &mut |_| true);
        assert_eq!(deep.stopped, Some(stopped));
    }
}

/// Whoever has too little time for a batch learns a little each time, and gets on.
#[test]
fn who_has_little_time_gets_on() {
    let asked = [Property::Converges, Property::AvailableWrites];
    let tree = Tree { each: 10_000, long: 10_000 };
    let folder = TempDir::new().expect("a folder");
    let checkpoint = Checkpoint::new(folder.path(), "it");
    let limits = Limits { time: Some(Duration::from_millis(4)), ..Limits::default() };
    let mut calls = 0;
    let found = loop {
        calls += 1;
        let found = explore_kept(&tree, &asked, limits, &checkpoint, &mut |_| true);
        match found.expect("a checkpoint") {
            found if found.hit_limit() => assert!(calls < 10_000, "{found:?}"),
            found => break found,
        }
    };
    println!("{calls} calls");
    let whole = explore(&tree, &asked, Limits::default(), &mut |_| true);
    assert_eq!(told(&found), told(&whole));
}
