//! `dynamo check`: scenarios in, verdicts out.

pub(super) mod coverage;
pub(super) mod progress;
pub(super) mod question;
pub(super) mod text;

use super::{cores, heed_interruptions, interruptible, is_interrupted, say};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use dynamo_models::check::{How, Outcome, Report, can_judge_depth_first, check, check_depth_first};
use dynamo_models::explore::{Limits, Progress};
use dynamo_models::scenario::{Property, Scenario, Switch, Tier};
use dynamo_models::stateright::{self, Order};
use progress::Meters;
use question::Question;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Where the default suite is, from the project's root.
pub(super) const DEFAULT_SUITE: &str = "models/scenarios";

#[derive(Args, Default)]
#[command(after_help = "\
Examples:
  dynamo check                                    the default suite, models/scenarios/
  dynamo check models/scenarios/lecture-322-concurrent.toml
  dynamo check models/scenarios/lecture-322-concurrent.toml --property monotonic-reads
  dynamo check --n 3 --r 2 --w 2                  the standard two-client scenario, no file needed
  dynamo check --n 3 --r 1 --w 1 --nodes 4 --faults crashes=1,drops=1
  dynamo check --n 3 --r 2 --w 2 --print          print that scenario as a file to start from
  dynamo check BIG.toml --engine dynamo-dfs       fewer bytes a state; traces are not the shortest
  dynamo check --engine stateright-dfs            a second opinion, by Stateright's own checker
  dynamo check BIG.toml --timeout 1h --checkpoint kept   explore for an hour; again, to go on
  dynamo check --coverage                         also how often each kind of action was taken

Exit codes: 0 every verdict as expected, 1 some verdict differs, 2 inconclusive (a limit came
first, or Ctrl-C), 64 bad usage or input.")]
pub(crate) struct CheckArgs {
    /// Scenario files, or folders of them
    #[arg(value_name = "FILE|FOLDER", conflicts_with_all = question::OF_A_SCENARIO)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    question: Question,
    /// Who explores: our own engine, breadth-first or depth-first, or one of Stateright's checkers over
    /// the same model
    #[arg(long, value_enum, default_value_t = Engine::Dynamo)]
    engine: Engine,
    /// Leave out what makes no difference: which of several clients that are alike is which, and
    /// messages that can never matter again. `off` finds the same, among more states [default: on]
    #[arg(long, value_name = "on|off")]
    reductions: Option<Switch>,
    /// Also print how many steps there were of each kind of action, and how many found a new state
    #[arg(long)]
    coverage: bool,
    /// Also run scenarios with `tier = "long"`
    #[arg(long)]
    all: bool,
    /// Print one JSON object a line instead of a table
    #[arg(long)]
    json: bool,
    /// Stop a scenario at this many unique states, or up to a few thousand later
    #[arg(long, value_name = "N")]
    max_states: Option<u64>,
    /// Stop a scenario when the engine's tables and queue pass this size, as in 512MiB or 4GiB
    #[arg(long, value_name = "SIZE", value_parser = question::bytes)]
    max_memory: Option<u64>,
    /// Stop a scenario after this time, as in 30s, 5m or 1h
    #[arg(long, value_name = "TIME", value_parser = question::duration)]
    timeout: Option<Duration>,
    /// Keep what is explored in this folder, every minute or less often and when a limit or Ctrl-C ends
    /// it: the same command goes on from there
    #[arg(long, value_name = "FOLDER")]
    checkpoint: Option<PathBuf>,
    /// Scenarios checked at the same time [default: one a thread]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Threads that share the work [default: one a core]; they change no result
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// Who explores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// Ours: breadth-first, shortest counterexamples
    #[default]
    Dynamo,
    /// Ours: depth-first, in a fraction of the memory, one thread a scenario
    DynamoDfs,
    /// Stateright's breadth-first checker, one thread a scenario
    StaterightBfs,
    /// Stateright's depth-first checker, one thread a scenario
    StaterightDfs,
}

impl Engine {
    /// Its name on the command line.
    fn name(self) -> &'static str {
        match self {
            Engine::Dynamo => "dynamo",
            Engine::DynamoDfs => "dynamo-dfs",
            Engine::StaterightBfs => "stateright-bfs",
            Engine::StaterightDfs => "stateright-dfs",
        }
    }

    /// Whether it is one of Stateright's.
    pub(super) fn is_stateright(self) -> bool {
        matches!(self, Engine::StaterightBfs | Engine::StaterightDfs)
    }

    fn can_judge(self, property: Property) -> bool {
        match self {
            Engine::Dynamo => true,
            Engine::DynamoDfs => can_judge_depth_first(property),
            Engine::StaterightBfs | Engine::StaterightDfs => stateright::can_judge(property),
        }
    }

    fn check(
        self,
        scenario: &Scenario,
        how: &How,
        report: &mut dyn FnMut(&Progress) -> bool,
    ) -> anyhow::Result<Report> {
        let mut by =
            |order| stateright::check(scenario, how.reductions, order, how.limits, &mut *report);
        Ok(match self {
            Engine::Dynamo => check(scenario, how, report),
            Engine::DynamoDfs => check_depth_first(scenario, how, report),
            Engine::StaterightBfs => by(Order::BreadthFirst),
            Engine::StaterightDfs => by(Order::DepthFirst),
        }?)
    }
}

/// A scenario and what to call it.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) scenario: Scenario,
}

/// A scenario and what was found.
pub(super) type Checked<'a> = (&'a Named, Report);

pub(crate) fn run(args: CheckArgs) -> anyhow::Result<ExitCode> {
    args.refuse_what_an_engine_has_not()?;
    let scenarios = args.scenarios()?;
    if args.question.print {
        scenarios.iter().try_for_each(|named| say(named.scenario.to_toml()))?;
        return Ok(ExitCode::SUCCESS);
    }
    heed_interruptions()?;
    let reports = check_all(&scenarios, &args)?;
    if !args.json {
        say(text::text(&reports, args.engine))?;
        if args.coverage {
            say(coverage::text(&reports))?;
        }
    }
    args.tell_what_is_kept(&reports);
    if reports.len() < scenarios.len() {
        eprintln!("interrupted: {} of {} scenarios checked", reports.len(), scenarios.len());
    }
    Ok(exit_code(&reports, reports.len() == scenarios.len()))
}

fn exit_code(reports: &[Checked], complete: bool) -> ExitCode {
    let worst = reports.iter().map(|(_, report)| report.outcome()).max();
    match worst {
        Some(Outcome::Different) => 1.into(),
        Some(Outcome::AsExpected) if complete => ExitCode::SUCCESS,
        _ => 2.into(),
    }
}

/// Checks scenarios, several at a time; the reports come in the order of the scenarios. After an
/// interruption those that were not begun are left out.
pub(super) fn check_all<'a>(
    scenarios: &'a [Named],
    args: &CheckArgs,
) -> anyhow::Result<Vec<Checked<'a>>> {
    let threads = args.threads.unwrap_or_else(cores).get();
    let jobs = args.jobs.map_or(threads, usize::from).clamp(1, scenarios.len().max(1));
    let limits = |place: usize| Limits {
        states: args.max_states,
        memory_bytes: args.max_memory,
        time: args.timeout,
        // The last scenarios share the threads of those that are done.
        threads: NonZero::new(threads.div_ceil(jobs.min(scenarios.len() - place))),
        ..interruptible()
    };
    let how = |place: usize| How {
        reductions: args.reductions.unwrap_or(Switch::On),
        limits: limits(place),
        checkpoints: args.checkpoint.clone(),
    };
    let meters = Meters::new(scenarios.len());
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let stopped = || is_interrupted() || failed.load(Ordering::Relaxed);
    let reports = Mutex::new(Vec::new());
    let work = || {
        while let Some((place, named)) = take(&next, scenarios, &stopped) {
            let meter = meters.start(&named.name);
            let mut report = |progress: &Progress| {
                meter.show(progress);
                !stopped()
            };
            let checked = args.engine.check(&named.scenario, &how(place), &mut report);
            meter.finish();
            let checked = checked.with_context(|| named.name.clone()).and_then(|report| {
                if args.json && !failed.load(Ordering::Relaxed) {
                    say(format_args!("{}\n", text::json(&named.name, &report, args.engine)))?;
                }
                Ok(report)
            });
            if checked.is_err() {
                // Nothing good comes of the others: bad input, or nobody reads the output.
                failed.store(true, Ordering::Relaxed);
            }
            reports.lock().expect("no thread panics here").push((place, checked));
        }
    };
    std::thread::scope(|scope| {
        (0..jobs).for_each(|_| {
            scope.spawn(work);
        });
    });
    let mut reports = reports.into_inner().expect("no thread panics here");
    reports.sort_by_key(|(place, _)| *place);
    reports.into_iter().map(|(place, report)| Ok((&scenarios[place], report?))).collect()
}

fn take<'a>(
    next: &AtomicUsize,
    scenarios: &'a [Named],
    stopped: &impl Fn() -> bool,
) -> Option<(usize, &'a Named)> {
    if stopped() {
        return None;
    }
    let place = next.fetch_add(1, Ordering::Relaxed);
    scenarios.get(place).map(|named| (place, named))
}

impl CheckArgs {
    /// The scenarios at a path, under limits of states and time.
    #[cfg(feature = "museum")]
    pub(super) fn of(path: PathBuf, limits: Limits) -> CheckArgs {
        let Limits { states: max_states, time: timeout, .. } = limits;
        CheckArgs { paths: vec![path], max_states, timeout, ..CheckArgs::default() }
    }

    fn refuse_what_an_engine_has_not(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.engine.is_stateright() || self.max_memory.is_none(),
            "Stateright does not tell how much memory it takes: use --max-states or --timeout with \
             --engine {}",
            self.engine.name()
        );
        anyhow::ensure!(
            self.engine == Engine::Dynamo || self.checkpoint.is_none(),
            "only our breadth-first engine can go on with an exploration: use --checkpoint with \
             --engine dynamo"
        );
        anyhow::ensure!(
            !self.engine.is_stateright() || !self.coverage,
            "Stateright does not tell which steps found a new state: use --coverage with --engine \
             dynamo"
        );
        Ok(())
    }

    /// Whether one can go on with what was not explored to its end.
    fn tell_what_is_kept(&self, reports: &[Checked]) {
        let Some(folder) = &self.checkpoint else { return };
        for (named, report) in reports {
            match (report.unkept(), report.limited_by()) {
                (Some(why), _) => eprintln!("{}: it is not kept: {why}", named.name),
                (None, Some(_)) => eprintln!(
                    "{}: kept in {}; the same command goes on from there, with a higher limit if it \
                     gets no further",
                    named.name,
                    folder.display()
                ),
                (None, None) => {}
            }
        }
    }

    /// The scenarios that the command line names.
    pub(super) fn scenarios(&self) -> anyhow::Result<Vec<Named>> {
        if let Some(scenario) = self.question.scenario()? {
            return Ok(vec![Named { name: scenario.title.clone(), scenario }]);
        }
        let mut scenarios = Vec::new();
        let default = [PathBuf::from(DEFAULT_SUITE)];
        let asked = if self.paths.is_empty() { &default[..] } else { &self.paths };
        for path in asked {
            let found = Scenario::load_all(path)?;
            anyhow::ensure!(!found.is_empty(), "{} holds no .toml file", path.display());
            let is_named = !path.is_dir();
            for (name, mut scenario) in found {
                self.question.narrow(&mut scenario);
                if is_named || self.all || scenario.tier == Tier::Default {
                    scenarios.push(Named { name, scenario });
                }
            }
        }
        anyhow::ensure!(
            !scenarios.is_empty(),
            "no scenario to check; those with tier = \"long\" need --all"
        );
        Ok(scenarios)
    }
}
