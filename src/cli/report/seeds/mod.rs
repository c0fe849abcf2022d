//! The figures and tables of earlier work, run again: published values beside ours.

mod chart;
mod dynamo_paper;
mod dynamo_simulator;
mod final_report;
mod key_value_store;
mod lab;
mod pbs;

use super::write;
use crate::cli::is_interrupted;
use anyhow::Context as _;
use dynamo::report::{Page, Part};
use lab::Lab;
use std::path::Path;

const TITLE: &str = "Figures of earlier work, run again";

const ABOUT: [&str; 3] = [
    "Everything here is simulated with the code that also runs over UDP, or drawn by PBS, from fixed \
     seeds: the same commit gives the same numbers on every machine. Published values stand beside \
     ours where a document has them; \"read off\" means that they were read off a plot. Below each \
     figure stands why ours differs.",
    "Documents: \"Dynamo Simulator\" (Chahal and Arora, New York University), \"Dynamo, final \
     report\" (Sun and Tu, University of Wisconsin-Madison, 2023), \"Distributed Key-Value Store\" \
     (Das and Deshmukh), Dynamo (DeCandia and others, SOSP 2007), PBS (Bailis and others, PVLDB 5(8), \
     2012, and CACM 57(8), 2014). What is told of a program beside its document is read from the \
     sources that its authors have published.",
    "No absolute time of another machine can be reproduced without that machine. Where a document \
     does not say what its network or its program costs, we state what we assume, and compare \
     shapes, orders and ratios.",
];

/// A figure, and the name of its files.
struct Figure {
    name: &'static str,
    part: Part,
}

/// All, in the order of the documents.
fn figures(lab: &Lab) -> anyhow::Result<Vec<Figure>> {
    let all = [
        dynamo_simulator::figures,
        final_report::figures,
        key_value_store::figures,
        dynamo_paper::figures,
        pbs::figures,
    ];
    let mut figures = Vec::new();
    for of_document in all {
        figures.extend(of_document(lab)?);
    }
    Ok(figures)
}

/// Measures all figures, and writes them into the folder: one page, the same as Markdown, and each
/// plot as a file; nothing after Ctrl-C.
///
/// # Errors
/// A simulation in which what must hold does not; a file that cannot be written.
pub(super) fn run(folder: &Path, made: impl FnOnce() -> String) -> anyhow::Result<()> {
    let figures = match figures(&Lab::whole()) {
        Err(_) if is_interrupted() => return Ok(()),
        figures => figures?,
    };
    put_down(figures, folder, made())
}

fn put_down(figures: Vec<Figure>, folder: &Path, made: String) -> anyhow::Result<()> {
    let plots = folder.join("seeds");
    std::fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    let mut markdown = format!("# {TITLE}\n\n{made}\n\n{}\n", ABOUT.join("\n\n"));
    for Figure { name, part } in &figures {
        let images = part.plots.iter().zip(1..).map(|((caption, plot), number)| {
            let file = format!("{name}-{number}.svg");
            write(&plots, &file, plot)?;
            Ok(format!("![{caption}](seeds/{file})\n\n"))
        });
        let images = images.collect::<anyhow::Result<String>>()?;
        markdown += &format!("\n## {}\n\n{}", part.title, part.body(&images));
    }
    write(folder, "seeds.md", &markdown)?;
    let about =
        Part { title: "About".into(), before: ABOUT.map(String::from).to_vec(), ..Part::default() };
    let parts = [about].into_iter().chain(figures.into_iter().map(|figure| figure.part)).collect();
    write(folder, "seeds.html", &Page { title: TITLE.into(), made, parts }.html())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_figure_has_a_plot_numbers_and_a_word_on_differences() {
        let figures = figures(&Lab::small()).unwrap();
        let names: BTreeSet<&str> = figures.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), figures.len(), "names are used twice");
        assert_eq!(names.len(), 19);
        for Figure { name, part } in &figures {
            let Part { before, sheet, plots, after, .. } = part;
            assert!(!before.is_empty() && !sheet.rows.is_empty(), "{name}");
            assert!(!plots.is_empty() && !after.is_empty(), "{name}");
            assert!(sheet.rows.iter().all(|row| row.len() == sheet.head.len()), "{name}");
            assert!(sheet.numbers.end <= sheet.head.len(), "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        let of_figures: usize = figures.iter().map(|figure| figure.part.plots.len()).sum();
        put_down(figures, folder.path(), "By a test.".into()).unwrap();
        let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
        let (markdown, page) = (read("seeds.md"), read("seeds.html"));
        assert_eq!(markdown.matches("\n## ").count(), 19);
        assert_eq!(markdown.matches("](seeds/").count(), of_figures);
        assert_eq!(page.matches("<figure>").count(), of_figures);
        assert!(read("seeds/simulator-1-1.svg").contains("<polyline"));
        assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
    }
}
