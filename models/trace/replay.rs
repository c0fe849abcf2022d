//! A trace file run again, step by step, on the core: every digest must be equal.

use super::json::{ActionName, FORMAT, StepRecord, hex, node_name};
use super::{Trace, TraceFile, model_for};
use crate::scenario::{Property, Scenario};
use crate::world::ModelError;

/// Where a replay and its file part ways. Steps count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The file is of another format.
    #[error("the trace has format {0}, but this version reads {FORMAT}")]
    Format(u8),
    /// The scenario in the file cannot be read.
    #[error("the trace's scenario is broken: {0}")]
    Scenario(String),
    /// The scenario in the file is not the one that was checked.
    #[error("the trace's scenario has the content hash {found}, but the trace was made of {named}")]
    ScenarioHash {
        /// What the file says.
        named: String,
        /// What its scenario has.
        found: String,
    },
    /// The scenario's cluster cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The file names a property that does not exist.
    #[error("{0}")]
    Property(String),
    /// No such action is possible.
    #[error("step {step}: `{text}` cannot happen there")]
    Action {
        /// The step.
        step: usize,
        /// The action's text.
        text: String,
    },
    /// The text beside an action is not the action's.
    #[error("step {step}: the text is `{named}`, but the action is `{found}`")]
    Text {
        /// The step.
        step: usize,
        /// What the file says.
        named: String,
        /// The action's own text.
        found: String,
    },
    /// The file does not speak of exactly the cluster's nodes.
    #[error("step {step}: the digests are not those of {nodes} nodes")]
    Nodes {
        /// The step.
        step: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A node is not what the file says.
    #[error("step {step}: {node} has the digest {found}, but the trace says {named}")]
    Digest {
        /// The step.
        step: usize,
        /// The node.
        node: String,
        /// What the file says.
        named: String,
        /// What the node has.
        found: String,
    },
    /// All steps agree, but the property is not false at the end.
    #[error("after the last step {0} is not false, though the trace was kept for it")]
    NotRefuted(Property),
}

/// Runs the steps of a file on the core and compares the digest of every node after each. What the
/// model says comes back as a trace.
///
/// # Errors
/// The first thing in which the file and the core differ.
pub fn replay_on_core(file: &TraceFile) -> Result<Trace, Mismatch> {
    if file.format != FORMAT {
        return Err(Mismatch::Format(file.format));
    }
    let scenario = Scenario::parse(&file.scenario.toml, "the trace's scenario")
        .map_err(|error| Mismatch::Scenario(error.to_string()))?;
    let (named, found) = (&file.scenario.content_hash, scenario.content_hash());
    if *named != found {
        return Err(Mismatch::ScenarioHash { named: named.clone(), found });
    }
    let parse = |name: &String| name.parse::<Property>();
    let property = file.property.as_ref().map(parse).transpose();
    let property = property.map_err(|problem| Mismatch::Property(problem.to_string()))?;
    let model = model_for(&scenario, property)?;
    let mut trace = Trace::new(&model, property, &[]);
    for (step, record) in (1..).zip(&file.steps) {
        replay_step(&mut trace, step, record)?;
    }
    match property {
        Some(property) if !trace.refutes() => Err(Mismatch::NotRefuted(property)),
        _ => Ok(trace),
    }
}

fn replay_step(trace: &mut Trace, step: usize, record: &StepRecord) -> Result<(), Mismatch> {
    let actions = trace.model.actions(trace.last());
    let named = actions.into_iter().find(|action| ActionName::of(action) == record.action);
    let Some(action) = named else {
        return Err(Mismatch::Action { step, text: record.text.clone() });
    };
    let (named, found) = (record.text.clone(), action.to_string());
    if named != found {
        return Err(Mismatch::Text { step, named, found });
    }
    trace.push(action);
    let nodes = trace.nodes();
    if record.digests.len() != nodes {
        return Err(Mismatch::Nodes { step, nodes });
    }
    for (place, digest) in trace.steps[step - 1].digests.iter().enumerate() {
        let node = node_name(place);
        let Some(named) = record.digests.get(&node) else {
            return Err(Mismatch::Nodes { step, nodes });
        };
        let found = hex(digest);
        if *named != found {
            return Err(Mismatch::Digest { step, node, named: named.clone(), found });
        }
    }
    Ok(())
}
