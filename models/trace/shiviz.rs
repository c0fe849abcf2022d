//! A log for ShiViz (<https://bestchai.bitbucket.io/shiviz/>): events with vector clocks.
//!
//! Two lines an event, for the default expression `(?<event>.*)\n(?<host>\S*) (?<clock>{.*})`.
//! A message that is dropped is an event of a host named `network`.

use super::{Event, Step, Trace};
use crate::world::Action;
use dynamo_protocol::ids::NodeId;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A vector clock: how many events of each process lie before.
type Clock = BTreeMap<String, u64>;

/// The trace as a ShiViz log.
pub fn shiviz(trace: &Trace) -> String {
    let mut log = Log { text: String::new(), clocks: BTreeMap::new(), sent: Vec::new() };
    for step in &trace.steps {
        log.step(trace, step);
    }
    log.text
}

struct Log {
    text: String,
    /// Where each process stands.
    clocks: BTreeMap<String, Clock>,
    /// The clock that each message carries, in order of sending.
    sent: Vec<Clock>,
}

impl Log {
    fn step(&mut self, trace: &Trace, step: &Step) {
        let carried = step.flight.map(|flight| self.sent[flight].clone());
        let host = match &step.action {
            Action::Call { node, .. } | Action::FinalRead { node, .. } => {
                let client = step.call(trace).map_or(String::new(), |(c, _)| trace.client_name(c));
                let clock = self.event(&client, &step.text, None);
                self.node(*node, step, Some(&clock))
            }
            Action::Deliver(envelope) | Action::Duplicate(envelope) => {
                self.node(envelope.to, step, carried.as_ref())
            }
            Action::Drop(_) | Action::Lose(_) => {
                self.event("network", &step.text, carried.as_ref())
            }
            Action::Fire { node, .. }
            | Action::Order { node, .. }
            | Action::Crash(node)
            | Action::Recover(node)
            | Action::LoseDisk(node)
            | Action::Flush(node) => self.node(*node, step, None),
            Action::Partition(_) | Action::Heal => self.event("network", &step.text, None),
            Action::GiveUp { client, .. } => {
                self.event(&trace.client_name(*client), &step.text, None)
            }
        };
        for event in &step.events {
            match event {
                Event::Sends { .. } => self.sent.push(host.clone()),
                Event::Answers { client, .. } => {
                    self.event(&format!("c{client}"), &event.to_string(), Some(&host));
                }
                _ => {}
            }
        }
    }

    /// What a node does in a step.
    fn node(&mut self, node: NodeId, step: &Step, carried: Option<&Clock>) -> Clock {
        let answers = |event: &&Event| !matches!(event, Event::Answers { .. });
        let mut text = step.text.clone();
        for event in step.events.iter().filter(answers) {
            let _ = write!(text, "; {event}");
        }
        self.event(&node.to_string(), &text, carried)
    }

    /// Writes an event down; the clock after it.
    fn event(&mut self, host: &str, text: &str, carried: Option<&Clock>) -> Clock {
        let clock = self.clocks.entry(host.to_string()).or_default();
        for (process, &events) in carried.into_iter().flatten() {
            let known = clock.entry(process.clone()).or_default();
            *known = events.max(*known);
        }
        *clock.entry(host.to_string()).or_default() += 1;
        let json = serde_json::json!(clock);
        let _ = writeln!(self.text, "{text}\n{host} {json}");
        clock.clone()
    }
}
