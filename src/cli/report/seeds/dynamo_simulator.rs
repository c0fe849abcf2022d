//! "Dynamo Simulator" (Chahal and Arora): its Figures 1 to 6 and Table 1.

mod times;

use super::Figure;
use super::chart::Chart;
use super::lab::{Lab, cluster, without_repairs};
use dynamo::analysis::pbs::{self, Delay, Legs, wilson};
use dynamo::latency::{EachLeg, Spec};
use dynamo::report::{Part, Sheet};
use dynamo::shell::scheme::Quorum;
use dynamo::sim::{Contact, Latency, Outcome, Probe, Setup};
use std::path::Path;

pub(super) fn figures(lab: &Lab) -> anyhow::Result<Vec<Figure>> {
    let [normal, uniform] = consistency(lab)?;
    Ok(vec![
        normal,
        uniform,
        times::response_times(lab)?,
        times::table_1(lab)?,
        times::failure_rates(lab)?,
        times::failed_nodes(lab)?,
        newest_copies(lab)?,
    ])
}

/// R and W of Figures 1 and 2, with N=4.
const QUORUMS: [(u8, u8); 4] = [(1, 1), (1, 2), (2, 1), (2, 3)];

/// The 16 times of Figures 1 and 2.
fn times() -> Vec<f64> {
    (0..16).map(|step| f64::from(step) * 100.0 / 15.0).collect()
}

/// Requests take this long to arrive and answers no time; nothing is repaired; clients ask owners.
fn race(title: &str, (n, r, w): (u8, u8, u8), way: Spec) -> Setup {
    let none = || Spec::Constant(0.0);
    let mut setup = cluster(title, n.into(), (n, r, w), none());
    setup.cluster.quorum = Quorum::Strict;
    without_repairs(&mut setup);
    let (w, r) = (way.clone(), way);
    setup.network.latency = Latency::Each(EachLeg { w, a: none(), r, s: none() });
    setup.load.contact = Contact::Owner;
    setup.load.clients = 50;
    setup
}

/// What Figures 1 and 2 show of one distribution: P(consistent) of each quorum at each time,
/// simulated and by PBS.
struct Curves {
    simulated: [Vec<(f64, f64)>; 4],
    raced: [Vec<(f64, f64)>; 4],
    /// Gets of the strict quorum that were stale, and all of them.
    stale: u64,
    gets: u64,
}

impl Curves {
    fn new(lab: &Lab, title: &str, spec: &Spec) -> anyhow::Result<Curves> {
        let (delay, none) = (spec.delay(Path::new(""))?, || Delay::Constant(0.0));
        let mut curves =
            Curves { simulated: Default::default(), raced: Default::default(), stale: 0, gets: 0 };
        for (index, (r, w)) in QUORUMS.into_iter().enumerate() {
            let mut setup = race(title, (4, r, w), spec.clone());
            setup.load.probes_ms = times();
            setup.load.keys = lab.samples(20_000) as u32;
            let outcome = lab.simulate(&setup, 2)?;
            if r + w > 4 {
                let all = |of: fn(&Probe) -> u64| outcome.probes.iter().map(of).sum();
                (curves.stale, curves.gets) = (all(|p| p.gets - p.fresh), all(|p| p.gets));
            }
            let share =
                |probe: &Probe| (probe.after_ms, 100.0 * wilson(probe.fresh, probe.gets.max(1)).p);
            curves.simulated[index] = outcome.probes.iter().map(share).collect();
            let legs = Legs::new(delay.clone(), none(), delay.clone(), none(), None)?;
            let legs = legs.with_local_coordinators();
            let quorum = pbs::Quorum::new(4, r.into(), w.into())?;
            let raced = lab.race(legs, quorum, times(), 1_000_000)?;
            curves.raced[index] = raced.consistent().map(|(t, p)| (t, 100.0 * p.p)).collect();
        }
        Ok(curves)
    }

    fn sheet(&self) -> Sheet {
        let head = "t ms,4/1/1,PBS,4/1/2,PBS,4/2/1,PBS,4/2/3,PBS".split(',').collect();
        let row = |(place, t): (usize, f64)| {
            let shares = self.simulated.iter().zip(&self.raced);
            let shares = shares.flat_map(|(mine, pbs)| [mine[place].1, pbs[place].1]);
            let shares = shares.map(|share| format!("{share:.2}"));
            [format!("{t:.1}")].into_iter().chain(shares).collect()
        };
        let rows = times().into_iter().enumerate().map(row).collect();
        Sheet { head, rows, numbers: 0..9 }
    }

    fn chart(&self) -> Chart {
        let x = "t, milliseconds from the put's answer to the get";
        let mut chart = Chart::new(x, "consistent gets, %");
        for (index, (r, w)) in QUORUMS.into_iter().enumerate() {
            chart = chart
                .line(&format!("N=4 R={r} W={w}"), index, self.simulated[index].clone())
                .circles("the same by PBS", index, self.raced[index].clone());
        }
        chart
    }

    /// The greatest distance between the simulator and PBS, in per cent of all gets.
    fn distance(&self) -> f64 {
        let pairs = self.simulated.iter().flatten().zip(self.raced.iter().flatten());
        pairs.map(|((_, a), (_, b))| (a - b).abs()).fold(0.0, f64::max)
    }
}

fn consistency(lab: &Lab) -> anyhow::Result<[Figure; 2]> {
    let spec = Spec::Normal { mean: 50.0, deviation: 50.0 };
    let normal = Curves::new(lab, "Dynamo Simulator, figure 1", &spec)?;
    let spec = Spec::Uniform { low: 0.0, high: 100.0 };
    let uniform = Curves::new(lab, "Dynamo Simulator, figure 2", &spec)?;
    let pairs = normal.simulated[..3].iter().flatten().zip(uniform.simulated[..3].iter().flatten());
    let above = pairs.clone().filter(|((_, normal), (_, uniform))| uniform >= normal).count();
    let above = format!(
        "Published: consistency is higher under uniform delays than under normal ones of the same \
         mean. Ours: in {above} of {} points of the three curves that are not constant. Where they \
         are lower, gets come soon: of the clamped normal delays 16 % are 0, so that many copies \
         arrive at once, which no uniform delay gives; later its long tail makes it the worse one.",
        pairs.count()
    );
    let figure = |name, title: &str, curves: Curves, says: &[String]| -> anyhow::Result<Figure> {
        let strict = format!(
            "Published: 4/2/3 is \"highly consistent\", its curve stays below 100 %. Ours: {} of {} \
             gets are stale. With R + W > N every R copies have one of the W, so that no delay can \
             make a get stale. In the published program an older write that arrives late replaces a \
             newer one, and versions are compared through a context that is never refreshed; both \
             are defects and not staleness.",
            curves.stale, curves.gets
        );
        let [writes, reads] = [1, 2].map(|index: usize| &curves.simulated[index]);
        let pairs = writes.iter().zip(reads);
        let reads_above = pairs.filter(|((_, two_w), (_, two_r))| two_r > two_w).count();
        let highest = format!(
            "Published: W has the highest impact on consistency. Ours: 4/2/1 is above 4/1/2 at \
             {reads_above} of {} times; a get that waits for a second copy gives the put more time, \
             and one that waits for none does not.",
            times().len()
        );
        let pbs = format!(
            "Simulator and PBS differ by {:.2} points at most; the simulator's {:.0} gets a point \
             scatter by 2 points at 50 % (95 %).",
            curves.distance(),
            curves.gets as f64 / times().len() as f64
        );
        let numbers = "The published curves are plots without numbers in the text, so shapes are \
                       compared."
            .into();
        let after = says.iter().cloned().chain([strict, highest, pbs, numbers]).collect();
        let before = vec![format!(
            "N/R/W as named, four nodes. A request takes {title} to arrive at a replica, an answer no \
             time; whoever coordinates is an owner and reads and writes its own copy at once. So many \
             milliseconds after a put was answered, another client gets the key. Per cent of gets \
             that are consistent.",
        )];
        let caption = "Lines: simulated; circles: PBS with local coordinators.".into();
        let plots = vec![(caption, curves.chart().svg()?)];
        let heading = format!("Dynamo Simulator, {name}: consistency over time");
        let part =
            Part { title: heading, before, sheet: curves.sheet(), plots, after, ..Part::default() };
        Ok(Figure { name: if name == "Figure 1" { "simulator-1" } else { "simulator-2" }, part })
    };
    let deviation = "Published as \"mean = variance = 50 ms\": the program draws with a standard \
                     deviation of 50 ms and counts what is below 0 as 0, and so do we."
        .to_string();
    let whole = "The program draws whole milliseconds from 0 to 100; we draw any number between."
        .to_string();
    Ok([
        figure("Figure 1", "normal(50 ms, 50 ms), at least 0,", normal, &[deviation])?,
        figure("Figure 2", "uniform(0, 100) ms", uniform, &[whole, above])?,
    ])
}

/// Read off Figure 6: W, and how many of 1,000 gets found so many of five copies the newest.
const FIGURE_6: [(u8, [u64; 6]); 2] =
    [(2, [0, 120, 65, 50, 130, 635]), (4, [0, 45, 0, 0, 35, 920])];

/// When the gets of our Figure 6 are sent, in milliseconds after the put was answered.
const SOON_MS: [f64; 3] = [0.0, 10.0, 20.0];

/// N=R=5 and normal delays of 10 ms: how many of the five copies that a get reads are the newest.
fn copies(lab: &Lab, w: u8, after_ms: f64) -> anyhow::Result<Outcome> {
    let way = Spec::Normal { mean: 10.0, deviation: 10.0 };
    let mut setup = race("Dynamo Simulator, figure 6", (5, 5, w), way);
    setup.load.probes_ms = vec![after_ms];
    setup.load.keys = lab.samples(10_000) as u32;
    lab.simulate(&setup, 2)
}

fn newest_copies(lab: &Lab) -> anyhow::Result<Figure> {
    let (mut rows, mut plots, mut least) = (Vec::new(), Vec::new(), Vec::new());
    for (w, published) in FIGURE_6 {
        let x = "share of the five copies that are the newest";
        let mut chart = Chart::new(x, "gets of 1,000");
        for (colour, after_ms) in SOON_MS.into_iter().enumerate() {
            let tally = copies(lab, w, after_ms)?.fresh_copies.0;
            let all = tally.iter().sum::<u64>().max(1) as f64;
            let of_1000 = |count: &u64| 1000.0 * *count as f64 / all;
            let bars: Vec<f64> = (0..=5).map(|n| tally.get(n).map_or(0.0, of_1000)).collect();
            least.extend(bars.iter().position(|bar| *bar > 0.0).map(|fewest| (w, fewest)));
            let place = |copies: usize| copies as f64 * 0.2 + colour as f64 * 0.04 - 0.08;
            let shown = bars.iter().enumerate().map(|(copies, bar)| (place(copies), *bar));
            chart = chart.bars(&format!("{after_ms} ms after"), colour, 0.04, shown.collect());
            let name = [format!("5/5/{w}"), format!("{after_ms} ms after")];
            rows.push(name.into_iter().chain(bars.iter().map(|bar| format!("{bar:.0}"))).collect());
        }
        let shown = (0..).zip(published).map(|(at, bar)| (f64::from(at) * 0.2, bar as f64));
        chart = chart.circles("published", 3, shown.collect());
        plots.push((format!("N=5 R=5 W={w}"), chart.svg()?));
        let name = [format!("5/5/{w}"), "published".into()];
        rows.push(name.into_iter().chain(published.map(|bar| bar.to_string())).collect());
    }
    let below = least.iter().filter(|(w, fewest)| *fewest < usize::from(*w)).count();
    let fewest = |w| least.iter().filter(|one| one.0 == w).map(|one| one.1).min().unwrap_or(0);
    let part = Part {
        title: "Dynamo Simulator, Figure 6: how many copies are the newest".into(),
        before: vec![
            "Five nodes, N=R=5. A request takes normal(10 ms, 10 ms), at least 0, to arrive, an \
             answer no time. So long after a put was answered, a get reads all five copies: of 1,000 \
             gets, how many found this share of them to have the put's value. Published values are \
             read off."
                .into(),
        ],
        sheet: Sheet {
            head: vec!["N/R/W", "get", "0", "0.2", "0.4", "0.6", "0.8", "1.0"],
            rows,
            numbers: 2..8,
        },
        plots,
        after: vec![
            format!(
                "Ours: {below} of {} rows have a bar below W/N; the lowest are {}/5 with W=2 and {}/5 \
                 with W=4. When a put is answered, W copies have it, and copies never go back: no get \
                 of all five can find fewer.",
                least.len(),
                fewest(2),
                fewest(4),
            ),
            "Published: 120 and 45 gets at 0.2, which no correct program can show. The program \
             counts copies that equal the value that it returns, which need not be the newest, and \
             late old writes replace newer ones."
                .into(),
            "The document does not say how long after a put its gets are sent; its bars at 1.0 lie \
             between ours at once and ours after 20 ms."
                .into(),
        ],
        ..Part::default()
    };
    Ok(Figure { name: "simulator-6", part })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_quorum_is_never_stale_and_another_is() {
        let spec = Spec::Normal { mean: 50.0, deviation: 50.0 };
        let curves = Curves::new(&Lab::small(), "test", &spec).unwrap();
        assert!(curves.gets > 1_000);
        assert_eq!(curves.stale, 0);
        assert!(curves.simulated[3].iter().all(|(_, share)| *share == 100.0));
        assert!(curves.raced[3].iter().all(|(_, share)| *share == 100.0));
        assert!(curves.simulated[0][0].1 < 60.0 && curves.raced[0][0].1 < 60.0);
        assert!(curves.distance() < 15.0, "{}", curves.distance());
    }

    #[test]
    fn no_get_of_all_copies_finds_fewer_of_the_newest_than_w() {
        for (w, _) in FIGURE_6 {
            let tally = copies(&Lab::small(), w, 0.0).unwrap().fresh_copies.0;
            let (below, rest) = tally.split_at(w.into());
            assert!(below.iter().all(|count| *count == 0), "W={w}: {tally:?}");
            // Not because all copies were there: the bound is met.
            assert!(rest[0] > 0 && rest.iter().sum::<u64>() > 500, "W={w}: {tally:?}");
        }
    }
}
