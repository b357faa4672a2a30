//! Real conversations, fed through a server that is killed again and again.
//!
//! Everybody who spoke in the file has an account and a session of the SDK, every day is a room, and all
//! who spoke on a day are members of its room and follow it. The days run side by side, sped up; within a
//! day a message leaves when it is due and the one before it was acknowledged, so the order of the file is
//! the order of the room. Meanwhile the server is killed with -9 and started again. Nobody is told:
//! sessions come back by themselves, and send again under the same id what was not answered.
//!
//! At the end two things are compared with the file, line by line: the history of every room, as it is
//! read from the server; and the number of events that every session was given live, each once and in
//! order.

mod audience;
mod schedule;
mod speakers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use loadtest_conversations::{Comparison, Conversations, Day, Line, compare};
use rookery_client::{Client, Tuning};
use tokio::time::{Instant, sleep};

use crate::cli::ReplayOptions;
use crate::console::{Console, Stage};
use crate::limits::SETTLE_WITHIN;
use crate::log;
use crate::people::{self, Person};
use crate::report::{Goal, Report, Row, shown};
use crate::rookery::Rookery;
use crate::stats::{length, median, number};
use audience::{Audience, Heard};
use speakers::{PROGRESS_POLL, Room, speak};

/// The bar for all days: fewer restarts prove less. A few days are a trial, and need those asked for.
const KILLS_MIN: u32 = 10;

/// Nobody is silent for longer in a file of days, however slowly it is played.
const DAY: Duration = Duration::from_hours(24);

/// How a run went, besides what is compared.
#[derive(Debug, Default)]
struct Course {
    accounts_per_second: f64,
    seconds: f64,
    away_ms: Vec<f64>,
    retries: u64,
}

/// Runs the conversations, and prints what came of it. Whether everything is as it has to be.
///
/// # Errors
/// If it cannot be run.
pub(crate) async fn run(options: &ReplayOptions) -> anyhow::Result<bool> {
    let console = Console::new(options.json);
    let mut conversations = match &options.data {
        Some(path) => {
            let bytes = std::fs::read(path);
            Conversations::read(&bytes.with_context(|| format!("cannot read {}", path.display()))?)
        }
        None => Conversations::ours(),
    }?;
    if let Some(days) = options.days {
        conversations.keep_days(days);
    }
    let mut server = Rookery::start().await?;
    let sdk = server.server(Tuning::LIGHT)?;
    let administrator = people::administrator(&sdk, server.invitation()).await?;
    let mut course = Course::default();

    let nicks = conversations.nicks();
    let stage = console.stage("replay: accounts", nicks.len() as u64);
    let began = Instant::now();
    let people = people::people(&sdk, &administrator, nicks, &stage).await?;
    course.accounts_per_second = length(people.len()) / began.elapsed().as_secs_f64();
    drop(stage);
    let rooms = rooms(&conversations, &administrator, &people, console).await?;
    let stage = console.stage("replay: sessions", people.len() as u64);
    let audience = Audience::gather(&sdk, &people, &rooms, &stage).await?;
    drop(stage);

    let total = conversations.lines();
    let stage = console.stage("replay: messages", total);
    let said = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let speaking = speak(&conversations, &rooms, &audience, options.speed, &said);
    let progress = Progress {
        said: &said,
        stage: &stage,
        silence_max: SETTLE_WITHIN + DAY.div_f64(options.speed),
    };
    let killing = kills(&mut server, options.kills, total, &progress);
    let ((sent, retries), away_ms) = tokio::try_join!(speaking, killing)?;
    (course.retries, course.away_ms) = (retries, away_ms);
    drop(stage);
    let heard = audience.until_all_is_heard(&rooms, &sent, console).await?;
    course.seconds = began.elapsed().as_secs_f64();

    let stage = console.stage("replay: comparing", rooms.len() as u64);
    let mut comparison = Comparison::default();
    for (room, lines) in rooms.iter().zip(&sent) {
        let found = found(&administrator.client, room).await?;
        comparison = comparison.and(compare(lines, &found));
        stage.inc(1);
    }
    drop(stage);
    let report = report(options, &conversations, comparison, &heard, &course);
    console.result(&report, &sentence(&course, comparison, total))?;
    Ok(report.is_met())
}

fn sentence(course: &Course, comparison: Comparison, total: u64) -> String {
    let shown = |count| shown(number(count));
    format!(
        "{} of {} messages in order, {} missing, {} doubled, {} out of order; the server was killed -9 and restarted {} times",
        shown(comparison.right),
        shown(total),
        shown(comparison.missing),
        shown(comparison.doubled),
        shown(comparison.out_of_order),
        course.away_ms.len(),
    )
}

/// A room for each day, with all in it who spoke on that day.
async fn rooms(
    conversations: &Conversations,
    administrator: &Person,
    people: &[Person],
    console: Console,
) -> anyhow::Result<Vec<Room>> {
    let members = |day: &Day| -> Vec<usize> { day.nicks().into_iter().collect() };
    let total = conversations.days().iter().map(|day| members(day).len());
    let stage = console.stage("replay: members of rooms", total.sum::<usize>() as u64);
    let mut rooms = Vec::new();
    for day in conversations.days() {
        let members = members(day);
        let persons: Vec<_> = members.iter().map(|nick| &people[*nick]).collect();
        let name = people::room(administrator, &day.date, &persons, &stage).await?;
        let head = administrator.client.room(&name).await?.head_seq;
        rooms.push(Room {
            name,
            head,
            members,
        });
    }
    Ok(rooms)
}

/// How far the conversations are.
struct Progress<'a> {
    said: &'a AtomicU64,
    stage: &'a Stage,
    /// Silence for this long means that the messages do not get through.
    silence_max: Duration,
}

/// Kills the server each time when another equal part of the messages is acknowledged. Returns how long
/// it was away after each kill, in milliseconds.
async fn kills(
    server: &mut Rookery,
    count: u32,
    total: u64,
    progress: &Progress<'_>,
) -> anyhow::Result<Vec<f64>> {
    let mut away_ms = Vec::new();
    for kill in 1..=u64::from(count) {
        let part = total * kill / (u64::from(count) + 1);
        progress.reaches(part, || server.lives()).await?;
        let shown = shown(number(progress.said.load(Ordering::Relaxed)));
        progress.stage.says(format!(
            "replay: kill {kill} of {count} at {shown} messages"
        ));
        server.kill()?;
        let killed = Instant::now();
        server.launch().await?;
        away_ms.push(killed.elapsed().as_secs_f64() * 1e3);
    }
    progress.reaches(total, || server.lives()).await?;
    Ok(away_ms)
}

impl Progress<'_> {
    /// Waits until so many messages are acknowledged.
    ///
    /// # Errors
    /// If the server does not live any more, or nothing is acknowledged for too long.
    async fn reaches(
        &self,
        part: u64,
        mut lives: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let now = self.said.load(Ordering::Relaxed);
            self.stage.set(now);
            if now >= part {
                return Ok(());
            }
            lives()?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            ensure!(
                since.elapsed() <= self.silence_max,
                "no message was acknowledged for {:?}, and {} are to come",
                self.silence_max,
                part - now,
            );
            sleep(PROGRESS_POLL).await;
        }
    }
}

/// What a room's history holds.
async fn found(client: &Client, room: &Room) -> anyhow::Result<Vec<Line>> {
    let events = log::read(client, &room.name).await?;
    let lines = events.into_iter().filter_map(|event| {
        let message = log::message(&event)?;
        Some(Line {
            id: message.client_message_id.clone(),
            author: event.actor.clone(),
            text: message.body.clone(),
        })
    });
    Ok(lines.collect())
}

/// How often the server has to be killed for the run to count.
fn kills_min(options: &ReplayOptions) -> u32 {
    match options.days {
        Some(_) => options.kills,
        None => KILLS_MIN,
    }
}

fn report(
    options: &ReplayOptions,
    conversations: &Conversations,
    comparison: Comparison,
    heard: &Heard,
    course: &Course,
) -> Report {
    let total = number(conversations.lines());
    let mut report = Report::new("replay");
    report.row(
        Row::new("messages in order", "messages", number(comparison.right))
            .goal(Goal::Exactly(total)),
    );
    for (figure, count) in [
        ("messages missing", comparison.missing),
        ("messages doubled", comparison.doubled),
        ("messages out of order", comparison.out_of_order),
        ("messages with another author or text", comparison.altered),
        ("messages that nobody sent", comparison.foreign),
    ] {
        report.row(Row::new(figure, "messages", number(count)).goal(Goal::Exactly(0.0)));
    }
    report
        .row(
            Row::new("restarts after kill -9", "", length(course.away_ms.len()))
                .goal(Goal::AtLeast(f64::from(kills_min(options)))),
        )
        .row(
            Row::new("live deliveries", "events", number(heard.events))
                .goal(Goal::Exactly(number(heard.expected))),
        )
        .row(
            Row::new(
                "deliveries skipped or repeated",
                "events",
                number(heard.broken),
            )
            .goal(Goal::Exactly(0.0)),
        )
        .row(Row::new(
            "from a kill to the next connection",
            "ms",
            median(&course.away_ms).unwrap_or(f64::NAN),
        ))
        .row(Row::new("the conversations took", "s", course.seconds))
        .row(Row::new(
            "accounts registered",
            "1/s",
            course.accounts_per_second,
        ))
        .check("messages", conversations.lines())
        .check("people", conversations.nicks().len() as u64)
        .check("rooms", conversations.days().len() as u64)
        .check("streams that came back", heard.reconnects)
        .check("sends that failed and were made again", course.retries)
        .detail("times faster", options.speed);
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(days: Option<usize>) -> ReplayOptions {
        ReplayOptions {
            kills: 2,
            data: None,
            speed: 1_440.0,
            days,
            json: true,
        }
    }

    /// What comes of waiting for ten messages of which five were acknowledged.
    async fn waiting(lives: impl FnMut() -> anyhow::Result<()>) -> String {
        let said = AtomicU64::new(5);
        let progress = Progress {
            said: &said,
            stage: &Stage::hidden(),
            silence_max: Duration::from_secs(90),
        };
        progress
            .reaches(5, || Ok(()))
            .await
            .expect("five are there");
        let waited = progress.reaches(10, lives).await;
        waited.expect_err("nobody says more").to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_dies_by_itself_ends_the_run() {
        let mut polls = 0;
        let error = waiting(|| {
            polls += 1;
            ensure!(polls < 3, "the process ended by itself");
            Ok(())
        });
        assert_eq!(error.await, "the process ended by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_do_not_get_through_end_the_run() {
        let error = waiting(|| Ok(())).await;
        assert!(
            error.contains("90s") && error.contains("5 are to come"),
            "{error}"
        );
    }

    #[test]
    fn kills_are_those_that_happened_and_a_trial_needs_those_asked_for() {
        let met = |days, kills| {
            let course = Course {
                away_ms: vec![20.0; kills],
                seconds: 1.0,
                accounts_per_second: 1.0,
                retries: 0,
            };
            let heard = Heard {
                events: 1,
                expected: 1,
                broken: 0,
                reconnects: 0,
            };
            let conversations = Conversations::default();
            let comparison = Comparison::default();
            report(&options(days), &conversations, comparison, &heard, &course).is_met()
        };
        assert!(met(Some(1), 2) && !met(Some(1), 1));
        assert!(met(None, 10) && !met(None, 9));
    }
}
