//! A table, and the three ways to print it.

use comfy_table::{CellAlignment, Table, presets};
use maud::{Markup, html};
use std::ops::Range;

/// A table of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// The names of the columns.
    pub head: Vec<&'static str>,
    /// As many cells in each as there are columns.
    pub rows: Vec<Vec<String>>,
    /// The columns that stand at the right.
    pub numbers: Range<usize>,
}

impl Sheet {
    /// For a terminal.
    pub fn text(&self) -> String {
        let mut table = self.table(presets::NOTHING);
        // Without lines between them, numbers need no gap on both sides.
        for column in self.numbers.clone() {
            table.column_mut(column).expect("it has so many columns").set_padding((0, 1));
        }
        table.trim_fmt()
    }

    /// For a file of reports/.
    pub fn markdown(&self) -> String {
        self.table(presets::ASCII_MARKDOWN).trim_fmt()
    }

    fn table(&self, style: comfy_table::TableStyle) -> Table {
        let mut table = Table::new();
        table.load_style(style).set_header(&self.head).add_rows(&self.rows);
        for column in self.numbers.clone() {
            let column = table.column_mut(column).expect("it has so many columns");
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// For the page. What `link` knows of the cell at a row and a column is where it leads.
    pub(super) fn html(&self, link: &dyn Fn(usize, usize) -> Option<String>) -> Markup {
        let class = |column| self.numbers.contains(&column).then_some("n");
        html! {
            table {
                thead { tr { @for name in &self.head { th { (name) } } } }
                tbody {
                    @for (row, cells) in self.rows.iter().enumerate() {
                        tr {
                            @for (column, cell) in cells.iter().enumerate() {
                                td class=[class(column)] {
                                    @match link(row, column) {
                                        Some(id) => a href={ "#" (id) } { (cell) },
                                        None => (cell),
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sheet;

    fn sheet() -> Sheet {
        let text = |cells: [&str; 2]| cells.map(String::from).to_vec();
        Sheet {
            head: vec!["name", "steps"],
            rows: vec![text(["a<b", "7"]), text(["c", "holds"])],
            numbers: 1..2,
        }
    }

    #[test]
    fn is_printed_for_terminals_and_for_files() {
        assert_eq!(sheet().text(), " name steps\n a<b      7\n c    holds");
        let markdown = sheet().markdown();
        assert!(markdown.starts_with("| name | steps |\n|------|-------|\n"), "{markdown}");
    }

    #[test]
    fn cells_on_the_page_are_escaped_and_lead_somewhere() {
        let link = |row, column| (row == 0 && column == 1).then(|| "x".to_string());
        let page = sheet().html(&link).into_string();
        assert!(
            page.contains("<td>a&lt;b</td><td class=\"n\"><a href=\"#x\">7</a></td>"),
            "{page}"
        );
    }
}
