//! Generated reports: tables, counterexamples, and one page with all of them that needs nothing else.

mod figure;
mod page;
mod sheet;

pub use figure::Figure;
pub use page::{Page, Part};
pub use sheet::Sheet;

/// On what machine this runs, in a few words.
pub fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let model = model.map_or(String::new(), |model| format!(" ({})", model.trim()));
    format!("{cpus} CPUs{model}, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The commit of the sources that are checked out here, if git can tell.
pub fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_string())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--", "src", "models", "Cargo.toml"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit} and changes") })
}
