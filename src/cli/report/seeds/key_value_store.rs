//! "Distributed Key-Value Store" (Das and Deshmukh): its four charts and its table.

use super::Figure;
use super::chart::Chart;
use super::lab::{Lab, cluster, density};
use dynamo::analysis::pbs::Histogram;
use dynamo::latency::{EachLeg, Spec};
use dynamo::report::{Part, Sheet};
use dynamo::sim::{Choice, Contact, Latency, Mix, Setup};

/// The published table: mean, median, 99th percentile and maximum in milliseconds, and operations a
/// second.
const PUBLISHED: [(&str, [f64; 5]); 4] = [
    ("uniform get", [12.25, 11.95, 17.09, 41.99, 81.5]),
    ("uniform put", [14.24, 13.93, 19.86, 22.84, 70.1]),
    ("hotspot get", [12.44, 12.05, 17.05, 26.09, 80.3]),
    ("hotspot put", [14.15, 13.80, 20.28, 37.18, 70.6]),
];

const HEAD: [&str; 11] = [
    "load",
    "mean",
    "published",
    "median",
    "published",
    "p99",
    "published",
    "max",
    "published",
    "ops/s",
    "published",
];

/// Five nodes of two tokens, and one client behind a router that knows the ring.
fn setup(choice: Choice) -> Setup {
    let way = || Spec::Shifted { by: 2.32, of: Spec::Exponential { rate: 1.1 }.into() };
    let mut setup = cluster("key-value store", 5, (3, 2, 2), way());
    (setup.cluster.strategy, setup.cluster.tokens) = (1, 2);
    let to_disk = Spec::Shifted { by: 1.9, of: way().into() };
    setup.network.latency = Latency::Each(EachLeg { w: to_disk, a: way(), r: way(), s: way() });
    setup.load.contact = Contact::First;
    setup.load.clients = 1;
    setup.load.requests = Some(2_000);
    setup.load.keys = 100;
    setup.load.choice = choice;
    setup.load.mix = Mix { get: 1.0, put: 0.0, update: 0.0, blind: 1.0, delete: 0.0 };
    setup
}

pub(super) fn figures(lab: &Lab) -> anyhow::Result<Vec<Figure>> {
    let hotspot = Choice::Hotspot { keys: 5, share: 0.9 };
    let mut runs = Vec::new();
    for choice in [Choice::Uniform, hotspot] {
        let outcome = lab.simulate(&setup(choice), lab.samples(20))?;
        runs.extend([outcome.get_ms, outcome.put_ms]);
    }
    let rows = PUBLISHED.iter().zip(&runs).map(|((name, published), all)| {
        let [median, p99, most] = [0.5, 0.99, 1.0].map(|q| all.quantile(q).ms);
        let ours = [all.mean(), median, p99, most, 1000.0 / all.mean()];
        let cells = ours.into_iter().zip(published);
        let cells = cells.flat_map(|(ours, published)| [ours, *published]);
        [(*name).into()].into_iter().chain(cells.map(|ms| format!("{ms:.2}"))).collect()
    });
    let sheet = Sheet { head: HEAD.to_vec(), rows: rows.collect(), numbers: 1..11 };
    let part = Part {
        title: "Distributed Key-Value Store: charts and table".into(),
        before: vec![
            "Five nodes of two tokens each, N=3 R=W=2, one client that waits for each answer, behind \
             a router that knows the ring; any of 100 keys alike, or five of them in nine of ten \
             operations. Milliseconds, and operations a second."
                .into(),
            "Chosen, so that the means fit: a message takes 2.32 ms and an exponential time with a mean \
             of 0.91 ms, and to write a copy to disk takes 1.9 ms."
                .into(),
        ],
        sheet,
        plots: charts(&runs)?,
        after: vec![
            "Means, medians and throughput fit because three numbers were chosen so; that one closed-loop \
             client makes 1/mean operations a second is arithmetic, in the document too."
                .into(),
            "Published: the 99th percentile lies near the mean. Ours: the same, for four messages \
             follow one another and their delays even out. One client in a quiet network has little \
             else that could make a tail."
                .into(),
            "Published: hotspots change nothing, \"effective load balancing\". Ours: the same, but it \
             says nothing about balance: with one request under way at a time no node is ever busy."
                .into(),
            "The published maxima are single values of 1,000 and do not repeat; ours are of 20,000."
                .into(),
        ],
        ..Part::default()
    };
    Ok(vec![Figure { name: "store", part }])
}

/// Histograms of gets and of puts, throughput, and cumulated latencies.
fn charts(runs: &[Histogram]) -> anyhow::Result<Vec<(String, String)>> {
    let mut plots = Vec::new();
    for (place, name) in ["gets", "puts"].into_iter().enumerate() {
        let chart = Chart::new("milliseconds", "per cent of operations in 0.5 ms")
            .bars("uniform", 0, 0.5, density(&runs[place], 0.5))
            .bars("hotspot", 1, 0.5, density(&runs[place + 2], 0.5));
        plots.push((format!("Latency of {name}."), chart.svg()?));
    }
    let bars = |of: &dyn Fn(usize) -> f64, shift: f64| {
        (0..4).map(|place| (place as f64 + shift, of(place))).collect::<Vec<_>>()
    };
    let x = "uniform gets and puts, hotspot gets and puts, from left";
    let chart = Chart::new(x, "operations a second")
        .bars("ours", 0, 0.4, bars(&|place| 1000.0 / runs[place].mean(), 0.0))
        .bars("published", 1, 0.4, bars(&|place| PUBLISHED[place].1[4], 0.4));
    plots.push(("Throughput.".into(), chart.svg()?));
    let mut chart = Chart::new("milliseconds", "per cent of operations");
    for (colour, (all, (name, _))) in runs.iter().zip(PUBLISHED).enumerate() {
        let points = all.cumulative().map(|(ms, share)| (ms, 100.0 * share)).collect();
        chart = chart.line(name, colour, points);
    }
    plots.push(("Latency, cumulated.".into(), chart.svg()?));
    Ok(plots)
}
