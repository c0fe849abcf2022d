//! One counterexample: as a diagram, and step by step with what each step changed.

use dynamo_models::trace::{Trace, svg};
use maud::{Markup, PreEscaped, html};

/// A counterexample on the page.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its anchor.
    pub id: String,
    /// One line.
    pub title: String,
    /// What to read with it, a line each: the source of a bug, the bounds of a world.
    pub about: Vec<String>,
    /// The command that shows it.
    pub command: String,
    /// What the world is.
    world: Vec<String>,
    diagram: String,
    /// Each step, and what it did.
    steps: Vec<(String, Vec<String>)>,
    /// The step after which the violation cannot be avoided any more, from 1.
    no_return: Option<usize>,
    ending: Vec<String>,
}

impl Figure {
    /// Of a trace.
    pub fn new(
        id: String,
        title: String,
        about: Vec<String>,
        command: String,
        trace: &Trace,
    ) -> Figure {
        let events = |step: &dynamo_models::trace::Step| {
            step.events.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let property = trace.property.map(|p| format!("{p}: {}", p.meaning()));
        let no_return = trace.point_of_no_return();
        Figure {
            id,
            title,
            about,
            command,
            world: property.into_iter().chain([trace.length().to_string()]).collect(),
            diagram: svg::inline(trace, no_return),
            steps: trace.steps.iter().map(|step| (step.text.clone(), events(step))).collect(),
            no_return,
            ending: trace.summary(),
        }
    }

    /// Which step is the point of no return, as a sentence.
    fn point(&self) -> String {
        match self.no_return {
            Some(0) => "No run to the end without faults keeps the property.".into(),
            Some(step) if step == self.steps.len() => {
                "It can be avoided up to the last step.".into()
            }
            Some(step) => {
                format!(
                    "Point of no return: after step {step} every run to the end without further faults violates it."
                )
            }
            None => "Where the point of no return lies was not found within the limit.".into(),
        }
    }

    pub(super) fn html(&self) -> Markup {
        html! {
            details id=(self.id) {
                summary { (self.title) }
                @for line in &self.about { p { (line) } }
                @for line in &self.world { p.world { (line) } }
                p { "Repeat it: " code { (self.command) } }
                div.picture { (PreEscaped(&self.diagram)) }
                p.point { (self.point()) }
                ol {
                    @for (number, (step, events)) in (1..).zip(&self.steps) {
                        li class=[(self.no_return == Some(number)).then_some("no-return")] {
                            (step)
                            @if !events.is_empty() {
                                ul { @for event in events { li { (event) } } }
                            }
                        }
                    }
                }
                pre { @for line in &self.ending { (line) "\n" } }
            }
        }
    }
}
