//! From a [`Scenario`] to the text of its file.

use super::{Durability, FORMAT, Quorum, Scenario, Schedule, Switch, Tier};
use std::fmt::Write;

/// A line of the file.
struct Line {
    /// Without the comment.
    text: String,
    /// Possibly empty.
    comment: String,
    /// A key that joined the format later, with its default: no part of the fingerprint.
    implied: bool,
}

/// The file with its comments, aligned within each block.
pub(super) fn commented(scenario: &Scenario) -> String {
    join(scenario, |block, text| {
        let commented = block.iter().filter(|line| !line.comment.is_empty());
        let width = commented.map(|line| line.text.chars().count()).max();
        for line in block {
            let _ = match (width, line.comment.as_str()) {
                (None, _) | (_, "") => writeln!(text, "{}", line.text),
                (Some(width), comment) => writeln!(text, "{:width$}  # {comment}", line.text),
            };
        }
    })
}

/// The file without comments, and without what is implied.
pub(super) fn bare(scenario: &Scenario) -> String {
    join(scenario, |block, text| {
        for line in block.iter().filter(|line| !line.implied) {
            let _ = writeln!(text, "{}", line.text);
        }
    })
}

/// The blocks, each put down by `write`, with an empty line between them.
fn join(scenario: &Scenario, write: impl Fn(&[Line], &mut String)) -> String {
    let mut blocks = vec![head(scenario), reaches(scenario), cluster(scenario), policy(scenario)];
    blocks.extend(clients(scenario));
    blocks.push(membership(scenario));
    blocks.push(faults(scenario));
    blocks.push(expect(scenario));
    let mut text = String::new();
    for block in blocks.iter().filter(|block| !block.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        write(block, &mut text);
    }
    text
}

fn head(scenario: &Scenario) -> Vec<Line> {
    let schedule = match scenario.schedule {
        Schedule::Concurrent => "the scripts interleave in every way",
        Schedule::Sequential => "a client starts when the one before it has finished",
    };
    let tier = match scenario.tier {
        Tier::Default => "always checked",
        Tier::Long => "checked only with --all",
    };
    let mut lines = vec![
        plain(format!("format = {FORMAT}")),
        plain(format!("title = {}", quoted(&scenario.title))),
        line(format!("schedule = \"{}\"", scenario.schedule), schedule),
        line(format!("tier = \"{}\"", scenario.tier), tier),
        line(
            format!("f = {}", scenario.f),
            "stores that vanish under durable-f, nodes down under available-*",
        ),
    ];
    if let Some(note) = &scenario.note {
        lines.push(plain(format!("note = {}", quoted(note))));
    }
    lines
}

/// Nothing if nothing is demanded.
fn reaches(scenario: &Scenario) -> Vec<Line> {
    let demanded = scenario.reaches.iter();
    let mut lines: Vec<Line> =
        demanded.map(|reached| line(format!("  \"{reached}\","), reached.meaning())).collect();
    if !lines.is_empty() {
        lines.insert(0, plain("reaches = ["));
        lines.push(plain("]"));
    }
    lines
}

fn cluster(scenario: &Scenario) -> Vec<Line> {
    let cluster = &scenario.cluster;
    let quorum = match cluster.quorum {
        Quorum::Strict => "",
        Quorum::Sloppy => "the first N healthy nodes of the key's walk count",
    };
    let mut lines = vec![
        plain("[cluster]"),
        plain(format!("nodes = {}", cluster.nodes)),
        line(format!("n = {}", cluster.n), "replicas of a key"),
        line(format!("r = {}", cluster.r), "replicas that a get waits for"),
        line(format!("w = {}", cluster.w), "replicas that a put waits for"),
        line(format!("quorum = \"{}\"", cluster.quorum), quorum),
        plain(format!("versioning = \"{}\"", cluster.versioning.name())),
    ];
    if let Some(limit) = cluster.versioning.clock_limit() {
        lines.push(line(format!("clock-limit = {limit}"), "pairs that a clock keeps"));
    }
    lines.push(plain(format!("read-repair = \"{}\"", cluster.read_repair)));
    lines.extend(failure_handling(scenario));
    lines
}

fn failure_handling(scenario: &Scenario) -> impl Iterator<Item = Line> {
    let cluster = &scenario.cluster;
    let handoff = match cluster.handoff {
        Switch::On => "fallbacks give their hints back",
        Switch::Off => "fallbacks keep their hints",
    };
    let anti_entropy = match cluster.anti_entropy {
        Switch::On => "replicas compare Merkle trees",
        Switch::Off => "replicas do not compare Merkle trees",
    };
    let durability = match cluster.durability {
        Durability::Durable => "every write is on disk before it is answered",
        Durability::Buffered => "a crash loses what is still in the buffer",
        Durability::OneDurable => "one replica of each put has it on disk",
    };
    let reap = match cluster.reap {
        Switch::On => "tombstones that every replica holds are removed",
        Switch::Off => "tombstones stay",
    };
    let comments = [handoff, anti_entropy, durability, reap];
    cluster.failure_handling().into_iter().zip(comments).map(|((key, value, default), comment)| {
        let text = format!("{key} = \"{value}\"");
        Line { implied: value == default, ..line(text, comment) }
    })
}

/// Nothing if every decision is made as it should be.
fn policy(scenario: &Scenario) -> Vec<Line> {
    let choices = scenario.cluster.policy.unsafe_choices();
    let choices = choices.map(|(decision, choice)| plain(format!("{decision} = \"{choice}\"")));
    let mut lines: Vec<Line> = choices.collect();
    if !lines.is_empty() {
        lines.insert(0, line("[policy]", "UNSAFE, to re-create a known bug"));
    }
    lines
}

fn clients(scenario: &Scenario) -> impl Iterator<Item = Vec<Line>> {
    let puts = scenario.puts();
    let script = move |(client, steps): (usize, &Vec<super::Step>)| {
        let steps: Vec<String> = steps.iter().map(|step| format!("\"{step}\"")).collect();
        let values: Vec<String> =
            puts.iter().filter(|put| put.client == client).map(|put| put.to_string()).collect();
        let comment = match values.as_slice() {
            [] => String::new(),
            values => format!("writes {}", values.join(", ")),
        };
        let steps = format!("steps = [{}]", steps.join(", "));
        vec![plain("[[client]]"), line(steps, &comment)]
    };
    scenario.clients.iter().enumerate().map(script)
}

/// Nothing if all nodes are members, and stay so.
fn membership(scenario: &Scenario) -> Vec<Line> {
    let Some(membership) = &scenario.membership else { return Vec::new() };
    let quote = |order: &super::Order| format!("\"{order}\"");
    let orders = |orders: &Vec<_>| orders.iter().map(quote).collect::<Vec<_>>().join(", ");
    let operators: Vec<String> =
        membership.operators.iter().map(|list| format!("[{}]", orders(list))).collect();
    let gossips: Vec<String> =
        membership.gossips.iter().map(|pair| format!("\"{pair}\"")).collect();
    let mut lines = vec![
        plain("[membership]"),
        line(format!("founders = {}", membership.founders), "members at first"),
        plain(format!("operators = [{}]", operators.join(", "))),
    ];
    if !gossips.is_empty() {
        lines.push(line(format!("gossips = [{}]", gossips.join(", ")), "no others are begun"));
    }
    lines
}

fn faults(scenario: &Scenario) -> Vec<Line> {
    let faults = &scenario.faults;
    let later = |key, budget| Line { implied: budget == 0, ..plain(format!("{key} = {budget}")) };
    let total = faults.total.map(|total| line(format!("total = {total}"), "of all kinds together"));
    let each = [
        line("[faults]", "total budgets"),
        plain(format!("crashes = {}", faults.crashes)),
        plain(format!("drops = {}", faults.drops)),
        plain(format!("duplicates = {}", faults.duplicates)),
        plain(format!("timeouts = {}", faults.timeouts)),
        later("disk-losses", faults.disk_losses),
        later("partitions", faults.partitions),
    ];
    each.into_iter().chain(total).collect()
}

/// Nothing if nothing is expected: the file then asks every property.
fn expect(scenario: &Scenario) -> Vec<Line> {
    let expected = scenario.expect.iter().filter_map(|&(property, verdict)| {
        let text = format!("{property} = \"{}\"", verdict?);
        Some(line(text, property.meaning()))
    });
    let mut lines: Vec<Line> = expected.collect();
    if !lines.is_empty() {
        lines.insert(0, plain("[expect]"));
    }
    lines
}

fn plain(text: impl Into<String>) -> Line {
    line(text, "")
}

fn line(text: impl Into<String>, comment: &str) -> Line {
    Line { text: text.into(), comment: comment.into(), implied: false }
}

/// A TOML string; one of several lines is printed on several lines.
fn quoted(text: &str) -> String {
    let multiline = text.contains('\n');
    let mut quoted = String::from(if multiline { "\"\"\"\n" } else { "\"" });
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' | '\t' => quoted.push(c),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push_str(if multiline { "\"\"\"" } else { "\"" });
    quoted
}
