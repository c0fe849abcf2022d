//! What can be wrong with a scenario: the sentence, and the place in the file.

use std::fmt;

/// Something wrong with a value, wherever it was written: "what is wrong: what to do".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {help}")]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Problem { message: message.into(), help: help.into() }
    }
}

/// Something wrong with a scenario file. Displayed as one sentence: where, what, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line of the offending value, from 1; none if the file could not be read.
    pub line: Option<usize>,
    /// The column in characters, from 1; only where the text is not TOML.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl ScenarioError {
    /// A problem with the file as a whole.
    pub(super) fn of_file(file: &str, problem: Problem) -> Self {
        let Problem { message, help } = problem;
        ScenarioError { file: file.into(), line: None, column: None, message, help }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        for place in [self.line, self.column].into_iter().flatten() {
            write!(f, "{place}:")?;
        }
        write!(f, " {}: {}", self.message, self.help)
    }
}

impl std::error::Error for ScenarioError {}
