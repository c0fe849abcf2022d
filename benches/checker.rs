//! How fast the checker is, and how many bytes a state takes:
//! `cargo bench --bench checker [-- NAME]` over scenarios of the default suite, beside Stateright's
//! depth-first checker over the same model.

use dynamo_models::explore::{Limits, explore};
use dynamo_models::scenario::Scenario;
use dynamo_models::world::ClusterModel;
use stateright::{Checker, Model};
use std::time::Instant;

/// Scenarios of different kinds: faults, versions, read repair, the history pass.
const SCENARIOS: [&str; 4] =
    ["lecture-331-concurrent", "versions-dotted", "read-repair-async", "duplicates-322"];

/// Each engine runs this often, in turn; the medians are printed.
const ROUNDS: usize = 3;

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    println!("scenario  engine  unique  generated  unique/s (median of {ROUNDS})  bytes/state");
    for name in SCENARIOS {
        if only.is_empty() || only.iter().any(|wanted| name.contains(wanted.as_str())) {
            compare(name);
        }
    }
}

fn compare(name: &str) {
    let file = format!("{}/models/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let scenario = Scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
    let model = ClusterModel::new(&scenario).expect("a valid cluster");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let done = explore(&model, &[], Limits::default(), &mut |_| true);
        let rate = done.progress.unique as f64 / started.elapsed().as_secs_f64();
        ours.push((rate, done.progress));

        let started = Instant::now();
        let checker = model.clone().checker().threads(1).spawn_dfs().join();
        let rate = checker.unique_state_count() as f64 / started.elapsed().as_secs_f64();
        theirs.push((rate, checker.unique_state_count(), checker.state_count()));
        assert_eq!(done.progress.unique as usize, checker.unique_state_count());
    }
    ours.sort_by(|a, b| a.0.total_cmp(&b.0));
    theirs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (rate, progress) = ours[ROUNDS / 2];
    let bytes = progress.visited_bytes as f64 / progress.unique as f64;
    let (unique, generated) = (progress.unique, progress.generated);
    println!("{name}  ours  {unique}  {generated}  {rate:.0}  {bytes:.1}");
    let (rate, unique, generated) = theirs[ROUNDS / 2];
    println!("{name}  stateright-dfs  {unique}  {generated}  {rate:.0}  -");
}
