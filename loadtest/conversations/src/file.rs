//! The file: who said what, on which day, in which minute.
//!
//! Invariant: nothing is left out and nothing changes its place. A line that cannot be read is an error
//! that names it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader};

use flate2::read::GzDecoder;
use serde::Deserialize;

/// The conversations that come with this program; see `data/README.md` for their source and licence.
const OURS: &[u8] = include_bytes!("../data/ubuntu-irc.jsonl.gz");

/// All conversations of a file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conversations {
    nicks: Vec<String>,
    days: Vec<Day>,
}

/// One day, in one room.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Day {
    /// YYYY-MM-DD
    pub date: String,
    /// In the order in which they were said.
    pub lines: Vec<Said>,
}

/// One line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// Of the day, 0 to 1,439.
    pub minute: u32,
    /// Who, as a place among [`Conversations::nicks`].
    pub nick: usize,
    /// What was said.
    pub text: String,
}

/// A file that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It ends in the middle, or is no such file.
    #[error("the file of conversations is not compressed with gzip, or is cut off")]
    Compression(#[source] std::io::Error),
    /// A line is not as it should be.
    #[error("line {line} of the conversations is not what it should be: {problem}")]
    Line {
        /// From 1 on.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

#[derive(Deserialize)]
struct Record {
    day: String,
    minute: String,
    nick: String,
    text: String,
}

impl Conversations {
    /// Those that come with this program: 48,589 lines of 4,636 people on 39 days.
    ///
    /// # Errors
    /// If the program has been altered.
    pub fn ours() -> Result<Self, Malformed> {
        Self::read(OURS)
    }

    /// Reads JSON lines that are compressed with gzip.
    ///
    /// # Errors
    /// If it is something else, or a line is not as it should be.
    pub fn read(compressed: &[u8]) -> Result<Self, Malformed> {
        let mut conversations = Self::default();
        let mut places = HashMap::new();
        let lines = BufReader::new(GzDecoder::new(compressed)).lines();
        for (line, number) in lines.zip(1..) {
            let line = line.map_err(Malformed::Compression)?;
            let wrong = |problem: String| Malformed::Line {
                line: number,
                problem,
            };
            let record: Record =
                serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?;
            let minute = minute(&record.minute)
                .ok_or_else(|| wrong(format!("`{}` is no minute of a day", record.minute)))?;
            let nick = *places.entry(record.nick).or_insert_with_key(|nick| {
                conversations.nicks.push(nick.clone());
                conversations.nicks.len() - 1
            });
            conversations.day(record.day).lines.push(Said {
                minute,
                nick,
                text: record.text,
            });
        }
        Ok(conversations)
    }

    /// Keeps the first days and those who spoke on them.
    pub fn keep_days(&mut self, count: usize) {
        self.days.truncate(count);
        self.keep_speakers();
    }

    /// Keeps the first lines of each of the longest days, the longest first.
    pub fn keep_longest(&mut self, days: usize, lines: usize) {
        self.days.sort_by_key(|day| Reverse(day.lines.len()));
        self.days.truncate(days);
        self.days
            .iter_mut()
            .for_each(|day| day.lines.truncate(lines));
        self.keep_speakers();
    }

    /// Forgets everybody who says nothing.
    fn keep_speakers(&mut self) {
        let kept: BTreeSet<usize> = self.days.iter().flat_map(Day::nicks).collect();
        let places: HashMap<usize, usize> = kept.iter().copied().zip(0..).collect();
        self.nicks = kept.iter().map(|nick| self.nicks[*nick].clone()).collect();
        for said in self.days.iter_mut().flat_map(|day| &mut day.lines) {
            said.nick = places[&said.nick];
        }
    }

    /// Everybody who said something, in the order of their first line.
    pub fn nicks(&self) -> &[String] {
        &self.nicks
    }

    /// The days, in the order of the file.
    pub fn days(&self) -> &[Day] {
        &self.days
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        self.days.iter().map(|day| day.lines.len() as u64).sum()
    }

    /// The last day if it is this one, or else a new one.
    fn day(&mut self, date: String) -> &mut Day {
        if self.days.last().is_none_or(|last| last.date != date) {
            self.days.push(Day {
                date,
                lines: Vec::new(),
            });
        }
        let last = self.days.len() - 1;
        &mut self.days[last]
    }
}

impl Day {
    /// Everybody who said something on this day.
    pub fn nicks(&self) -> BTreeSet<usize> {
        self.lines.iter().map(|said| said.nick).collect()
    }
}

/// The minute of the day that `HH:MM` names.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    }

    const FILE: &str = r#"{"day": "2004-12-25", "minute": "09:14", "nick": "ada", "text": "hello"}
{"day": "2004-12-25", "minute": "09:14", "nick": "bob", "text": "hello, ada"}
{"day": "2005-01-01", "minute": "00:00", "nick": "bob", "text": "happy new year"}
"#;

    #[test]
    fn lines_keep_their_order_and_people_their_names() {
        let read = Conversations::read(&compressed(FILE)).expect("a file");
        assert_eq!(read.nicks(), ["ada", "bob"]);
        assert_eq!(read.lines(), 3);
        let dates: Vec<_> = read.days().iter().map(|day| &day.date[..]).collect();
        assert_eq!(dates, ["2004-12-25", "2005-01-01"]);
        let second = Said {
            minute: 9 * 60 + 14,
            nick: 1,
            text: "hello, ada".to_owned(),
        };
        assert_eq!(read.days()[0].lines[1], second);
        assert_eq!(read.days()[0].nicks().len(), 2);
    }

    #[test]
    fn a_part_has_only_its_own_people() {
        let text = [FILE.lines().last().expect("three lines"), "\n", FILE].concat();
        let mut read = Conversations::read(&compressed(&text)).expect("a file");
        read.keep_days(1);
        assert_eq!((read.nicks(), read.lines()), (&["bob".to_owned()][..], 1));
        assert_eq!(read.days()[0].lines[0].nick, 0);
    }

    #[test]
    fn the_longest_days_come_first_and_are_cut() {
        let text = [FILE.lines().last().expect("three lines"), "\n", FILE].concat();
        let mut read = Conversations::read(&compressed(&text)).expect("a file");
        read.keep_longest(2, 1);
        let dates: Vec<_> = read.days().iter().map(|day| &day.date[..]).collect();
        assert_eq!(dates, ["2004-12-25", "2005-01-01"]);
        assert_eq!((read.nicks().len(), read.lines()), (2, 2));
        let said = |day: &Day| read.nicks()[day.lines[0].nick].clone();
        assert_eq!(
            read.days().iter().map(said).collect::<Vec<_>>(),
            ["ada", "bob"]
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let text = format!("{FILE}{{\"day\": 1}}\n");
        let error = Conversations::read(&compressed(&text)).expect_err("no date");
        assert!(error.to_string().starts_with("line 4"), "{error}");
        let text = FILE.replace("09:14", "24:00");
        assert!(Conversations::read(&compressed(&text)).is_err());
        let whole = compressed(FILE);
        assert!(Conversations::read(&whole[..whole.len() / 2]).is_err());
    }

    #[test]
    fn what_comes_with_the_program_is_all_there() {
        let read = Conversations::ours().expect("our own file");
        let counts = (read.lines(), read.nicks().len(), read.days().len());
        assert_eq!(counts, (48_589, 4_636, 39));
    }
}
