//! Exhibits of the museum: a known bug each, as a scenario in which the safe protocol keeps a promise
//! and the `[unsafe]` one breaks it.

use super::{
    Expectation, Problem, Property, Scenario, ScenarioError, names,
    parse::{self, CLUSTER_KEYS, ROOT_KEYS, SCHEMA},
    table::Table,
};
use dynamo_protocol::policy::Policy;
use std::path::Path;

/// What a file of the museum has besides those of a scenario, but for its expectations.
pub(super) const KEYS: &[&str] = &["exhibit", "unsafe"];
/// What `[exhibit]` says of a bug that a world shows, and of one that all small cases show.
pub(super) const WORLD_KEYS: &[&str] = &["bug", "source", "property", "within"];
pub(super) const CASES_KEYS: &[&str] = &["bug", "source", "enumeration"];

/// The longest counterexample that an exhibit may ask for.
const MAX_WITHIN: u8 = 60;

/// A known bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// Its id in the catalogue, such as `D1`.
    pub bug: String,
    /// Where it was seen: an issue, an article, a section of the paper.
    pub source: String,
    /// The promise that it breaks.
    pub property: Property,
    /// Within how many client operations, faults and background exchanges together.
    pub within: usize,
    /// What re-creates it: a setting of the cluster or a decision, and its value.
    pub changes: Vec<(String, String)>,
    /// The world in which the promise is kept.
    pub safe: Scenario,
    /// The same world, with the changes.
    pub broken: Scenario,
}

/// A known bug of a rule, which all small cases show instead of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enumerated {
    /// Its id in the catalogue, such as `E12`.
    pub bug: String,
    /// One line.
    pub title: String,
    /// Where it was seen.
    pub source: String,
    /// Which cases, by the name in [`crate::museum::ENUMERATIONS`].
    pub enumeration: String,
}

/// What the files of a folder show, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Museum {
    /// The bugs that worlds show.
    pub worlds: Vec<Exhibit>,
    /// The bugs that all small cases show.
    pub cases: Vec<Enumerated>,
}

impl Museum {
    /// Reads all exhibits of a folder.
    ///
    /// # Errors
    /// The folder cannot be listed, or what [`Scenario::load`] and [`Self::add`] say of the first
    /// file that cannot be read.
    pub fn load(folder: impl AsRef<Path>) -> Result<Museum, ScenarioError> {
        let mut museum = Museum::default();
        for path in super::files(folder.as_ref())? {
            let (text, file) = super::read(&path)?;
            museum.add(&text, &file)?;
        }
        Ok(museum)
    }

    /// Reads one more exhibit from its text; `file` is what errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn add(&mut self, text: &str, file: &str) -> Result<(), ScenarioError> {
        parse::document(text, file, |root| {
            let value = root.required("exhibit", "[exhibit]")?;
            let about = Table::of(root.source, "[exhibit]", value)?;
            match about.get("enumeration") {
                None => self.worlds.push(exhibit(root, &about)?),
                Some(_) => self.cases.push(enumerated(root, &about)?),
            }
            Ok(())
        })
    }

    /// The ids of all bugs that are shown.
    pub fn bugs(&self) -> impl Iterator<Item = &str> {
        let worlds = self.worlds.iter().map(|exhibit| exhibit.bug.as_str());
        worlds.chain(self.cases.iter().map(|exhibit| exhibit.bug.as_str()))
    }
}

fn exhibit(root: &Table<'_>, about: &Table<'_>) -> Result<Exhibit, ScenarioError> {
    let keys = ROOT_KEYS.iter().chain(KEYS).copied().filter(|key| *key != "expect");
    root.only(&keys.collect::<Vec<_>>(), SCHEMA)?;
    about.only(WORLD_KEYS, SCHEMA)?;
    let value = root.required("unsafe", "[unsafe]")?;
    let above = Table::of(root.source, "[unsafe]", value)?;
    let property: Property = about
        .required_string("property", "property = \"no-lost-write\"")?
        .parse()
        .map_err(|problem| about.problem_with("property", problem))?;
    about.required("within", "within = 4")?;
    let expecting = |mut scenario: Scenario, expectation| {
        scenario.expect = vec![(property, Some(expectation))];
        scenario
    };
    Ok(Exhibit {
        bug: about.required_string("bug", "bug = \"D1\"")?.into(),
        source: about.required_string("source", "source = \"where it was seen\"")?.into(),
        property,
        within: about.bounded("within", 1, MAX_WITHIN)?.unwrap_or_default().into(),
        changes: changes(&above)?,
        safe: expecting(parse::of_root(root, None)?, Expectation::Holds),
        broken: expecting(parse::of_root(root, Some(&above))?, Expectation::Refuted),
    })
}

fn enumerated(root: &Table<'_>, about: &Table<'_>) -> Result<Enumerated, ScenarioError> {
    root.only(&["format", "title", "note", "exhibit"], SCHEMA)?;
    about.only(CASES_KEYS, SCHEMA)?;
    parse::check_format(root)?;
    Ok(Enumerated {
        bug: about.required_string("bug", "bug = \"D1\"")?.into(),
        title: parse::title(root)?,
        source: about.required_string("source", "source = \"where it was seen\"")?.into(),
        enumeration: about.required_string("enumeration", "enumeration = \"claim-tail\"")?.into(),
    })
}

/// What `[unsafe]` changes, in the order in which it is written.
fn changes(above: &Table<'_>) -> Result<Vec<(String, String)>, ScenarioError> {
    let decisions = Policy::DECISIONS.iter().map(|(decision, _)| *decision);
    let known: Vec<&str> = CLUSTER_KEYS.iter().copied().chain(decisions).collect();
    let mut changes = Vec::new();
    for (key, offset, value) in above.entries() {
        if !known.contains(&key) {
            let problem = names::unknown("setting or decision", key, &known, &[]);
            return Err(above.source.problem_at(offset, problem));
        }
        let value = value.get_ref();
        let number = || value.as_integer().map(|number| number.as_str());
        changes.push((key.into(), value.as_str().or_else(number).unwrap_or_default().into()));
    }
    if changes.is_empty() {
        let help = "name the decision that re-creates the bug";
        return Err(above.problem(Problem::new("[unsafe] is empty", help)));
    }
    Ok(changes)
}
