//! One page with everything, readable without a network.

use super::{Figure, Sheet};
use dynamo_models::trace::svg;
use maud::{DOCTYPE, PreEscaped, html};

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its heading.
    pub title: String,
    /// Command, commit, machine, time.
    pub made: String,
    /// What it consists of.
    pub parts: Vec<Part>,
}

/// A table, what to read with it, and the counterexamples behind its cells.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Its heading.
    pub title: String,
    /// Before the table, one paragraph each.
    pub before: Vec<String>,
    /// The table.
    pub sheet: Sheet,
    /// Which cells lead to which figure: row, column, and the figure's anchor.
    pub links: Vec<(usize, usize, String)>,
    /// Plots, as SVG: each with what it shows.
    pub plots: Vec<(String, String)>,
    /// After the table, one paragraph each.
    pub after: Vec<String>,
    /// The counterexamples.
    pub figures: Vec<Figure>,
}

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:1200px;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;font-size:13px;display:block;overflow-x:auto}\
td,th{padding:2px 8px;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}\
th{position:sticky;top:0;background:#fff}td.n{text-align:right;font-variant-numeric:tabular-nums}\
tbody tr:hover{background:#f4f6fb}.made,.world{color:#666}code,pre{background:#f4f4f4;padding:1px 4px}\
details{margin:.4em 0;border-left:3px solid #dde;padding-left:.8em}summary{cursor:pointer}\
.picture,.plot{overflow-x:auto}.plot text{font:12px system-ui,sans-serif;fill:#222}figure{margin:1em 0}\
li.no-return{background:#fff0d8}.point{font-weight:bold}\
ol>li{font-family:monospace;white-space:pre-wrap}ol ul{color:#555}";

/// Opens what a link leads to, and all when the page is printed.
const SCRIPT: &str = "\
const open=()=>{const e=document.getElementById(location.hash.slice(1));\
if(e){e.open=true;e.scrollIntoView()}};addEventListener('hashchange',open);open();\
addEventListener('beforeprint',()=>document.querySelectorAll('details').forEach(d=>d.open=true));";

impl Page {
    /// The page as one file.
    pub fn html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    svg width="0" height="0" { (PreEscaped(svg::definitions())) }
                    h1 { (self.title) }
                    p.made { (self.made) }
                    ul { @for (place, part) in self.parts.iter().enumerate() {
                        li { a href={ "#part-" (place) } { (part.title) } }
                    } }
                    @for (place, part) in self.parts.iter().enumerate() {
                        h2 id={ "part-" (place) } { (part.title) }
                        @for text in &part.before { p { (text) } }
                        @if !part.sheet.rows.is_empty() {
                            (part.sheet.html(&|row, column| part.link(row, column)))
                        }
                        @for text in &part.after { p { (text) } }
                        @for (caption, plot) in &part.plots {
                            figure { figcaption { (caption) } div.plot { (PreEscaped(plot)) } }
                        }
                        @if !part.figures.is_empty() {
                            h3 { "Counterexamples" }
                            @for figure in &part.figures { (figure.html()) }
                        }
                    }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }
}

impl Part {
    fn link(&self, row: usize, column: usize) -> Option<String> {
        let is_it = |&&(r, c, _): &&(usize, usize, String)| (r, c) == (row, column);
        self.links.iter().find(is_it).map(|(_, _, id)| id.clone())
    }

    /// The same for a file of reports/: what the page shows but for plots and counterexamples.
    pub fn markdown(&self, made: &str) -> String {
        format!("# {}\n\n{made}\n\n{}", self.title, self.body(""))
    }

    /// What stands below its heading, as Markdown, with `plots` between the table and what follows.
    pub fn body(&self, plots: &str) -> String {
        let paragraphs = |texts: &[String]| texts.iter().map(|t| format!("{t}\n\n")).collect();
        let (before, after): (String, String) = (paragraphs(&self.before), paragraphs(&self.after));
        let table = self.sheet.markdown();
        format!("{}\n", format!("{before}{table}\n\n{plots}{after}").trim_end())
    }
}
