//! What cannot follow the end of a trace: found again by a search from there, so that a trace is
//! evidence by itself.

use super::{Trace, counted};
use crate::explore::{Known, cut_off};
use crate::scenario::Property;
use crate::world::Unanswered;

impl Trace {
    /// Why the property, which speaks of continuations, is false at the end, if it is.
    pub(super) fn ahead(&self) -> Option<&str> {
        let why = || match self.property? {
            Property::Converges => self.never_agrees(),
            property => self.never_answered(property),
        };
        self.ahead.get_or_init(why).as_deref()
    }

    fn never_agrees(&self) -> Option<String> {
        let states = cut_off(&self.model, self.last())?;
        if states == 1 {
            return Some("nothing can happen any more, and the replicas are not equal".into());
        }
        let gone = if self.model.config().failures().reap { ", all deleted keys gone" } else { "" };
        Some(format!(
            "without further faults only {} can follow, and in none of them, nor here, are all \
             replicas equal, all hints at home{gone} and no message on its way",
            counted(states - 1, "state")
        ))
    }

    fn never_answered(&self, property: Property) -> Option<String> {
        let mut unanswered = self.model.unanswered(self.last(), &[property], &mut Known::default());
        let first = unanswered.pop()?;
        let key = &self.model.plan().keys()[first.key];
        let request = match property {
            Property::AvailableWrites => format!("puts {key} is told that it is stored"),
            _ => format!("gets {key} is told what there is"),
        };
        let Unanswered { down, .. } = first;
        let down: Vec<String> = down.iter().map(ToString::to_string).collect();
        let down = match down.as_slice() {
            [] => "even with every node up".to_string(),
            down => format!("with {} down", down.join(" and ")),
        };
        Some(format!("{down}, whatever else happens, no fresh client that {request}"))
    }
}
