//! A trace as a Mermaid sequence diagram.

use super::{Event, Step, Trace};
use crate::world::{Action, Envelope};
use dynamo_protocol::ids::NodeId;
use std::fmt::Write;

/// The trace as Mermaid's `sequenceDiagram`. A message is drawn where it arrives, and says in which
/// step it was sent.
pub fn mermaid(trace: &Trace) -> String {
    let mut text = String::from("sequenceDiagram\n");
    let mut names: Vec<String> = trace.clients().iter().map(|&c| trace.client_name(c)).collect();
    names.extend((0..trace.nodes()).map(|node| format!("n{node}")));
    let _ = writeln!(text, "    title {}", escaped(&trace.model.scenario().title));
    for name in &names {
        let _ = writeln!(text, "    participant {name}");
    }
    for (number, step) in (1..).zip(&trace.steps) {
        arrive(trace, number, step, &mut text);
        consequences(step, &mut text);
    }
    let all = format!("{},{}", names[0], names[names.len() - 1]);
    let ending = std::iter::once(super::text::ending(trace)).chain(trace.why());
    let ending: Vec<String> = ending.map(|line| escaped(&line)).collect();
    let _ = writeln!(text, "    Note over {all}: {}", ending.join("<br/>"));
    text
}

/// What happens: an arrow or a note.
fn arrive(trace: &Trace, number: usize, step: &Step, text: &mut String) {
    let flight = step.flight.map(|flight| &trace.flights[flight]);
    let mut arrow = |envelope: &Envelope, arrow: &str, what: &str| {
        let sent = flight.map_or(String::new(), |flight| format!(", sent in {}", flight.sent + 1));
        let message = escaped(&envelope.message.to_string());
        let (from, to) = (envelope.from, envelope.to);
        let _ = writeln!(text, "    {from}{arrow}{to}: {number} {what}{message}{sent}");
    };
    match &step.action {
        Action::Deliver(envelope) => arrow(envelope, "->>", ""),
        Action::Duplicate(envelope) => arrow(envelope, "->>", "FAULT duplicate "),
        Action::Drop(envelope) => arrow(envelope, "-x", "FAULT drop "),
        Action::Lose(envelope) => arrow(envelope, "-x", "lost "),
        Action::Call { .. } | Action::FinalRead { .. } => {
            if let (Some((client, node)), Some(what)) = (step.call(trace), step.request()) {
                let client = trace.client_name(client);
                let _ = writeln!(text, "    {client}->>{node}: {number} {}", escaped(&what));
            }
        }
        Action::Partition(_) | Action::Heal => {
            let last = NodeId(trace.nodes().saturating_sub(1) as u64);
            let what = escaped(&step.text);
            let _ = writeln!(text, "    Note over {},{last}: {number} {what}", NodeId(0));
        }
        Action::Fire { node, .. }
        | Action::Order { node, .. }
        | Action::Crash(node)
        | Action::Recover(node)
        | Action::LoseDisk(node)
        | Action::Flush(node) => {
            let _ = writeln!(text, "    Note over {node}: {number} {}", escaped(&step.text));
        }
        Action::GiveUp { client, .. } => {
            let client = trace.client_name(*client);
            let _ = writeln!(text, "    Note over {client}: {number} {}", escaped(&step.text));
        }
    }
}

/// What the nodes hold from now on, and what clients are told.
fn consequences(step: &Step, text: &mut String) {
    for event in &step.events {
        match event {
            Event::Holds { node, key, object } => {
                let copy = escaped(&format!("{key} = {object}"));
                let _ = writeln!(text, "    Note over {node}: {copy}");
            }
            Event::Suspects { node, peer } => {
                let _ = writeln!(text, "    Note over {node}: suspects {peer}");
            }
            Event::Answers { node, client, answer } => {
                let answer = escaped(&answer.to_string());
                let _ = writeln!(text, "    {node}-->>c{client}: {answer}");
            }
            _ => {}
        }
    }
}

/// Text in which nothing has a meaning for Mermaid.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' | ';' | '<' | '>' | '%' => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}
