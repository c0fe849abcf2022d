//! Typed reading of a TOML table, with the line of whatever is wrong.

use super::{Problem, ScenarioError, cluster::between, names};
use std::str::FromStr;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value and where it is written.
pub(super) type Located<'t> = Spanned<DeValue<'t>>;

/// The file that is being read.
#[derive(Clone, Copy)]
pub(super) struct Source<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
}

impl Source<'_> {
    /// A problem at the byte `offset` of the text. What is missing at the end of the file is missing
    /// on its last line.
    pub(super) fn problem_at(self, offset: usize, problem: Problem) -> ScenarioError {
        let end = offset.min(self.text.trim_end().len());
        let before = &self.text.as_bytes()[..end];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        ScenarioError { line: Some(line), ..ScenarioError::of_file(self.file, problem) }
    }

    /// What the TOML parser complains of.
    pub(super) fn not_toml(self, error: &toml::de::Error) -> ScenarioError {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message().replace('\n', ", ");
        let help = "write `key = value` lines under `[table]` headers";
        let problem = Problem::new(format!("the text is not TOML, {message}"), help);
        let end = offset.min(self.text.trim_end().len());
        let before = String::from_utf8_lossy(&self.text.as_bytes()[..end]);
        let column = 1 + before.chars().rev().take_while(|&c| c != '\n').count();
        ScenarioError { column: Some(column), ..self.problem_at(offset, problem) }
    }
}

/// A table of the file.
pub(super) struct Table<'t> {
    pub(super) source: Source<'t>,
    /// What errors call the table: `[cluster]`.
    name: &'static str,
    offset: usize,
    entries: &'t DeTable<'t>,
    /// What stands above it: entries that are read in place of its own.
    above: Option<&'t DeTable<'t>>,
}

impl<'t> Table<'t> {
    /// The whole document.
    pub(super) fn root(source: Source<'t>, entries: &'t DeTable<'t>) -> Self {
        Table { source, name: "the file", offset: 0, entries, above: None }
    }

    /// The table that `value` is.
    pub(super) fn of(
        source: Source<'t>,
        name: &'static str,
        value: &'t Located<'t>,
    ) -> Result<Self, ScenarioError> {
        let offset = value.span().start;
        let Some(entries) = value.get_ref().as_table() else {
            let problem = wrong_type(name, value, &format!("write a table headed `{name}`"));
            return Err(source.problem_at(offset, problem));
        };
        Ok(Table { source, name, offset, entries, above: None })
    }

    /// The same, where the entries of another are read in place of its own.
    pub(super) fn under(self, above: Option<&Table<'t>>) -> Self {
        Table { above: above.map(|table| table.entries), ..self }
    }

    /// A problem with the table as a whole: the line of its header.
    pub(super) fn problem(&self, problem: Problem) -> ScenarioError {
        self.source.problem_at(self.offset, problem)
    }

    /// A problem with the value of `key`: the value's line.
    pub(super) fn problem_with(&self, key: &str, problem: Problem) -> ScenarioError {
        let offset = self.get(key).map_or(self.offset, |value| value.span().start);
        self.source.problem_at(offset, problem)
    }

    /// The entries in the order in which they are written: the key, its place and the value.
    pub(super) fn entries(&self) -> Vec<(&'t str, usize, &'t Located<'t>)> {
        let mut entries: Vec<_> = self
            .entries
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value))
            .collect();
        entries.sort_by_key(|&(_, offset, _)| offset);
        entries
    }

    /// Refuses keys that are not the table's own. `schema` has the keys of all tables.
    pub(super) fn only(
        &self,
        own: &[&str],
        schema: &[(&str, &[&str])],
    ) -> Result<(), ScenarioError> {
        let unknown = |&(key, ..): &(&str, usize, _)| !own.contains(&key);
        let Some((key, offset, _)) = self.entries().into_iter().find(unknown) else {
            return Ok(());
        };
        let elsewhere = schema.iter().find(|(_, keys)| keys.contains(&key));
        let help = match (names::nearest(key, own), elsewhere) {
            (Some(name), _) => format!("did you mean `{name}`?"),
            (None, Some((place, _))) => format!("it belongs {place}"),
            (None, None) => format!("use {}", names::one_of(own)),
        };
        let message = format!("key `{key}` is unknown in {}", self.name);
        Err(self.source.problem_at(offset, Problem::new(message, help)))
    }

    /// The value of `key`, if there is one.
    pub(super) fn get(&self, key: &str) -> Option<&'t Located<'t>> {
        self.above.and_then(|above| above.get(key)).or_else(|| self.entries.get(key))
    }

    /// The value of `key`; `example` is how one could be written.
    pub(super) fn required(
        &self,
        key: &str,
        example: &str,
    ) -> Result<&'t Located<'t>, ScenarioError> {
        self.get(key).ok_or_else(|| {
            let message = format!("{} has no `{key}`", self.name);
            self.problem(Problem::new(message, format!("add `{example}`")))
        })
    }

    /// The whole number under `key`.
    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, ScenarioError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let Some(integer) = value.get_ref().as_integer() else {
            let problem = wrong_type(key, value, "write a whole number");
            return Err(self.problem_with(key, problem));
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix());
        number.map(Some).map_err(|_| {
            let message = format!("{key} is {integer}, which is beyond all bounds");
            self.problem_with(key, Problem::new(message, "write a smaller number"))
        })
    }

    /// The whole number under `key`, which must be there.
    pub(super) fn required_integer(&self, key: &str) -> Result<i64, ScenarioError> {
        self.required(key, &format!("{key} = 3"))?;
        Ok(self.integer(key)?.unwrap_or_default())
    }

    /// The whole number under `key`, between `low` and `high`.
    pub(super) fn bounded(
        &self,
        key: &str,
        low: u8,
        high: u8,
    ) -> Result<Option<u8>, ScenarioError> {
        let Some(value) = self.integer(key)? else {
            return Ok(None);
        };
        between(key, value, low.into(), high.into())
            .map_err(|problem| self.problem_with(key, problem))?;
        Ok(u8::try_from(value).ok())
    }

    /// The values of the array under `key`; none if there is none.
    pub(super) fn array(
        &self,
        key: &str,
        example: &str,
    ) -> Result<impl Iterator<Item = &'t Located<'t>>, ScenarioError> {
        let array = match self.get(key) {
            None => None,
            Some(value) => Some(value.get_ref().as_array().ok_or_else(|| {
                self.problem_with(key, wrong_type(key, value, &format!("write `{example}`")))
            })?),
        };
        Ok(array.into_iter().flat_map(|array| array.iter()))
    }

    /// The text under `key`.
    pub(super) fn string(&self, key: &str) -> Result<Option<&'t str>, ScenarioError> {
        self.get(key).map(|value| text_of(self.source, key, value)).transpose()
    }

    /// The text under `key`, which must be there; `example` is how it could be written.
    pub(super) fn required_string(
        &self,
        key: &str,
        example: &str,
    ) -> Result<&'t str, ScenarioError> {
        text_of(self.source, key, self.required(key, example)?)
    }

    /// The name under `key`, or the default.
    pub(super) fn name_or<T: FromStr<Err = Problem>>(
        &self,
        key: &str,
        default: T,
    ) -> Result<T, ScenarioError> {
        match self.string(key)? {
            Some(text) => text.parse().map_err(|problem| self.problem_with(key, problem)),
            None => Ok(default),
        }
    }
}

/// The text that `value` is; `what` is what errors call it.
pub(super) fn text_of<'t>(
    source: Source<'t>,
    what: &str,
    value: &'t Located<'t>,
) -> Result<&'t str, ScenarioError> {
    value.get_ref().as_str().ok_or_else(|| {
        let problem = wrong_type(what, value, "write a text in double quotes");
        source.problem_at(value.span().start, problem)
    })
}

/// "`r` is a string: write a whole number".
pub(super) fn wrong_type(what: &str, value: &Located<'_>, help: &str) -> Problem {
    let kind = value.get_ref().type_str();
    let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
    Problem::new(format!("{what} is {article} {kind}"), help)
}
