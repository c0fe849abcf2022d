//! A trace as a picture: time flows down, a message is an arrow from the step that sent it to the
//! step in which it arrived.
//!
//! What happens is told in the column on the right, beside the row of its step, so that no two
//! labels can meet; the arrows carry only the first word of their message.

use super::{End, Event, Flight, Step, Trace};
use crate::world::Action;
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::Message;
use std::fmt::Write;

const MARGIN: f64 = 16.0;
const LANE: f64 = 120.0;
/// Of the first lane, and between the last one and the text.
const SIDE: f64 = 60.0;
const HEAD: f64 = 76.0;
const LINE: f64 = 15.0;
/// From a row's top to the line of its arrow.
const RISE: f64 = 18.0;
/// Between the arrow of a row and the answer that it gave.
const ANSWER: f64 = 13.0;
const ROW_GAP: f64 = 14.0;
const CHAR: f64 = 7.3;
const MAX_CHARS: usize = 96;

const STYLE: &str = "\
text{font:12px 'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#222}\
.title{font-size:14px;font-weight:bold}.small{fill:#666}.name{font-weight:bold}\
.word{font-size:11px;paint-order:stroke;stroke:#fff;stroke-width:4px}\
.life{stroke:#999}.down{stroke:#d33;stroke-dasharray:2 4}\
.m{stroke:#1a5fb4;fill:none}.call{stroke:#222;fill:none}.answer{stroke:#222;stroke-dasharray:5 3;fill:none}\
.fault{stroke:#c01c28;fill:none}.lost{stroke:#888;fill:none}.open{stroke:#9bb;stroke-dasharray:2 3;fill:none}\
.cross{stroke:#c01c28;stroke-width:2.5;fill:none}.clock{stroke:#8a5a00;fill:#fff6dd}\
.no-return{stroke:#e66100;stroke-width:2;stroke-dasharray:8 3}text.no-return{stroke:none;fill:#a04000}\
.bad{fill:#c01c28;font-weight:bold}.box{fill:#eef;stroke:#557}.client{fill:#f4f4f4;stroke:#777}";

/// The trace as an SVG document, whatever it ends in.
pub fn diagram(trace: &Trace) -> String {
    draw(trace, None, &definitions())
}

/// The same for a page that has the [`definitions`], with a line below the step, counted from 1, that
/// is the point of no return.
pub fn inline(trace: &Trace, no_return: Option<usize>) -> String {
    draw(trace, no_return, "")
}

/// The styles and the heads of arrows that all diagrams share.
pub fn definitions() -> String {
    let heads = [("m", "#1a5fb4"), ("call", "#222"), ("fault", "#c01c28")].map(|(id, color)| {
        format!(
            "<marker id=\"head-{id}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
             markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
             <path d=\"M0 1L10 5L0 9z\" fill=\"{color}\" stroke=\"none\"/></marker>\n"
        )
    });
    format!("<style>{STYLE}</style>\n{}", heads.concat())
}

fn draw(trace: &Trace, no_return: Option<usize>, definitions: &str) -> String {
    let mut picture = Picture::new(trace);
    picture.frame(definitions);
    picture.lifelines();
    for flight in &trace.flights {
        picture.flight(flight);
    }
    for (place, step) in trace.steps.iter().enumerate() {
        picture.marks(place, step);
        picture.words(place, step);
    }
    // The end is marked anyway.
    if let Some(step) = no_return.filter(|&step| step < trace.steps.len()) {
        picture.no_return(step);
    }
    picture.ending();
    picture.out.push_str("</svg>\n");
    picture.out
}

struct Picture<'t> {
    trace: &'t Trace,
    out: String,
    clients: usize,
    /// The y of each step's arrow; one more for the end.
    rows: Vec<f64>,
    /// The lines beside each step.
    notes: Vec<Vec<String>>,
    ending: Vec<String>,
    width: f64,
}

impl<'t> Picture<'t> {
    fn new(trace: &'t Trace) -> Picture<'t> {
        let notes: Vec<Vec<String>> = trace.steps.iter().map(notes).collect();
        let mut y = HEAD + RISE;
        let mut rows = Vec::new();
        for (step, notes) in trace.steps.iter().zip(&notes) {
            rows.push(y);
            let text = LINE * (1.0 + notes.len() as f64);
            let answer = if answer(step).is_some() { ANSWER + 1.5 * LINE } else { 0.0 };
            y += text.max(answer) + ROW_GAP;
        }
        rows.push(y);
        let ending: Vec<String> =
            std::iter::once(super::text::ending(trace)).chain(trace.summary()).collect();
        let clients = trace.clients().len();
        let lanes = clients + trace.nodes();
        let title = &trace.model.scenario().title;
        let heads = [title, &subtitle(trace)].map(|text| text.chars().count());
        let lines = trace.steps.iter().map(|step| &step.text).chain(notes.iter().flatten());
        let longest = lines.map(|line| line.chars().count().min(MAX_CHARS) + 5).max();
        let beside = 2.0 * SIDE + LANE * (lanes as f64 - 1.0);
        let beside = beside + CHAR * longest.unwrap_or(0) as f64;
        let below = ending.iter().map(|line| line.chars().count() + 4).chain(heads).max();
        let below = 8.4 * below.unwrap_or(0) as f64;
        let width = 2.0 * MARGIN + beside.max(below);
        Picture { trace, out: String::new(), clients, rows, notes, ending, width }
    }

    fn lane(&self, lane: usize) -> f64 {
        MARGIN + SIDE + LANE * lane as f64
    }

    fn node(&self, node: NodeId) -> f64 {
        self.lane(self.clients + node.0 as usize)
    }

    fn text_x(&self) -> f64 {
        self.lane(self.clients + self.trace.nodes() - 1) + SIDE
    }

    fn end_y(&self) -> f64 {
        self.rows[self.rows.len() - 1]
    }

    fn frame(&mut self, definitions: &str) {
        let height = self.end_y() + 24.0 + LINE * 1.3 * self.ending.len() as f64 + MARGIN;
        let (width, title) = (self.width, escaped(&self.trace.model.scenario().title));
        let _ = write!(
            self.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width:.0}\" \
             height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
             <title>{title}</title>\n{definitions}\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        let title = self.trace.model.scenario().title.clone();
        self.text("title", MARGIN, 22.0, "start", &title);
        let subtitle = subtitle(self.trace);
        self.text("small", MARGIN, 40.0, "start", &subtitle);
    }

    /// The names, and under each a line that a crash interrupts.
    fn lifelines(&mut self) {
        let last = self.end_y();
        for client in 0..self.clients {
            let name = self.trace.client_name(client);
            self.head("client", self.lane(client), &name);
            self.line("life", (self.lane(client), HEAD), (self.lane(client), last), None);
        }
        for node in (0..self.trace.nodes() as u64).map(NodeId) {
            let x = self.node(node);
            self.head("box", x, &node.to_string());
            let (mut from, mut up) = (HEAD, true);
            for (place, step) in self.trace.steps.iter().enumerate() {
                let turns = match step.action {
                    Action::Crash(other) | Action::Recover(other) => other == node,
                    // A lost disk may be one of a node that is down.
                    Action::LoseDisk(other) => other == node && up,
                    _ => false,
                };
                if turns {
                    let y = self.rows[place];
                    self.line(if up { "life" } else { "down" }, (x, from), (x, y), None);
                    (from, up) = (y, !up);
                }
            }
            self.line(if up { "life" } else { "down" }, (x, from), (x, last), None);
        }
    }

    fn head(&mut self, class: &str, x: f64, name: &str) {
        let _ = writeln!(
            self.out,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"44\" height=\"20\" rx=\"4\"/>",
            x - 22.0,
            HEAD - 20.0
        );
        self.text("name", x, HEAD - 6.0, "middle", name);
    }

    /// A message: one arrow an end, or a stub if it has none.
    fn flight(&mut self, flight: &Flight) {
        let start = (self.node(flight.from), self.rows[flight.sent]);
        let to = self.node(flight.to);
        let word = first_word(&flight.message);
        if flight.ends.is_empty() {
            let y = (start.1 + 26.0).min(self.end_y());
            self.line("open", start, (start.0 + (to - start.0) * 0.3, y), None);
        }
        for &(step, end) in &flight.ends {
            let y = self.rows[step];
            let (class, head, reach) = match end {
                End::Delivered => ("m", Some("m"), 1.0),
                End::Duplicated => ("fault", Some("fault"), 1.0),
                End::Dropped => ("fault", None, 0.6),
                End::Lost => ("lost", None, 0.85),
            };
            let tip = (start.0 + (to - start.0) * reach, y);
            self.line(class, start, tip, head);
            if head.is_none() {
                self.cross(tip);
            }
            let (shift, anchor) = if to > start.0 { (-12.0, "end") } else { (12.0, "start") };
            self.text("word", tip.0 + shift, y - 6.0, anchor, &word);
        }
    }

    /// What is drawn in the row of a step besides messages.
    fn marks(&mut self, place: usize, step: &Step) {
        let y = self.rows[place];
        if let (Some((client, node)), Some(what)) = (step.call(self.trace), step.request()) {
            let (from, to) = (self.lane(client), self.node(node));
            self.line("call", (from, y), (to, y), Some("call"));
            let word = what.split(' ').next().unwrap_or_default().to_string();
            self.text("word", from + 10.0, y - 5.0, "start", &word);
        }
        if let Some((node, client, word)) = answer(step) {
            let (from, to) = (self.node(node), self.lane(client));
            let y = y + ANSWER;
            self.line("answer", (from, y), (to, y), Some("call"));
            self.text("word", to + 10.0, y + 12.0, "start", &word);
        }
        match &step.action {
            Action::Crash(node) | Action::LoseDisk(node) => self.cross((self.node(*node), y)),
            Action::Recover(node) => {
                let x = self.node(*node);
                let _ = writeln!(
                    self.out,
                    "<circle class=\"restart\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"#26a269\"/>"
                );
            }
            Action::Fire { node, timer, .. } => {
                let (x, name) = (self.node(*node), timer.to_string());
                self.clock(x, y);
                let word = name.split(' ').next().unwrap_or_default();
                self.text("word", x + 12.0, y - 5.0, "start", word);
            }
            Action::GiveUp { client, .. } => self.cross((self.lane(*client), y)),
            _ => {}
        }
    }

    /// What a step is and does, beside its row.
    fn words(&mut self, place: usize, step: &Step) {
        let (x, mut y) = (self.text_x(), self.rows[place] + 4.0);
        let class = if step.action.is_fault() { "bad" } else { "name" };
        self.text("small", x + 3.0 * CHAR, y, "end", &(place + 1).to_string());
        self.text(class, x + 4.0 * CHAR, y, "start", &step.text);
        for note in std::mem::take(&mut self.notes[place]) {
            y += LINE;
            let class = if note.starts_with("now false") { "bad" } else { "small" };
            self.text(class, x + 4.0 * CHAR, y, "start", &note);
        }
    }

    fn no_return(&mut self, step: usize) {
        let (y, right) = (self.rows[step] - RISE, self.width - MARGIN);
        self.line("no-return", (MARGIN, y), (right, y), None);
        self.text("no-return", right, y - 3.0, "end", "point of no return");
    }

    fn ending(&mut self) {
        let mut y = self.end_y() + 20.0;
        let bad = self.trace.refutes();
        if bad {
            let width = self.width - 2.0 * MARGIN;
            let _ = writeln!(
                self.out,
                "<rect x=\"{MARGIN}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"3\" fill=\"#c01c28\"/>",
                self.end_y()
            );
        }
        for (place, line) in std::mem::take(&mut self.ending).iter().enumerate() {
            let loud = bad && (place == 0 || line.starts_with("because"));
            let class = if loud { "bad" } else { "small" };
            self.text(class, MARGIN, y, "start", line);
            y += LINE * 1.3;
        }
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64), head: Option<&str>) {
        let head = head.map_or(String::new(), |id| format!(" marker-end=\"url(#head-{id})\""));
        let _ = writeln!(
            self.out,
            "<path class=\"{class}\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"{head}/>",
            from.0, from.1, to.0, to.1
        );
    }

    fn cross(&mut self, (x, y): (f64, f64)) {
        let (left, right, top, bottom) = (x - 5.0, x + 5.0, y - 5.0, y + 5.0);
        let _ = writeln!(
            self.out,
            "<path class=\"cross\" d=\"M{left:.1} {top:.1}L{right:.1} {bottom:.1}\
             M{left:.1} {bottom:.1}L{right:.1} {top:.1}\"/>"
        );
    }

    fn clock(&mut self, x: f64, y: f64) {
        let _ = writeln!(
            self.out,
            "<g class=\"clock\"><circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\"/>\
             <path d=\"M{x:.1} {:.1}V{y:.1}H{:.1}\" fill=\"none\"/></g>",
            y - 5.0,
            x + 4.0
        );
    }

    /// A text, shortened if it is too long; the whole of it shows under the pointer.
    fn text(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        let _ = write!(
            self.out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">"
        );
        if text.chars().count() > MAX_CHARS && class != "title" {
            let short: String = text.chars().take(MAX_CHARS - 1).collect();
            let _ = write!(self.out, "{}…<title>{}</title>", escaped(&short), escaped(text));
        } else {
            self.out.push_str(&escaped(text));
        }
        self.out.push_str("</text>\n");
    }
}

/// The lines beside a step: what the arrows do not show.
fn notes(step: &Step) -> Vec<String> {
    let hidden = |event: &&Event| {
        !matches!(event, Event::Sends { .. } | Event::Waits { .. } | Event::Finishes { .. })
    };
    step.events.iter().filter(hidden).map(Event::to_string).collect()
}

/// The answer that a step gave: by whom, to whom, and its first word.
fn answer(step: &Step) -> Option<(NodeId, usize, String)> {
    step.events.iter().find_map(|event| match event {
        Event::Answers { node, client, answer } => {
            let text = answer.to_string();
            let word = text.split([':', '{', '(']).next().unwrap_or_default().trim();
            Some((*node, *client, word.to_string()))
        }
        _ => None,
    })
}

fn subtitle(trace: &Trace) -> String {
    match trace.property {
        Some(property) => format!("{property}: {}", property.meaning()),
        None => trace.length().to_string(),
    }
}

/// What a message is, without what it says.
fn first_word(message: &Message) -> String {
    let text = message.to_string();
    text.split([' ', ',']).next().unwrap_or_default().to_string()
}

/// Text in which nothing has a meaning for XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
