//! Tables of numbers, for people.

use comfy_table::{CellAlignment, Table, TableStyle};
use std::ops::Range;

/// A table of which these columns hold numbers.
pub(super) fn print(
    style: TableStyle,
    head: &[&str],
    numbers: Range<usize>,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    table.load_style(style).set_header(head).add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
