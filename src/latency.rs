//! How long messages take, as command lines and files say it: by name, by rates, or from a file.

use crate::analysis::pbs::{Delay, Legs, NAMES};
use anyhow::{Context as _, anyhow, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Most measured values in one file.
const MAX_VALUES: usize = 10_000_000;

/// The delays that this means: one of [`NAMES`], `exponential:RATE:RATE`, or a file that ends in
/// `.toml`.
///
/// # Errors
/// In one sentence: an unknown name, bad rates, or a file that cannot be read or understood.
pub fn legs(name: &str) -> anyhow::Result<Legs> {
    if let Some(legs) = Legs::named(name) {
        return Ok(legs);
    }
    if let Some(rates) = name.strip_prefix("exponential:") {
        return exponential(rates).with_context(|| {
            format!("{name:?} gives no delays; use two rates, as in exponential:0.1:1")
        });
    }
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension == "toml") {
        return from_file(path);
    }
    let known = NAMES.join(", ");
    let nearest = NAMES
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), known), known))
        .filter(|(edits, known)| *edits <= known.len().max(name.len()) / 3)
        .min_by_key(|(edits, _)| *edits);
    match nearest {
        Some((_, nearest)) => {
            bail!("the distribution {name:?} is unknown; did you mean {nearest}?")
        }
        None => bail!(
            "the distribution {name:?} is unknown; use {known}, exponential:RATE:RATE or a file \
             that ends in .toml"
        ),
    }
}

fn exponential(rates: &str) -> anyhow::Result<Legs> {
    let (w, ars) = rates.split_once(':').ok_or_else(|| anyhow!("there is one rate"))?;
    let rate = |text: &str| text.parse().map_err(|_| anyhow!("{text:?} is no number"));
    Ok(Legs::of(Delay::Exponential(rate(w)?), Delay::Exponential(rate(ars)?))?)
}

/// How long messages take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Latency {
    /// By name, as for `dynamo pbs`: each of the four legs of WARS has its own.
    Legs(String),
    /// Each leg by itself.
    Each(EachLeg),
    /// All alike.
    All(Spec),
}

/// What each leg of WARS takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EachLeg {
    /// A write's way to a replica.
    pub w: Spec,
    /// Its acknowledgement's way back, and that of whatever is not named here.
    pub a: Spec,
    /// A read's way to a replica.
    pub r: Spec,
    /// Its answer's way back.
    pub s: Spec,
}

impl Latency {
    /// What the four legs of WARS take: W, A, R and S. Files of measured values are found from
    /// `folder`.
    ///
    /// # Errors
    /// In one sentence: an unknown name, a bad parameter, or a file that cannot be read.
    pub fn legs(&self, folder: &Path) -> anyhow::Result<[Delay; 4]> {
        match self {
            Latency::Legs(name) => {
                let Legs { w, a, r, s, .. } = match legs(name)? {
                    legs if legs.has_remote() => bail!(
                        "the latency {name:?} tells near replicas from far ones, which only `dynamo pbs` \
                         does; in a simulation, links may have latencies of their own"
                    ),
                    legs => legs,
                };
                Ok([w, a, r, s])
            }
            Latency::Each(EachLeg { w, a, r, s }) => {
                let [w, a, r, s] = [w, a, r, s].map(|spec| spec.delay(folder));
                Ok([w?, a?, r?, s?])
            }
            Latency::All(spec) => spec.delay(folder).map(|delay| [(); 4].map(|()| delay.clone())),
        }
    }
}

/// A file of delays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    w: Spec,
    a: Spec,
    r: Spec,
    s: Spec,
    remote: Option<f64>,
}

/// A [`Delay`] as a file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Spec {
    /// Always so many milliseconds.
    Constant(f64),
    /// See [`Delay::Uniform`].
    Uniform {
        /// From so many milliseconds.
        low: f64,
        /// To so many.
        high: f64,
    },
    /// See [`Delay::Normal`].
    Normal {
        /// In milliseconds.
        mean: f64,
        /// Standard deviation in milliseconds.
        deviation: f64,
    },
    /// See [`Delay::Exponential`].
    Exponential {
        /// A millisecond.
        rate: f64,
    },
    /// See [`Delay::Pareto`].
    Pareto {
        /// The least, in milliseconds.
        scale: f64,
        /// The exponent of the tail.
        shape: f64,
    },
    /// One of several, by weight.
    Mixture(Vec<Part>),
    /// More than another.
    Shifted {
        /// By so many milliseconds.
        by: f64,
        /// Than this.
        of: Box<Spec>,
    },
    /// One of the values in a file, one number a line.
    Empirical(PathBuf),
}

/// One part of a mixture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// How often, beside the weights of the other parts.
    pub weight: f64,
    /// What.
    pub of: Spec,
}

impl Spec {
    /// The delay; files of measured values are found from `folder`.
    ///
    /// # Errors
    /// In one sentence: a file that cannot be read or understood, or a parameter that gives no
    /// delays.
    pub fn delay(&self, folder: &Path) -> anyhow::Result<Delay> {
        let delay = self.unchecked(folder)?;
        delay.check()?;
        Ok(delay)
    }

    fn unchecked(&self, folder: &Path) -> anyhow::Result<Delay> {
        Ok(match self {
            Spec::Constant(ms) => Delay::Constant(*ms),
            Spec::Uniform { low, high } => Delay::Uniform(*low, *high),
            Spec::Normal { mean, deviation } => Delay::Normal(*mean, *deviation),
            Spec::Exponential { rate } => Delay::Exponential(*rate),
            Spec::Pareto { scale, shape } => Delay::Pareto(*scale, *shape),
            Spec::Mixture(parts) => {
                let part = |part: &Part| Ok((part.weight, part.of.unchecked(folder)?));
                Delay::Mixture(parts.iter().map(part).collect::<anyhow::Result<_>>()?)
            }
            Spec::Shifted { by, of } => Delay::Shifted(*by, of.unchecked(folder)?.into()),
            Spec::Empirical(file) => Delay::Empirical(measured(&folder.join(file))?.into()),
        })
    }
}

fn from_file(path: &Path) -> anyhow::Result<Legs> {
    let text = read(path)?;
    let file: File = parse(path, &text)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let [w, a, r, s] = [file.w, file.a, file.r, file.s].map(|spec| spec.unchecked(folder));
    Legs::new(w?, a?, r?, s?, file.remote).with_context(|| path.display().to_string())
}

/// The milliseconds in a file, one number a line; empty lines are passed over.
fn measured(path: &Path) -> anyhow::Result<Vec<f64>> {
    let text = read(path)?;
    let mut values = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() {
            continue;
        }
        match line.parse() {
            Ok(value) if (0.0..f64::INFINITY).contains(&value) => values.push(value),
            _ => bail!(
                "{}, line {number}: {line:?} is no delay; use milliseconds, 0 or more",
                path.display()
            ),
        }
    }
    if values.is_empty() || values.len() > MAX_VALUES {
        bail!("{} has {} delays; use 1 to {MAX_VALUES}", path.display(), values.len());
    }
    Ok(values)
}

/// What the TOML in `text`, of the file `path`, says.
///
/// # Errors
/// File, line and what is wrong there, in one sentence.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().map_or("", |span| &text[..span.start.min(text.len())]);
        let line = before.matches('\n').count() + 1;
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        anyhow!("{}, line {line}: {message}", path.display())
    })
}

pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
