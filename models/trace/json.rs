//! The trace file: what the checker writes and every venue replays.

use super::Trace;
use crate::scenario::Scenario;
use crate::world::{Action, Envelope};
use dynamo_protocol::membership::Phase;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The trace format that this crate writes and reads.
pub const FORMAT: u8 = 1;

/// The version of the code that ran: all of the workspace has one.
pub const CORE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A trace as a file. Nothing in it is an index into anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceFile {
    /// [`FORMAT`].
    pub format: u8,
    /// What ran.
    pub scenario: ScenarioCopy,
    /// The version of the core that ran it.
    pub core_version: String,
    /// The property that is false at the end, if the trace was kept for one.
    pub property: Option<String>,
    /// The steps.
    pub steps: Vec<StepRecord>,
}

/// The scenario of a trace, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioCopy {
    /// Its title.
    pub title: String,
    /// [`Scenario::content_hash`].
    pub content_hash: String,
    /// [`Scenario::to_toml`].
    pub toml: String,
}

/// One step of a trace file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRecord {
    /// What happened, for machines.
    pub action: ActionName,
    /// What happened, for people.
    pub text: String,
    /// The digest of each node after it, in hexadecimal.
    pub digests: BTreeMap<String, String>,
}

/// The stable name of an action: no other that is possible in the same state has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs)] // as in `Action`
pub enum ActionName {
    Call { client: String, node: String, request: String },
    FinalRead { node: String, key: String },
    Deliver(MessageName),
    Lose(MessageName),
    Drop(MessageName),
    Duplicate(MessageName),
    Fire { node: String, timer: String, premature: bool },
    Crash { node: String },
    Recover { node: String },
    LoseDisk { node: String },
    Flush { node: String },
    Partition { far_side: Vec<String> },
    Heal,
    GiveUp { client: String, node: String },
    Order { operator: usize, node: String, order: String },
}

/// The stable name of a message in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageName {
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// What it says, for people.
    pub message: String,
    /// All that it says: its canonical encoding (postcard) in hexadecimal.
    pub content: String,
    /// Which layouts its sender acts on, likewise; left out as long as these are the founding ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// Whether the sender has crashed since.
    pub orphan: bool,
    /// The reapers that have begun to wait since, as a set of bits; left out if there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dying: u8,
}

fn is_zero(set: &u8) -> bool {
    *set == 0
}

impl TraceFile {
    /// The file of a trace.
    pub fn of(trace: &Trace) -> TraceFile {
        let scenario = trace.model.scenario();
        let record = |step: &super::Step| StepRecord {
            action: ActionName::of(&step.action),
            text: step.text.clone(),
            digests: (0..)
                .zip(&step.digests)
                .map(|(node, digest)| (node_name(node), hex(digest)))
                .collect(),
        };
        TraceFile {
            format: FORMAT,
            scenario: ScenarioCopy::of(scenario),
            core_version: CORE_VERSION.into(),
            property: trace.property.map(|property| property.to_string()),
            steps: trace.steps.iter().map(record).collect(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it is not the JSON of a trace.
    pub fn from_json(text: &str) -> Result<TraceFile, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and numbers only");
        text.push('\n');
        text
    }
}

impl ScenarioCopy {
    fn of(scenario: &Scenario) -> ScenarioCopy {
        ScenarioCopy {
            title: scenario.title.clone(),
            content_hash: scenario.content_hash(),
            toml: scenario.to_toml(),
        }
    }
}

impl ActionName {
    /// The name of an action.
    pub fn of(action: &Action) -> ActionName {
        match action {
            Action::Call { client, node, what } => ActionName::Call {
                client: client_name(*client),
                node: node.to_string(),
                request: what.clone(),
            },
            Action::FinalRead { key, node } => {
                ActionName::FinalRead { node: node.to_string(), key: key.to_string() }
            }
            Action::Deliver(envelope) => ActionName::Deliver(MessageName::of(envelope)),
            Action::Lose(envelope) => ActionName::Lose(MessageName::of(envelope)),
            Action::Drop(envelope) => ActionName::Drop(MessageName::of(envelope)),
            Action::Duplicate(envelope) => ActionName::Duplicate(MessageName::of(envelope)),
            Action::Fire { node, timer, premature } => ActionName::Fire {
                node: node.to_string(),
                timer: timer.to_string(),
                premature: *premature,
            },
            Action::Crash(node) => ActionName::Crash { node: node.to_string() },
            Action::Recover(node) => ActionName::Recover { node: node.to_string() },
            Action::LoseDisk(node) => ActionName::LoseDisk { node: node.to_string() },
            Action::Flush(node) => ActionName::Flush { node: node.to_string() },
            Action::Partition(far) => ActionName::Partition {
                far_side: (0..8).filter(|node| far >> node & 1 == 1).map(node_name).collect(),
            },
            Action::Heal => ActionName::Heal,
            Action::Order { operator, node, what } => ActionName::Order {
                operator: *operator,
                node: node.to_string(),
                order: what.clone(),
            },
            Action::GiveUp { client, node } => {
                ActionName::GiveUp { client: client_name(*client), node: node.to_string() }
            }
        }
    }
}

impl MessageName {
    fn of(envelope: &Envelope) -> MessageName {
        let content = postcard::to_allocvec(&envelope.message).expect("encoding to memory");
        let view = envelope.view;
        let is_founding = view.version == 0 && view.phase == Phase::Settled;
        let view = postcard::to_allocvec(&view).expect("encoding to memory");
        MessageName {
            from: envelope.from.to_string(),
            to: envelope.to.to_string(),
            message: envelope.message.to_string(),
            content: hex(&content),
            view: (!is_founding).then(|| hex(&view)),
            orphan: envelope.orphan,
            dying: envelope.dying,
        }
    }
}

pub(super) fn node_name(node: usize) -> String {
    format!("n{node}")
}

fn client_name(client: usize) -> String {
    format!("c{client}")
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
