//! House rules that the compiler does not know: which part may use which (design, "Layout"), what
//! the core may not mention, and how long files and functions may be.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

const MAX_FILE_LINES: usize = 450;
const MAX_FUNCTION_LINES: usize = 75;

/// Folders, from the root of the repository, and what of ours their sources may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("src/protocol", &[]),
    ("src/wire", &["protocol"]),
    ("src/shell", &["protocol"]),
    ("src/node", &["protocol", "wire", "shell", "analysis", "latency"]),
    ("src/client", &["protocol", "wire"]),
    ("src/measure", &["protocol", "wire", "shell", "node", "client", "analysis", "latency"]),
    ("src/torture", &["protocol", "wire", "shell", "node", "client"]),
    ("models", &["protocol"]),
    ("src/sim", &["protocol", "models", "shell", "analysis", "latency"]),
    ("src/analysis", &[]),
    ("src/report", &["protocol", "models", "sim", "analysis"]),
    ("src/web", &["protocol", "models", "sim", "analysis", "report"]),
];

/// Our parts, and the paths that start in them.
const PARTS: &[(&str, &[&str])] = &[
    ("protocol", &["dynamo_protocol"]),
    ("models", &["dynamo_models"]),
    ("wire", &["crate::wire", "dynamo::wire"]),
    ("shell", &["crate::shell", "dynamo::shell"]),
    ("latency", &["crate::latency", "dynamo::latency"]),
    ("node", &["crate::node", "dynamo::node"]),
    ("client", &["crate::client", "dynamo::client"]),
    ("measure", &["crate::measure", "dynamo::measure"]),
    ("torture", &["crate::torture", "dynamo::torture"]),
    ("sim", &["crate::sim", "dynamo::sim"]),
    ("analysis", &["crate::analysis", "dynamo::analysis"]),
    ("report", &["crate::report", "dynamo::report"]),
    ("web", &["crate::web", "dynamo::web"]),
    ("cli", &["crate::cli", "dynamo::cli"]),
];

/// Crates of ours that a manifest may depend on.
const MAY_DEPEND: &[(&str, &[&str])] =
    &[("src/protocol/Cargo.toml", &[]), ("models/Cargo.toml", &["dynamo-protocol"])];

/// What would bring a clock, chance, threads or I/O into the core.
const BANNED_IN_CORE: &[&str] = &[
    "HashMap",
    "HashSet",
    "Instant",
    "SystemTime",
    "thread",
    "std::",
    "extern crate std",
    "f32",
    "f64",
];

/// A source file without comments, strings and test modules; lines keep their numbers.
struct Source {
    path: String,
    lines: Vec<String>,
}

impl Source {
    fn of(path: &str, text: &str) -> Source {
        let mut lines: Vec<String> = bare(text).lines().map(str::to_owned).collect();
        let begins = |two: &[String]| two[0] == "#[cfg(test)]" && two[1].starts_with("mod tests {");
        if let Some(tests) = lines.windows(2).position(begins) {
            lines.truncate(tests);
        }
        Source { path: path.into(), lines }
    }

    fn is_in(&self, folder: &str) -> bool {
        Path::new(&self.path).starts_with(folder)
    }

    /// Where `word` stands by itself.
    fn mentions(&self, word: &str) -> Vec<usize> {
        let on = |(at, line): (usize, &String)| has_word(line, word).then_some(at + 1);
        self.lines.iter().enumerate().filter_map(on).collect()
    }
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let ends = word.ends_with(is_part) && after.is_some_and(is_part);
        !before.is_some_and(is_part) && !ends
    })
}

/// `text` with comments and the insides of strings blanked out.
fn bare(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = blank_at(rest).unwrap_or(0);
        if skip == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..skip].chars().filter(|&c| c == '\n'));
            rest = &rest[skip..];
        }
    }
    out
}

/// How much of `text` is a comment or literal that begins right here.
fn blank_at(text: &str) -> Option<usize> {
    let ends = |from: usize, end: &str| {
        let found = text.get(from..)?.find(end)?;
        Some(from + found + end.len())
    };
    if text.starts_with("//") {
        Some(text.find('\n').unwrap_or(text.len()))
    } else if text.starts_with("/*") {
        ends(2, "*/")
    } else if text.starts_with("r#\"") {
        ends(3, "\"#")
    } else if let Some(inside) = text.strip_prefix('"') {
        let mut escaped = false;
        let close = inside.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        Some(close? + 2)
    } else {
        let literal = ["'\"'", "'{'", "'}'", "'\\\"'"];
        literal.iter().find(|l| text.starts_with(**l)).map(|l| l.len())
    }
}

fn wrong_imports(source: &Source) -> Vec<String> {
    let part = MAY_USE.iter().find(|(folder, _)| source.is_in(folder));
    let Some((folder, allowed)) = part else {
        return Vec::new();
    };
    let own = folder.rsplit('/').next();
    let foreign = PARTS.iter().filter(|(part, _)| !allowed.contains(part) && own != Some(*part));
    // In a crate of its own, `crate::node` is a module of that crate.
    let own_crate = source.is_in("src/protocol") || source.is_in("models");
    let mut wrong = Vec::new();
    for path in foreign.flat_map(|(_, paths)| *paths) {
        if own_crate && path.starts_with("crate::") {
            continue;
        }
        for line in source.mentions(path) {
            wrong.push(format!("{}:{line}: may not use {path}", source.path));
        }
    }
    wrong
}

fn banned_words(source: &Source) -> Vec<String> {
    if !source.is_in("src/protocol") {
        return Vec::new();
    }
    let at = |word: &&str| -> Vec<String> {
        let lines = source.mentions(word).into_iter();
        lines.map(|line| format!("{}:{line}: {word} in the core", source.path)).collect()
    };
    BANNED_IN_CORE.iter().flat_map(at).collect()
}

fn wrong_dependencies(path: &str, manifest: &str) -> Vec<String> {
    let Some((_, allowed)) = MAY_DEPEND.iter().find(|(file, _)| *file == path) else {
        return Vec::new();
    };
    let names = manifest.lines().filter_map(|line| line.split(['.', '=', ' ', ']']).next());
    // `dynamo-protocol.workspace = true`, or a table `[dependencies.dynamo-protocol]`.
    let tables = manifest.lines().filter_map(|line| line.strip_prefix('[')?.split_once('.'));
    let tables = tables.map(|(_, name)| name.trim_end_matches(']'));
    let ours = names.chain(tables).filter(|name| *name == "dynamo" || name.starts_with("dynamo-"));
    let wrong = ours.filter(|name| !allowed.contains(name));
    wrong.map(|name| format!("{path}: may not depend on {name}")).collect()
}

fn too_long(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = source.lines.len();
    if lines > MAX_FILE_LINES {
        wrong.push(format!("{}: {lines} lines are more than {MAX_FILE_LINES}", source.path));
    }
    for function in functions(&source.lines) {
        if function.len() > MAX_FUNCTION_LINES {
            let (at, lines) = (function.start + 1, function.len());
            wrong.push(format!("{}:{at}: a function of {lines} lines", source.path));
        }
    }
    wrong
}

/// The lines of each function: rustfmt ends it with a brace as far in as it began.
fn functions(lines: &[String]) -> Vec<Range<usize>> {
    let begins = |line: &&String| has_word(line, "fn") && !line.trim_end().ends_with(';');
    let starts = lines.iter().enumerate().filter(|(_, line)| begins(line));
    let whole = |(start, line): (usize, &String)| {
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let length = lines[start..].iter().position(|line| *line == end)?;
        Some(start..start + length + 1)
    };
    starts.filter_map(whole).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust sources under `folder` but tests.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of ours") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                let name = path.strip_prefix(root()).expect("below the root");
                found.push(Source::of(&name.to_string_lossy(), &text));
            }
        }
    }
    found
}

fn all_sources() -> Vec<Source> {
    let mut all = sources("src");
    all.extend(sources("models"));
    assert!(all.iter().any(|source| source.path == "src/protocol/node/put.rs"));
    all
}

#[track_caller]
fn demand_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn arrows_between_the_parts_point_one_way() {
    demand_none(all_sources().iter().flat_map(wrong_imports).collect());
    for (path, _) in MAY_DEPEND {
        let manifest = fs::read_to_string(root().join(path)).expect("a manifest");
        demand_none(wrong_dependencies(path, &manifest));
    }
}

#[test]
fn the_core_has_no_clock_no_hash_map_no_thread_and_no_io() {
    demand_none(all_sources().iter().flat_map(banned_words).collect());
}

#[test]
fn files_and_functions_are_short() {
    let all = all_sources();
    let count: usize = all.iter().map(|source| functions(&source.lines).len()).sum();
    assert!(count > 100, "only {count} functions were found");
    demand_none(all.iter().flat_map(too_long).collect());
}

// Each rule can fail.

#[test]
fn an_import_against_the_arrows_is_found() {
    let wrong = |path, text| wrong_imports(&Source::of(path, text)).len();
    assert_eq!(wrong("src/protocol/node/put.rs", "use dynamo_models::Model;"), 1);
    assert_eq!(wrong("src/node/main_loop.rs", "fn f() { dynamo_models::f() }"), 1);
    assert_eq!(wrong("src/node/codec.rs", "use crate::cli::Verb;"), 1);
    assert_eq!(wrong("src/client/mod.rs", "use crate::node::Codec;"), 1);
    assert_eq!(wrong("models/lib.rs", "use dynamo::sim::Seed;"), 1);
    assert_eq!(wrong("src/analysis/pbs.rs", "use dynamo_protocol::ids::Key;"), 1);

    assert_eq!(wrong("src/protocol/node/put.rs", "use crate::node::Node;"), 0);
    assert_eq!(wrong("src/node/codec.rs", "use crate::node::seal;\nuse dynamo_protocol::x;"), 0);
    assert_eq!(wrong("src/cli/check.rs", "use dynamo_models::Model;"), 0);
    assert_eq!(wrong("src/protocol/lib.rs", "// like dynamo_models::Model"), 0);
    assert_eq!(wrong("src/node/a.rs", "#[cfg(test)]\nmod tests { use dynamo_models::X; }"), 0);
}

#[test]
fn a_dependency_against_the_arrows_is_found() {
    let wrong = |path, manifest| wrong_dependencies(path, manifest).len();
    assert_eq!(wrong("src/protocol/Cargo.toml", "dynamo-models.workspace = true"), 1);
    assert_eq!(wrong("src/protocol/Cargo.toml", "[dependencies.dynamo-models]"), 1);
    assert_eq!(wrong("models/Cargo.toml", "dynamo = { path = \"..\" }"), 1);
    assert_eq!(wrong("models/Cargo.toml", "dynamo-protocol.workspace = true"), 0);
    assert_eq!(wrong("models/Cargo.toml", "name = \"dynamo-models\""), 0);
}

#[test]
fn a_banned_word_in_the_core_is_found() {
    let wrong = |path, text| banned_words(&Source::of(path, text)).len();
    for text in [
        "use std::fmt;",
        "let x: HashMap<u8, u8>;",
        "HashSet::new()",
        "Instant::now()",
        "SystemTime::now()",
        "thread::spawn(f)",
        "let chance: f64;",
    ] {
        assert!(wrong("src/protocol/x.rs", text) > 0, "{text}");
        assert_eq!(wrong("src/node/x.rs", text), 0, "{text}");
    }
    let innocent = "threads(\"std::x\"); // HashMap\n/* Instant */ let no_std::x = MyHashMap;";
    assert_eq!(wrong("src/protocol/x.rs", innocent), 0);
}

#[test]
fn a_long_file_and_a_long_function_are_found() {
    let wrong = |text: &str| too_long(&Source::of("src/x.rs", text)).len();
    let file = |lines| "const X: u8 = 1;\n".repeat(lines);
    assert_eq!((wrong(&file(MAX_FILE_LINES)), wrong(&file(MAX_FILE_LINES + 1))), (0, 1));
    assert_eq!(
        wrong(&format!("#[cfg(test)]\nmod tests {{\n{}}}", file(1000))),
        0,
        "tests may be longer"
    );

    let function = |lines: usize| {
        let body = "        x(\"}\");\n".repeat(lines - 2);
        format!("impl X {{\n    fn x() {{\n{body}    }}\n}}\n")
    };
    let at_limit = wrong(&function(MAX_FUNCTION_LINES));
    assert_eq!((at_limit, wrong(&function(MAX_FUNCTION_LINES + 1))), (0, 1));
}
