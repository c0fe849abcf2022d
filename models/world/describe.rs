//! States as text for people: what is false, then who holds what.

use super::plan::Puts;
use super::state::{Client, Host, Process, Spent, State, Violated};
use super::{ClusterModel, Disk};
use crate::scenario::Property;
use dynamo_protocol::node::Node;
use dynamo_protocol::store::{Record, RecordKey, Store};
use std::fmt;

impl ClusterModel {
    /// A state as text: each property asked and whether it is true *at this state*, then nodes,
    /// messages, clients, faults spent and acknowledged puts.
    pub fn describe(&self, state: &State) -> String {
        let truth = |property: Property| match state.violated.has(property) {
            true => format!("{property}: FALSE\n"),
            false if property.is_about_continuations() => {
                format!("{property}: speaks of what can follow, ask `dynamo check`\n")
            }
            false => format!("{property}: holds\n"),
        };
        let truths: String = self.asked().map(truth).collect();
        format!("{truths}{}", Summary(state))
    }
}

/// The properties that are false here, then the summary of [`ClusterModel::describe`]. Which of
/// the others were asked a state does not know.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &property in Property::ALL.iter().filter(|property| self.violated.has(**property)) {
            writeln!(f, "{property}: FALSE")?;
        }
        if self.violated == Violated::default() {
            writeln!(f, "nothing that a state can tell is false here")?;
        }
        write!(f, "{}", Summary(self))
    }
}

struct Summary<'a>(&'a State);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0;
        writeln!(f, "\nnodes")?;
        for (index, host) in state.nodes.iter().enumerate() {
            writeln!(f, "  n{index} {}", HostText(host))?;
        }
        if state.far_side != 0 {
            let far = (0..state.nodes.len()).filter(|node| state.far_side >> node & 1 == 1);
            let far: Vec<String> = far.map(|node| format!("n{node}")).collect();
            writeln!(f, "cut off from the others: {}", far.join(" "))?;
        }
        writeln!(f, "messages in flight: {}", state.network.len())?;
        for envelope in &state.network {
            let orphan = if envelope.orphan { " (its sender has crashed since)" } else { "" };
            let dying = if envelope.dying != 0 { " (a reaper waits for its end)" } else { "" };
            writeln!(f, "  {}{orphan}{dying}", **envelope)?;
        }
        let (reader, scripted) = state.run.clients.split_last().unzip();
        writeln!(f, "clients")?;
        for (index, client) in scripted.into_iter().flatten().enumerate() {
            writeln!(f, "  c{index}: {}", **client)?;
        }
        if let Some(reader) = reader.filter(|reader| ***reader != Client::default()) {
            writeln!(f, "  final reader: {}", **reader)?;
        }
        writeln!(f, "faults spent: {}", state.spent)?;
        write!(f, "acknowledged: {}", state.run.ghost.acknowledged)
    }
}

struct HostText<'a>(&'a Host);

impl fmt::Display for HostText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.process {
            Process::Up(node) => write_node(f, node)?,
            Process::Down(disk) => {
                f.write_str("DOWN, on disk:")?;
                write_disk(f, disk)?;
            }
        }
        write_list(f, "timers", self.0.timers.iter())
    }
}

/// A node on one line: what it holds, what it has not finished, whom it suspects.
pub(crate) fn write_node(f: &mut fmt::Formatter<'_>, node: &Node<Disk>) -> fmt::Result {
    f.write_str("holds")?;
    write_disk(f, node.store())?;
    write_list(f, "pending", node.pending())?;
    write_list(f, "suspects", node.suspects())
}

fn write_disk(f: &mut fmt::Formatter<'_>, disk: &Disk) -> fmt::Result {
    let mut empty = true;
    for (name, record) in disk.records() {
        let Record::Object(object) = record else { continue };
        f.write_str(if empty { " " } else { ", " })?;
        empty = false;
        match name {
            RecordKey::Hint { home, key } => write!(f, "for {home}: {key}={object}")?,
            RecordKey::Object(key) => write!(f, "{key}={object}")?,
            _ => {}
        }
    }
    if empty {
        f.write_str(" nothing")?;
    }
    if disk.get(&RecordKey::Unsynchronised).is_some() {
        f.write_str(" (unsynchronised)")?;
    }
    if disk.has_buffered() {
        f.write_str(" (partly buffered)")?;
    }
    Ok(())
}

fn write_list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    items: impl Iterator<Item = T>,
) -> fmt::Result {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { Ok(()) } else { write!(f, "; {name}: {}", items.join(", ")) }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered", self.done)?;
        match &self.waiting {
            Some(waiting) => write!(f, ", waits for {}", waiting.node),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spent = self.kinds().into_iter().filter(|(_, times)| *times > 0);
        let spent: Vec<String> = spent.map(|(kind, times)| format!("{kind} x{times}")).collect();
        f.write_str(if spent.is_empty() { "none" } else { "" })?;
        f.write_str(&spent.join(", "))
    }
}

impl fmt::Display for Puts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|put| format!("v{}", put + 1)).collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join(" "))
    }
}
