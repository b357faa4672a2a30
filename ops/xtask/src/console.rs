//! What a person sees: headers, results and one table, in colour where somebody looks.
//!
//! Invariant: our own words go to standard error, so that standard output belongs to the program
//! that is run (`bench --json` ends with its one object). Colours only on a terminal, and never
//! where `NO_COLOR` is set.

use std::env;
use std::io::{self, IsTerminal, Write};

/// A colour with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Passed.
    Good,
    /// Failed.
    Bad,
    /// Not run, or beside the point.
    Quiet,
    /// The title of what follows.
    Title,
}

/// Standard error as a person reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    coloured: bool,
}

impl Console {
    /// A console that knows whether somebody looks.
    pub(crate) fn new() -> Self {
        Self {
            coloured: io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none(),
        }
    }

    /// One line.
    pub(crate) fn line(&self, text: &str) {
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// What went wrong, as the last word of this program.
    pub(crate) fn error(&self, text: &str) {
        self.line(&format!("{} {text}", self.paint(Tone::Bad, "error:")));
    }

    /// Text in the colour of its meaning.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Quiet => "2",
            Tone::Title => "1;36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Cells as aligned columns; the last column is not padded.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| visible(cell))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let padded = |(column, cell): (usize, &String)| {
        let blanks = if column + 1 == count {
            0
        } else {
            widths[column] - visible(cell)
        };
        format!("{cell}{}", " ".repeat(blanks))
    };
    let line = |row: &Vec<String>| {
        row.iter()
            .enumerate()
            .map(padded)
            .collect::<Vec<_>>()
            .join("  ")
    };
    rows.iter().map(line).collect()
}

/// How many columns of a terminal a text takes: colour codes take none.
fn visible(text: &str) -> usize {
    let mut rest = text;
    let mut count = 0;
    while let Some(start) = rest.find('\x1b') {
        count += rest[..start].chars().count();
        rest = rest[start..].split_once('m').map_or("", |(_, after)| after);
    }
    count + rest.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colours() {
        let console = Console { coloured: true };
        let rows = [
            vec![
                "fmt".to_owned(),
                console.paint(Tone::Good, "passed"),
                "1s".to_owned(),
            ],
            vec!["clippy".to_owned(), "x".to_owned(), "20s".to_owned()],
        ];
        let lines = columns(&rows);
        assert_eq!(lines[0], "fmt     \x1b[32mpassed\x1b[0m  1s");
        assert_eq!(lines[1], "clippy  x       20s");
    }

    #[test]
    fn nobody_looking_means_no_colour() {
        let console = Console { coloured: false };
        assert_eq!(console.paint(Tone::Bad, "failed"), "failed");
    }
}
