//! Columns that line up, whatever the width of what stands in them.

use std::fmt;

use crate::text::{clean_line, fit, width};

/// Between two columns.
const GAP: &str = "  ";

/// Rows of cells, made harmless on their way in.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        let mut table = Self::bare();
        table.row(headings);
        table
    }

    /// Without headings.
    pub(super) const fn bare() -> Self {
        Self { rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: &[&str]) {
        self.rows
            .push(cells.iter().map(|cell| clean_line(cell)).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        for row in &self.rows {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| fit(cell, *width));
            let line = cells.collect::<Vec<_>>().join(GAP);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_under_wide_characters() {
        let mut table = Table::new(&["A", "B"]);
        table.row(&["漢字", "x"]);
        table.row(&["a", "b\nc"]);
        assert_eq!(table.to_string(), "A     B\n漢字  x\na     b c\n");
    }
}
