//! "Dynamo, final report" (Sun and Tu): its Figures 4 to 6, and what it says of R and W.

use super::Figure;
use super::chart::Chart;
use super::lab::{Lab, cluster};
use dynamo::analysis::pbs::Histogram;
use dynamo::latency::Spec;
use dynamo::report::{Part, Sheet};
use dynamo::sim::{Contact, Mix, Outcome, Setup};

/// Operations of each client.
const OPERATIONS: [u64; 5] = [100, 500, 1_000, 1_500, 2_000];

/// Servers and clients.
const CLUSTERS: [(u32, u32); 4] = [(5, 1), (5, 5), (10, 1), (10, 5)];

const ASSUMED: &str = "Assumed: a message takes 7 ms and an exponential time with a mean of 3 ms, so that \
                       a put with R=W=2 takes about the 50 ms that the document's 2,000 operations in 100 s \
                       come to; a node works 1 ms on each message, one after the other. N=3.";

/// Clients that get a key and then put it, one operation after the other.
fn clients(title: &str, servers: u32, clients: u32, (r, w): (u8, u8), operations: u64) -> Setup {
    let way = Spec::Shifted { by: 7.0, of: Spec::Exponential { rate: 1.0 / 3.0 }.into() };
    let mut setup = cluster(title, servers, (3, r, w), way);
    setup.machines.processing = Spec::Constant(1.0);
    setup.load.clients = clients;
    setup.load.requests = Some(operations * u64::from(clients));
    setup.load.keys = 10_000;
    setup.load.mix = Mix { get: 0.0, put: 0.0, update: 1.0, blind: 0.0, delete: 0.0 };
    setup
}

/// Seconds that so many operations of one client take, one after the other.
fn total(all: &Histogram, operations: u64) -> f64 {
    all.mean() * operations as f64 / 1000.0
}

pub(super) fn figures(lab: &Lab) -> anyhow::Result<Vec<Figure>> {
    Ok(vec![totals(lab, &PUTS)?, totals(lab, &GETS)?, waiting_for_all(lab)?, quorums(lab)?])
}

/// Figure 4 or 5.
struct Totals {
    name: &'static str,
    title: &'static str,
    contact: Contact,
    of: fn(&Outcome) -> &Histogram,
    after: &'static [&'static str],
}

const PUTS: Totals = Totals {
    name: "report-4",
    title: "Final report, Figure 4: puts",
    contact: Contact::Random,
    of: |outcome| &outcome.put_ms,
    after: &[
        "Published: puts are slower with more clients. Ours hardly: messages seldom wait for each other.",
        "Published: puts are faster with more servers. Ours are slower, because of ten servers seven do \
         not own a key and must pass a put on, of five only two. The published program writes all its \
         data to disk after each put, which is half as much with twice the servers; a node here \
         writes what has changed.",
        "Published: the time does not grow in proportion to the number of puts, unexplained. Ours \
         does. Writing everything after each put makes the n-th put cost n, and all of them n squared; \
         that would explain it.",
    ],
};

const GETS: Totals = Totals {
    name: "report-5",
    title: "Final report, Figure 5: gets",
    contact: Contact::Node(0),
    of: |outcome| &outcome.get_ms,
    after: &[
        "Published: gets do not depend on the number of servers, as all clients ask the same server. \
         Ours hardly, asked in the same way: it owns fewer of the keys of a larger cluster, but a get \
         waits for two copies either way, and at most one of them is its own.",
        "Published: more clients make gets hardly slower. Ours: the same; the one server that all ask works \
         on five times as many messages, 1 ms each, and that is far from full.",
    ],
};

fn totals(lab: &Lab, figure: &Totals) -> anyhow::Result<Figure> {
    let mut chart = Chart::new("operations of each client", "total latency of a client, s");
    let mut most = Vec::new();
    let mut rows: Vec<Vec<String>> =
        OPERATIONS.iter().map(|operations| vec![operations.to_string()]).collect();
    for (colour, (servers, of_them)) in CLUSTERS.into_iter().enumerate() {
        let mut points = Vec::new();
        for (row, operations) in rows.iter_mut().zip(OPERATIONS) {
            let mut setup = clients(figure.name, servers, of_them, (2, 2), operations);
            setup.load.contact = figure.contact;
            let outcome = lab.simulate(&setup, lab.samples(4))?;
            let seconds = total((figure.of)(&outcome), operations);
            points.push((operations as f64, seconds));
            row.push(format!("{seconds:.1}"));
        }
        most.extend(points.last().map(|(_, seconds)| *seconds));
        chart = chart.line(&format!("{servers} servers, {of_them} clients"), colour, points);
    }
    let more = |few: usize, many: usize| 100.0 * (most[many] / most[few] - 1.0);
    let measured = format!(
        "Ours at 2,000 operations: five clients instead of one make {:+.1} % with 5 servers and {:+.1} % \
         with 10; ten servers instead of five make {:+.1} % with one client and {:+.1} % with five.",
        more(0, 1),
        more(2, 3),
        more(0, 2),
        more(1, 3)
    );
    let part = Part {
        title: figure.title.into(),
        before: vec![
            "Seconds that the operations of one client take in all, by how many it makes; 5 or 10 \
             servers, 1 or 5 clients, R=W=2. The document's text has no numbers."
                .into(),
            ASSUMED.into(),
        ],
        sheet: Sheet {
            head: vec![
                "operations",
                "5 servers, 1 client",
                "5 servers, 5 clients",
                "10 servers, 1 client",
                "10 servers, 5 clients",
            ],
            rows,
            numbers: 0..5,
        },
        plots: vec![("Total latency of one client.".into(), chart.svg()?)],
        after: figure.after.iter().map(|text| (*text).into()).chain([measured]).collect(),
        ..Part::default()
    };
    Ok(Figure { name: figure.name, part })
}

/// What the text has of 2,000 operations, which are taken as puts here: seconds, asynchronously and synchronously.
const FIGURE_6: [f64; 2] = [100.0, 150.0];

fn waiting_for_all(lab: &Lab) -> anyhow::Result<Figure> {
    let (mut rows, mut lines) = (Vec::new(), [vec![], vec![]]);
    let mut ratio = 0.0;
    for operations in OPERATIONS {
        let mut seconds = [0.0; 2];
        for (index, quorum) in [(2, 2), (3, 3)].into_iter().enumerate() {
            let setup = clients("Final report, figure 6", 5, 1, quorum, operations);
            let outcome = lab.simulate(&setup, lab.samples(4))?;
            seconds[index] = total(&outcome.put_ms, operations);
            lines[index].push((operations as f64, seconds[index]));
        }
        ratio = seconds[1] / seconds[0];
        let published = match operations {
            2_000 => FIGURE_6.map(|seconds| format!("{seconds:.0}")),
            _ => [String::new(), String::new()],
        };
        let [two, three] = seconds.map(|seconds| format!("{seconds:.1}"));
        let [asynchronous, synchronous] = published;
        rows.push(vec![operations.to_string(), two, asynchronous, three, synchronous]);
    }
    let [two, three] = lines;
    let at_2000 = |seconds| vec![(2_000.0, seconds)];
    let chart = Chart::new("puts of one client", "total latency, s")
        .line("W=2: waits for two replicas", 0, two)
        .line("W=3: waits for all three", 1, three)
        .circles("published, asynchronous", 0, at_2000(FIGURE_6[0]))
        .circles("published, synchronous", 1, at_2000(FIGURE_6[1]));
    let part = Part {
        title: "Final report, Figure 6: asynchronous and synchronous calls".into(),
        before: vec![
            "Seconds that the puts of one client take in all; 5 servers. Published of 2,000 operations: \
             within 100 s asynchronously, 150 s when the program waited for all three replicas."
                .into(),
            ASSUMED.into(),
        ],
        sheet: Sheet {
            head: vec!["puts", "W=2 s", "published async", "W=3 s", "published sync"],
            rows,
            numbers: 0..5,
        },
        plots: vec![("Total latency of one client.".into(), chart.svg()?)],
        after: vec![format!(
            "Published: waiting for all takes 1.5 times as long. Ours: {ratio:.2} times. The core asks \
             all replicas at once whatever W is, so that W=3 waits for the slowest of two others and \
             not for one after the other; the published synchronous calls seem to have done that.",
        )],
        ..Part::default()
    };
    Ok(Figure { name: "report-6", part })
}

fn quorums(lab: &Lab) -> anyhow::Result<Figure> {
    let (mut rows, mut gets, mut puts, mut means) = (Vec::new(), vec![], vec![], vec![]);
    for (r, w) in [(1, 1), (1, 3), (2, 2), (3, 1), (3, 3)] {
        let outcome =
            lab.simulate(&clients("Final report, R and W", 5, 1, (r, w), 2_000), lab.samples(4))?;
        let [get, put] = [&outcome.get_ms, &outcome.put_ms].map(|all| total(all, 2_000));
        let place = rows.len() as f64;
        gets.push((place, get));
        puts.push((place + 0.4, put));
        let both = (get + put) / 2.0;
        means.push(both);
        let cells = [get, put, both].map(|seconds| format!("{seconds:.1}"));
        rows.push([format!("3/{r}/{w}")].into_iter().chain(cells).collect());
    }
    let chart = Chart::new("3/1/1, 3/1/3, 3/2/2, 3/3/1, 3/3/3 from left", "2,000 operations, s")
        .bars("gets", 0, 0.4, gets)
        .bars("puts", 1, 0.4, puts);
    let part = Part {
        title: "Final report: R and W".into(),
        before: vec![
            "Seconds that 2,000 gets and 2,000 puts of one client take, and their mean; 5 servers. The \
             document has no figure of it."
                .into(),
            ASSUMED.into(),
        ],
        sheet: Sheet { head: vec!["N/R/W", "gets s", "puts s", "mean"], rows, numbers: 1..4 },
        plots: vec![("By N/R/W.".into(), chart.svg()?)],
        after: vec![
            format!(
                "Published: no significant difference between settings of R and W, since reads are as many \
                 as writes and calls are asynchronous. Ours: what 3/1/3 gains with gets it loses with \
                 puts, and 3/3/1 the other way round, so that their means differ by {:.0} %; but from 3/1/1 \
                 to 3/2/2 the mean rises by {:.0} %, and from there to 3/3/3 by {:.0} %. To wait for more \
                 replicas is never faster.",
                100.0 * (means[1] / means[3] - 1.0).abs(),
                100.0 * (means[2] / means[0] - 1.0),
                100.0 * (means[4] / means[2] - 1.0),
            ),
        ],
        ..Part::default()
    };
    Ok(Figure { name: "report-quorums", part })
}
