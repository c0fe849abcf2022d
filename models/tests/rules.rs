//! The rules that `reports/theorems.md` states, against the cells of its tables that they speak of.

use std::collections::{BTreeMap, BTreeSet};

const REPORT: &str = include_str!("../../reports/theorems.md");
const COLUMNS: [&str; 8] = ["lost", "ryw", "mono", "reg", "lin", "dur", "res", "conv"];

/// Which single faults break what, `0` where none is needed.
type Cells = BTreeMap<&'static str, BTreeSet<char>>;
type Rows = BTreeMap<String, Cells>;

/// The rows of all tables. There is no rule for what a limit cut short.
fn rows() -> Rows {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let name = cells.next().filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))?;
        let kinds = |cell: &str| match cell.trim() {
            "holds" => BTreeSet::new(),
            ways => ways.split(' ').map(|way| way.split(':').next().unwrap()).map(kind).collect(),
        };
        Some((name.trim().to_owned(), COLUMNS.into_iter().zip(cells.map(kinds)).collect()))
    };
    REPORT.lines().filter(|line| !line.contains(" <1 ")).filter_map(row).collect()
}

fn kind(name: &str) -> char {
    let known = name.parse().ok().filter(|&kind| "0cdutlp".contains(kind));
    known.unwrap_or_else(|| panic!("{name:?} is no kind of fault"))
}

fn set(kinds: &str) -> BTreeSet<char> {
    kinds.chars().collect()
}

/// What breaks without faults needs no others.
fn minimal(kinds: BTreeSet<char>) -> BTreeSet<char> {
    if kinds.contains(&'0') { set("0") } else { kinds }
}

/// A row and those it is compared with.
struct Row<'a> {
    all: &'a Rows,
    name: &'a str,
}

impl Row<'_> {
    fn digit(&self, place: usize) -> u32 {
        self.name[place..].chars().next().and_then(|digit| digit.to_digit(10)).unwrap()
    }

    fn nrw(&self) -> [u32; 3] {
        [0, 1, 2].map(|place| self.digit(place))
    }

    fn is(&self, word: &str) -> bool {
        self.name.contains(word)
    }

    fn reads_all(&self) -> bool {
        self.digit(0) == self.digit(1)
    }

    fn breaks(&self, column: &str) -> &BTreeSet<char> {
        &self.all[self.name][column]
    }

    /// The same of the row with another word in its name.
    fn of(&self, from: &str, to: &str, column: &str) -> &BTreeSet<char> {
        &self.all[&self.name.replace(from, to)][column]
    }

    fn breaks_without_faults(&self, column: &str) -> bool {
        self.breaks(column).contains(&'0')
    }
}

/// What is said, and whether it is true of a row; nothing of a row of which it does not speak.
type Rule = (&'static str, fn(&Row) -> Option<bool>);

const OF_ALL: [Rule; 7] = [
    ("without faults regular and read-your-writes hold exactly if R + W > N", |row| {
        let [n, r, w] = row.nrw();
        Some(["reg", "ryw"].iter().all(|column| row.breaks_without_faults(column) == (r + w <= n)))
    }),
    ("with any one fault they hold exactly if R + W > N and W > 1, under strict quorums", |row| {
        let [n, r, w] = row.nrw();
        let holds = |column: &&str| row.breaks(column).is_empty() == (r + w > n && w > 1);
        row.is("strict").then(|| ["reg", "ryw"].iter().all(holds))
    }),
    ("no-lost-write survives fewer than W lost disks, and no other fault matters", |row| {
        Some(*row.breaks("lost") == set(if row.nrw()[2] == 1 { "l" } else { "" }))
    }),
    ("durable-f, f = 1, holds exactly if W > 1 + disks lost", |row| {
        let by = match row.nrw()[2] {
            1 => "0",
            2 => "l",
            _ => "",
        };
        Some(*row.breaks("dur") == set(by))
    }),
    ("async repair heals monotonic reads exactly where R = N, under strict quorums", |row| {
        let (off, now) = (row.of("async", "off", "mono"), row.breaks("mono"));
        let heals = *off == set("l") && now.is_empty();
        (row.is("strict") && row.is("async"))
            .then(|| heals == row.reads_all() && (heals || off == now))
    }),
    ("no-resurrection holds", |row| Some(row.breaks("res").is_empty())),
    ("sloppy placement costs nothing without faults, and gives convergence after a drop", |row| {
        let alike = |column: &str| {
            row.breaks_without_faults(column) == row.of("sloppy", "strict", column).contains(&'0')
        };
        let all = || COLUMNS.into_iter().all(alike) && !row.breaks("conv").contains(&'d');
        row.is("sloppy").then(all)
    }),
];

/// And of four, as far as they were run.
const OF_THREE: [Rule; 7] = [
    ("without faults strict monotonic-reads hold exactly if R = N or repair is blocking", |row| {
        let promised = row.reads_all() || row.is("blocking");
        row.is("strict").then(|| row.breaks_without_faults("mono") != promised)
    }),
    ("a lost disk is all that breaks strict monotonic-reads, of 322-blocking too", |row| {
        let loses = row.name == "322-strict-blocking" || (row.reads_all() && row.is("off"));
        let is_safe = row.is("strict") && !row.breaks_without_faults("mono");
        is_safe.then(|| *row.breaks("mono") == set(if loses { "l" } else { "" }))
    }),
    ("linearizable breaks by exactly the faults that break regular or monotonic-reads", |row| {
        let both: BTreeSet<char> = row.breaks("reg") | row.breaks("mono");
        Some(*row.breaks("lin") == minimal(both))
    }),
    ("a lost disk is the only single fault that breaks safety in a strict row", |row| {
        let safe = COLUMNS.iter().filter(|column| **column != "conv");
        let mut broken = safe.flat_map(|column| row.breaks(column));
        row.is("strict").then(|| broken.all(|kind| "0l".contains(*kind)))
    }),
    (
        "a crash, a lost disk and a partition break converges, and a drop unless gets hear all",
        |row| {
            let hears_all = row.reads_all() && row.is("async");
            row.is("strict")
                .then(|| *row.breaks("conv") == set(if hears_all { "clp" } else { "clpd" }))
        },
    ),
    ("sloppy placement takes regular and read-your-writes away by these", |row| {
        let by = match &row.name[..3] {
            "311" => "0",
            "313" => "tdpc",
            "322" => "tp",
            "331" => "tdpcl",
            _ => "",
        };
        row.is("sloppy").then(|| ["reg", "ryw"].iter().all(|column| *row.breaks(column) == set(by)))
    }),
    ("sloppy placement takes monotonic-reads away by these", |row| {
        let by = match (&row.name[..3], row.is("blocking"), row.is("async")) {
            ("322", true, _) => "tpl",
            (_, true, _) => "",
            ("331" | "333", _, true) => "p",
            ("331" | "333", ..) => "tdclp",
            _ => "0",
        };
        row.is("sloppy").then(|| *row.breaks("mono") == set(by))
    }),
];

const OF_TWO: [Rule; 4] = [
    ("without faults monotonic-reads hold", |row| Some(!row.breaks_without_faults("mono"))),
    (
        "linearizable breaks by more than regular and monotonic-reads do in these rows alone",
        |row| {
            let more = match row.name {
                "212-strict-off" | "212-strict-async" => "tdcpl",
                "222-strict-async" | "222-strict-blocking" => "l",
                "222-sloppy-off" => "c",
                "222-sloppy-async" | "222-sloppy-blocking" => "cl",
                _ => "",
            };
            let both: BTreeSet<char> = row.breaks("reg") | row.breaks("mono");
            Some(*row.breaks("lin") == minimal(&both | &set(more)))
        },
    ),
    ("converges survives a lost disk exactly where R = N and repair is async", |row| {
        let survives = row.reads_all() && row.is("async");
        row.is("strict").then(|| row.breaks("conv").contains(&'l') != survives)
    }),
    ("sloppy placement takes regular away by these", |row| {
        let by = match &row.name[..3] {
            "211" => "0",
            "212" => "tdpc",
            "221" => "tdpcl",
            _ => "p",
        };
        row.is("sloppy").then(|| *row.breaks("reg") == set(by))
    }),
];

/// The rules that a row is an instance of.
fn rules(name: &str) -> impl Iterator<Item = &'static Rule> {
    let own: &'static [Rule] = if name.starts_with('2') { &OF_TWO } else { &OF_THREE };
    OF_ALL.iter().chain(own)
}

/// Which rules speak of which rows, and whether they are true of them.
fn judged(all: &Rows) -> impl Iterator<Item = (&'static str, &str, bool)> {
    all.keys().flat_map(move |name| {
        let said = move |rule: &Rule| Some((rule.0, name.as_str(), rule.1(&Row { all, name })?));
        rules(name).filter_map(said)
    })
}

#[test]
fn no_cell_contradicts_a_rule() {
    let all = rows();
    assert_eq!(all.len(), 30 + 24 + 8, "three, two and four replicas");
    let wrong: Vec<_> = judged(&all).filter(|(.., is_true)| !is_true).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn another_cell_would_contradict_a_rule() {
    let all = rows();
    let mut caught: BTreeSet<&str> = BTreeSet::new();
    let (mut changed, mut noticed) = (0, 0);
    for name in all.keys() {
        for (column, kind) in
            COLUMNS.iter().flat_map(|column| "0cdutlp".chars().map(move |k| (column, k)))
        {
            let mut other = all.clone();
            let cell = other.get_mut(name).unwrap().get_mut(column).unwrap();
            if !cell.remove(&kind) {
                cell.insert(kind);
            }
            let wrong: Vec<&str> =
                judged(&other).filter(|(.., is_true)| !is_true).map(|(rule, ..)| rule).collect();
            changed += 1;
            noticed += usize::from(!wrong.is_empty());
            caught.extend(wrong);
        }
    }
    println!("{noticed} of {changed} changes are noticed");
    for (rule, _) in OF_ALL.iter().chain(&OF_THREE).chain(&OF_TWO) {
        assert!(caught.contains(rule), "nothing contradicts: {rule}");
    }
    assert!(noticed * 4 > changed * 3, "{noticed} of {changed}");
}
