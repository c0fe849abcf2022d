//! The shortest counterexample of a property.

use super::{Trace, model_for};
use crate::explore::{Exploration, Limits, Progress, explore};
use crate::scenario::{Expectation, Property, Scenario};
use crate::world::{Action, ModelError};

/// What a search for a counterexample ends with.
#[derive(Clone)]
pub enum Found {
    /// A shortest one.
    Trace(Box<Trace>),
    /// There is none within the scenario's bounds.
    Holds,
    /// A limit came first.
    Inconclusive,
}

/// Looks for a shortest counterexample of `property`; without one, of the first property that the
/// scenario expects to be refuted, or else of the first one that it asks and that is. The search
/// ends at the first violation, if one property is looked for.
///
/// # Errors
/// If the scenario's cluster cannot be built.
pub fn counterexample(
    scenario: &Scenario,
    property: Option<Property>,
    limits: Limits,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Found, ModelError> {
    let refuted = |&&(_, expected): &&(_, _)| expected == Some(Expectation::Refuted);
    let expected = scenario.expect.iter().find(refuted).map(|&(property, _)| property);
    let asked_for = property.is_some();
    if let Some(property) = property.or(expected) {
        let found = look(scenario, &[property], limits, report)?;
        if asked_for || !matches!(found, Found::Holds) {
            return Ok(found);
        }
    }
    let asked = scenario.expect.iter().map(|&(property, _)| property);
    let (history, main): (Vec<_>, Vec<_>) = asked.partition(|&p| p == Property::Linearizable);
    let mut verdict = Found::Holds;
    for properties in [main, history].iter().filter(|pass| !pass.is_empty()) {
        match look(scenario, properties, limits, report)? {
            Found::Holds => {}
            Found::Inconclusive => verdict = Found::Inconclusive,
            found => return Ok(found),
        }
    }
    Ok(verdict)
}

/// One exploration; all of `properties` are judged under one model.
fn look(
    scenario: &Scenario,
    properties: &[Property],
    limits: Limits,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Found, ModelError> {
    let model = model_for(scenario, properties.first().copied())?;
    let done: Exploration<Action> = explore(&model, properties, limits, report);
    let first = properties.iter().find_map(|&property| Some((property, done.trace(property)?)));
    Ok(match first {
        Some((property, actions)) => {
            Found::Trace(Box::new(Trace::new(&model, Some(property), actions)))
        }
        None if done.hit_limit() => Found::Inconclusive,
        None => Found::Holds,
    })
}
