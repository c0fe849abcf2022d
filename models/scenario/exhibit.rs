//! Exhibits of the museum: a known bug each, as a scenario in which the safe protocol keeps a promise
//! and the `[unsafe]` one breaks it.

use super::{
    Expectation, Problem, Property, Scenario, ScenarioError, names,
    parse::{self, CLUSTER_KEYS, ROOT_KEYS, SCHEMA},
    table::{Source, Table},
};
use dynamo_protocol::policy::Policy;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// What a file of the museum has besides those of a scenario, but for its expectations.
pub(super) const KEYS: &[&str] = &["exhibit", "unsafe"];
pub(super) const EXHIBIT_KEYS: &[&str] = &["bug", "source", "property", "within"];

const ENUMERATED_KEYS: &[&str] = &["bug", "source", "enumeration"];

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

impl Exhibit {
    /// Reads an exhibit from a file.
    ///
    /// # Errors
    /// As for [`Scenario::load`] and [`Self::parse`].
    pub fn load(path: impl AsRef<Path>) -> Result<Exhibit, ScenarioError> {
        let (text, file) = super::read(path.as_ref())?;
        Self::parse(&text, &file)
    }

    /// Reads all exhibits of a folder, in the order of their files' names.
    ///
    /// # Errors
    /// The folder cannot be listed, or the first file that cannot be read.
    pub fn load_all(folder: impl AsRef<Path>) -> Result<Vec<Exhibit>, ScenarioError> {
        let mut files = files(folder)?;
        files.retain(|(text, _)| !is_enumerated(text));
        files.iter().map(|(text, file)| Exhibit::parse(text, file)).collect()
    }

    /// Reads an exhibit from its text; `file` is what errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(text: &str, file: &str) -> Result<Exhibit, ScenarioError> {
        parse::check_size(text.len(), file)?;
        let source = Source { file, text };
        let document = DeTable::parse(text).map_err(|error| source.not_toml(&error))?;
        let root = Table::root(source, document.get_ref());
        let own: Vec<&str> =
            ROOT_KEYS.iter().chain(KEYS).copied().filter(|key| *key != "expect").collect();
        root.only(&own, SCHEMA)?;
        let value = root.required("exhibit", "[exhibit]")?;
        let about = Table::of(source, "[exhibit]", value)?;
        about.only(EXHIBIT_KEYS, SCHEMA)?;
        let value = root.required("unsafe", "[unsafe]")?;
        let above = Table::of(source, "[unsafe]", value)?;
        let text_of = |key: &str, example: &str| {
            about.required(key, example)?;
            Ok(about.string(key)?.unwrap_or_default().to_string())
        };
        about.required("within", "within = 4")?;
        let property: Property = text_of("property", "property = \"no-lost-write\"")?
            .parse()
            .map_err(|problem| about.problem_with("property", problem))?;
        let expecting = |mut scenario: Scenario, expectation| {
            scenario.expect = vec![(property, Some(expectation))];
            scenario
        };
        Ok(Exhibit {
            bug: text_of("bug", "bug = \"D1\"")?,
            source: text_of("source", "source = \"where it was seen\"")?,
            property,
            within: about.bounded("within", 1, MAX_WITHIN)?.unwrap_or_default().into(),
            changes: changes(&above)?,
            safe: expecting(parse::of_root(&root, None)?, Expectation::Holds),
            broken: expecting(parse::of_root(&root, Some(&above))?, Expectation::Refuted),
        })
    }
}

impl Enumerated {
    /// Reads all such bugs of a folder, in the order of their files' names.
    ///
    /// # Errors
    /// As for [`Exhibit::load_all`].
    pub fn load_all(folder: impl AsRef<Path>) -> Result<Vec<Enumerated>, ScenarioError> {
        let mut files = files(folder)?;
        files.retain(|(text, _)| is_enumerated(text));
        files.iter().map(|(text, file)| Enumerated::parse(text, file)).collect()
    }

    /// Reads one from its text; `file` is what errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(text: &str, file: &str) -> Result<Enumerated, ScenarioError> {
        parse::check_size(text.len(), file)?;
        let source = Source { file, text };
        let document = DeTable::parse(text).map_err(|error| source.not_toml(&error))?;
        let root = Table::root(source, document.get_ref());
        root.only(&["format", "title", "note", "exhibit"], SCHEMA)?;
        let about = Table::of(source, "[exhibit]", root.required("exhibit", "[exhibit]")?)?;
        about.only(ENUMERATED_KEYS, SCHEMA)?;
        let text_of = |table: &Table<'_>, key: &str, example: &str| {
            table.required(key, example)?;
            Ok(table.string(key)?.unwrap_or_default().to_string())
        };
        Ok(Enumerated {
            bug: text_of(&about, "bug", "bug = \"E12\"")?,
            title: text_of(&root, "title", "title = \"what goes wrong\"")?,
            source: text_of(&about, "source", "source = \"where it was seen\"")?,
            enumeration: text_of(&about, "enumeration", "enumeration = \"claim-tail\"")?,
        })
    }
}

/// The text and the name of each TOML file in a folder, by their names.
fn files(folder: impl AsRef<Path>) -> Result<Vec<(String, String)>, ScenarioError> {
    let fail = |error: std::io::Error| {
        let problem = Problem::new(format!("cannot be listed ({error})"), "check the path");
        ScenarioError::of_file(&folder.as_ref().display().to_string(), problem)
    };
    let entries: Result<Vec<_>, _> = std::fs::read_dir(&folder).map_err(fail)?.collect();
    let paths = entries.map_err(fail)?.into_iter().map(|entry| entry.path());
    let is_exhibit = |path: &PathBuf| path.extension().is_some_and(|end| end == "toml");
    let mut paths: Vec<PathBuf> = paths.filter(is_exhibit).collect();
    paths.sort();
    paths.iter().map(|path| super::read(path)).collect()
}

/// Whether a file of the museum names cases instead of a world. One that is no TOML is read as an
/// exhibit, which says so.
fn is_enumerated(text: &str) -> bool {
    let exhibit = |table: toml::Table| Some(table.get("exhibit")?.get("enumeration").is_some());
    text.parse().ok().and_then(exhibit).unwrap_or(false)
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
