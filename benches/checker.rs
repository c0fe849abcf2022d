//! Our engine, depth-first (volume) and breadth-first (traces), beside Stateright's depth-first checker,
//! over the same model and over the plain `ActorModel` of the same nodes and clients:
//!
//! `cargo bench --bench checker [-- [NAME ...] [--rounds N] [--states N] [--seconds N]]`
//!
//! Every run is a process of its own with one thread, so that nothing is warm, peak memory is its own
//! and time is what it had of the processor, whoever else is at work. First each engine explores as
//! much of each scenario as the bounds allow, which gives the sizes; the actors are then asked for
//! verdicts, which takes them longer. Last come the rounds, in which the four take turns and Stateright
//! judges nothing.

use dynamo_models::explore::{Exploration, Limits, explore, explore_depth_first};
use dynamo_models::scenario::{Property, Scenario, Tier};
use dynamo_models::stateright::{ActorEncoding, Order, run};
use dynamo_models::world::ClusterModel;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::process::Command;
use std::time::Duration;

/// The engines, in the order of their turns.
const ENGINES: [&str; 4] = ["dynamo-dfs", "dynamo", "stateright-cluster", "stateright-actors"];

/// Their places.
const VOLUME: usize = 0;
const TRACES: usize = 1;
const SAME: usize = 2;
const ACTORS: usize = 3;

/// What one exploration came to.
#[derive(Clone, Debug, Default)]
struct Run {
    unique: u64,
    /// Of processor time: hundredths are all that the kernel tells.
    seconds: f64,
    /// Ours: bytes that remember the states seen.
    visited_bytes: u64,
    /// Resident memory at its peak, of the whole process.
    peak_kib: u64,
    is_whole: bool,
    /// The properties judged, each refuted, holding (`true`), or open.
    verdicts: BTreeMap<String, Option<bool>>,
}

struct Settings {
    rounds: usize,
    states: u64,
    seconds: u64,
    names: Vec<String>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match &arguments[..] {
        [one, engine, name, states, ms, judge] if one == "--one" => {
            let number = |text: &String| text.parse().expect("a number");
            let limits = Limits {
                states: Some(number(states)),
                time: Some(Duration::from_millis(number(ms))),
                threads: NonZero::new(1),
                ..Limits::default()
            };
            println!("{}", one_run(engine, &load(name), limits, judge == "judge"));
        }
        _ => compare(&settings(&arguments)),
    }
}

fn settings(arguments: &[String]) -> Settings {
    let mut settings = Settings { rounds: 3, states: 5_000_000, seconds: 30, names: Vec::new() };
    let mut left = arguments.iter();
    while let Some(argument) = left.next() {
        let mut number = || left.next().and_then(|text| text.parse().ok()).expect("a number");
        match argument.as_str() {
            "--rounds" => settings.rounds = number() as usize,
            "--states" => settings.states = number(),
            "--seconds" => settings.seconds = number(),
            name => settings.names.push(name.into()),
        }
    }
    settings
}

/// Where the suite is.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/scenarios");

fn load(name: &str) -> Scenario {
    let file = format!("{FOLDER}/{name}.toml");
    Scenario::load(file).unwrap_or_else(|error| panic!("{error}"))
}

/// The default suite, by name, as far as the command line names it.
fn suite(names: &[String]) -> Vec<(String, Scenario)> {
    let mut suite = Scenario::load_all(FOLDER).unwrap_or_else(|error| panic!("{error}"));
    let is_asked = |name: &str| names.is_empty() || names.iter().any(|n| name.contains(n.as_str()));
    suite.retain(|(name, scenario)| is_asked(name) && scenario.tier == Tier::Default);
    suite.sort_by(|(a, _), (b, _)| a.cmp(b));
    suite
}

/// In a process of its own: one engine, one scenario, as a line of text.
fn one_run(engine: &str, scenario: &Scenario, limits: Limits, judges: bool) -> String {
    let encoding = ActorEncoding::new(scenario).expect("a scenario that actors can have");
    let asked = if judges { encoding.asked() } else { Vec::new() };
    let model = ClusterModel::new(scenario).expect("a valid cluster");
    // Asked for nothing it does not stop when all is refuted; every state is judged all the same.
    let whole = || explore(&model, &[], limits, &mut |_| true);
    let depth_first = Order::DepthFirst;
    match engine {
        "dynamo" => {
            let size = whole();
            let judged = judges.then(|| explore(&model, &asked, limits, &mut |_| true));
            line(&size, &asked, judged.as_ref().unwrap_or(&size))
        }
        "dynamo-dfs" => {
            let size = explore_depth_first(&model, &[], limits, &mut |_| true);
            line(&size, &[], &size)
        }
        "stateright-cluster" => {
            let done = run(model, &asked, depth_first, limits, &mut |_| true);
            line(&done, &asked, &done)
        }
        _ => {
            let done = run(encoding.model(), &asked, depth_first, limits, &mut |_| true);
            line(&done, &asked, &done)
        }
    }
}

fn line<A>(done: &Exploration<A>, asked: &[Property], judged: &Exploration<A>) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.split_whitespace().next()).unwrap_or("0");
    let verdict = |property: &Property| match judged.trace(*property) {
        Some(_) => format!(" {property}=false"),
        None if judged.hit_limit() => format!(" {property}=open"),
        None => format!(" {property}=true"),
    };
    let (progress, seconds) = (done.progress, cpu_seconds());
    let verdicts: String = asked.iter().map(verdict).collect();
    let (unique, bytes, is_whole) = (progress.unique, progress.visited_bytes, !done.hit_limit());
    format!("{unique} {seconds} {bytes} {peak} {is_whole}{verdicts}")
}

/// The processor time of this process, threads that have ended included.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells");
    let after_name = stat.rsplit_once(") ").expect("a name in brackets").1;
    // utime and stime, the 14th and 15th of all fields; ticks are hundredths on every Linux.
    let ticks = after_name.split(' ').skip(11).take(2).map(|t| t.parse::<f64>().expect("ticks"));
    ticks.sum::<f64>().max(1.0) / 100.0
}

/// Lets another process run one engine on one scenario.
fn measure(engine: &str, name: &str, states: u64, limit: Duration, judge: bool) -> Run {
    let myself = std::env::current_exe().expect("this program");
    let judge = if judge { "judge" } else { "count" };
    let (states, ms) = (states.to_string(), limit.as_millis().to_string());
    let mut command = Command::new(myself);
    let command = command.args(["--one", engine, name, &states, &ms, judge]);
    let output = command.output().expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.split_whitespace().collect();
    let [unique, seconds, bytes, peak, is_whole, verdicts @ ..] = &words[..] else {
        panic!("{engine} on {name}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let number = |word: &str| word.parse().expect("a number");
    let verdict = |word: &&str| {
        let (property, verdict) = word.split_once('=').expect("a verdict");
        (property.to_string(), verdict.parse().ok())
    };
    Run {
        unique: number(unique),
        seconds: seconds.parse().expect("a time"),
        visited_bytes: number(bytes),
        peak_kib: number(peak),
        is_whole: *is_whole == "true",
        verdicts: verdicts.iter().map(verdict).collect(),
    }
}

fn compare(settings: &Settings) {
    let mut excluded = BTreeMap::<String, Vec<String>>::new();
    let mut compared = Vec::new();
    for (name, scenario) in suite(&settings.names) {
        match ActorEncoding::new(&scenario) {
            Ok(_) => compared.push(name),
            Err(error) => {
                let why = error.to_string();
                let why = why
                    .split_once(" step `")
                    .map_or(why.as_str(), |_| "an actor cannot choose whom to ask");
                excluded.entry(why.to_string()).or_default().push(name);
            }
        }
    }
    let sizes = sizes(&compared, settings);
    println!();
    speeds(&compared, &sizes, settings);
    println!("\nNot compared, because of what the plain encoding cannot say:\n");
    for (why, names) in excluded {
        let why = why.trim_end_matches(": use the cluster encoding");
        println!("- {}: {why}: {}", names.len(), names.join(", "));
    }
}

/// Sizes, memory and verdicts: one run of each engine, as far as the bounds allow.
fn sizes(compared: &[String], settings: &Settings) -> Vec<[Run; 4]> {
    println!(
        "| scenario | cluster, unique | actors, unique | actors/cluster | bytes a state: depth-first | breadth-first | peak MiB: depth-first | breadth-first | Stateright, cluster | Stateright, actors | verdicts |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|");
    let limit = Duration::from_secs(settings.seconds);
    let mut all = Vec::new();
    for name in compared {
        let size =
            |engine: usize, judge| measure(ENGINES[engine], name, settings.states, limit, judge);
        let runs = [VOLUME, TRACES, SAME, ACTORS].map(|engine| size(engine, engine == TRACES));
        let judged = size(ACTORS, true);
        let [volume, ours, same, actors] = &runs;
        assert!(ours.is_whole, "{name}: ours has not finished, so that no ratio can be told");
        assert!(!volume.is_whole || volume.unique == ours.unique, "{name}: counts depth-first");
        assert!(!same.is_whole || ours.unique == same.unique, "{name}: counts");
        println!(
            "| {name} | {} | {} | {} | {:.1} | {:.1} | {} | {} | {} | {} | {} |",
            at_least(ours.is_whole, ours.unique as f64),
            at_least(actors.is_whole, actors.unique as f64),
            at_least(actors.is_whole, actors.unique as f64 / ours.unique as f64),
            volume.visited_bytes as f64 / volume.unique as f64,
            ours.visited_bytes as f64 / ours.unique as f64,
            volume.peak_kib / 1024,
            ours.peak_kib / 1024,
            same.peak_kib / 1024,
            actors.peak_kib / 1024,
            alike(ours, &judged),
        );
        all.push(runs);
    }
    let sum = |engine: usize| all.iter().map(|runs| runs[engine].unique).sum::<u64>() as f64;
    let bytes =
        |engine: usize| all.iter().map(|runs| runs[engine].visited_bytes).sum::<u64>() as f64;
    let is_whole = all.iter().all(|runs| runs[ACTORS].is_whole);
    println!(
        "| all {} | {} | {} | {} | {:.1} | {:.1} | | | | | |",
        all.len(),
        sum(TRACES),
        at_least(is_whole, sum(ACTORS)),
        at_least(is_whole, sum(ACTORS) / sum(TRACES)),
        bytes(VOLUME) / sum(VOLUME),
        bytes(TRACES) / sum(TRACES),
    );
    all
}

/// A figure, or what it is known to exceed.
fn at_least(is_whole: bool, value: f64) -> String {
    let digits = if value < 100.0 && value.fract() > 0.0 { 1 } else { 0 };
    format!("{}{value:.digits$}", if is_whole { "" } else { "> " })
}

/// Which verdicts both have, and which of them differ.
fn alike(ours: &Run, actors: &Run) -> String {
    let both = |(property, verdict): (&String, &Option<bool>)| {
        let theirs = (*actors.verdicts.get(property)?)?;
        Some((property.clone(), (*verdict)? == theirs))
    };
    let both: Vec<_> = ours.verdicts.iter().filter_map(both).collect();
    let differ: Vec<&str> =
        both.iter().filter(|(_, same)| !same).map(|(property, _)| property.as_str()).collect();
    let (judged, open) = (both.len(), ours.verdicts.len() - both.len());
    let open = if open > 0 { format!(", {open} open") } else { String::new() };
    match differ[..] {
        [] => format!("{judged} alike{open}"),
        _ => format!("{} alike, **differ: {}**{open}", judged - differ.len(), differ.join(", ")),
    }
}

/// How long one run of a round may take.
const TURN: Duration = Duration::from_secs(2);

/// Unique states a second, the engines in turn; medians of the rounds.
fn speeds(compared: &[String], sizes: &[[Run; 4]], settings: &Settings) {
    println!(
        "| scenario | depth-first, unique/s | breadth-first | Stateright, cluster | Stateright, actors | depth-first/cluster | depth-first/actors | breadth-first/cluster | breadth-first/actors |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    // Of each round and engine: states and seconds.
    let mut sums = vec![[(0.0, 0.0); 4]; settings.rounds];
    for (name, _) in compared.iter().zip(sizes).filter(|(_, runs)| is_long(runs)) {
        let mut rates = Vec::new();
        for sum in &mut sums {
            let runs = ENGINES.map(|engine| measure(engine, name, settings.states, TURN, false));
            for (sum, run) in sum.iter_mut().zip(&runs) {
                *sum = (sum.0 + run.unique as f64, sum.1 + run.seconds);
            }
            rates.push(runs.map(|run| run.unique as f64 / run.seconds));
        }
        println!("| {name} {}", row(&rates));
    }
    let rates: Vec<_> = sums.iter().map(|sum| sum.map(|(unique, time)| unique / time)).collect();
    println!("| all of these {}", row(&rates));
}

/// Whether there is enough to do that a speed means something.
fn is_long(runs: &[Run; 4]) -> bool {
    runs[TRACES].unique >= 5_000
}

fn row(rates: &[[f64; 4]]) -> String {
    let median = |figure: &dyn Fn(&[f64; 4]) -> f64| {
        let mut figures: Vec<f64> = rates.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let rate = |engine: usize| format!("{:.0}", median(&|rates| rates[engine]));
    let ratio =
        |ours: usize, theirs: usize| format!("{:.2}", median(&|rates| rates[ours] / rates[theirs]));
    let rates = [VOLUME, TRACES, SAME, ACTORS].map(rate);
    let pairs = [(VOLUME, SAME), (VOLUME, ACTORS), (TRACES, SAME), (TRACES, ACTORS)];
    let ratios = pairs.map(|(ours, theirs)| ratio(ours, theirs));
    format!("| {} | {} |", rates.join(" | "), ratios.join(" | "))
}
