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
mod conversations;
mod schedule;
mod speakers;
mod verify;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use rookery_client::{Client, Tuning};
use tokio::time::{Instant, sleep};

use crate::cli::ReplayOptions;
use crate::console::{Console, Stage};
use crate::log;
use crate::people::{self, Person};
use crate::report::{Goal, Report, Row, shown};
use crate::rookery::Rookery;
use crate::stats::{median, number};
use audience::{Audience, Heard};
use conversations::{Conversations, Day};
use speakers::{PROGRESS_POLL, Room, speak};
use verify::{Comparison, Line};

/// The conversations that come with this program; see `data/README.md` for their source and licence.
const DATA: &[u8] = include_bytes!("../data/ubuntu-irc.jsonl.gz");

/// The bar: fewer restarts prove less.
const KILLS_MIN: f64 = 10.0;

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
        None => Conversations::read(DATA),
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
    course.accounts_per_second = crate::stats::length(people.len()) / began.elapsed().as_secs_f64();
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
    let killing = kills(
        &mut server,
        options.kills,
        total,
        &said,
        &stage,
        &mut course,
    );
    let ((sent, retries), ()) = tokio::try_join!(speaking, killing)?;
    course.retries = retries;
    drop(stage);
    let heard = audience.until_all_is_heard(&rooms, &sent, console).await?;
    course.seconds = began.elapsed().as_secs_f64();

    let stage = console.stage("replay: comparing", rooms.len() as u64);
    let mut comparison = Comparison::default();
    for (room, lines) in rooms.iter().zip(&sent) {
        let found = found(&administrator.client, room).await?;
        comparison = comparison.and(verify::compare(lines, &found));
        stage.inc(1);
    }
    drop(stage);
    let report = report(options, &conversations, comparison, &heard, &course);
    console.result(&report, &sentence(options, comparison, total))?;
    Ok(report.is_met())
}

fn sentence(options: &ReplayOptions, comparison: Comparison, total: u64) -> String {
    let shown = |count| shown(number(count));
    format!(
        "{} of {} messages in order, {} missing, {} doubled, {} out of order; the server was killed -9 and restarted {} times",
        shown(comparison.right),
        shown(total),
        shown(comparison.missing),
        shown(comparison.doubled),
        shown(comparison.out_of_order),
        options.kills,
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

/// Kills the server each time when another equal part of the messages is acknowledged.
async fn kills(
    server: &mut Rookery,
    count: u32,
    total: u64,
    said: &AtomicU64,
    stage: &Stage,
    course: &mut Course,
) -> anyhow::Result<()> {
    for kill in 1..=u64::from(count) {
        let part = total * kill / (u64::from(count) + 1);
        reached(part, said, stage).await;
        let shown = shown(number(said.load(Ordering::Relaxed)));
        stage.says(format!(
            "replay: kill {kill} of {count} at {shown} messages"
        ));
        server.kill()?;
        let killed = Instant::now();
        server.launch().await?;
        course.away_ms.push(killed.elapsed().as_secs_f64() * 1e3);
    }
    reached(total, said, stage).await;
    Ok(())
}

async fn reached(part: u64, said: &AtomicU64, stage: &Stage) {
    loop {
        let now = said.load(Ordering::Relaxed);
        stage.set(now);
        if now >= part {
            return;
        }
        sleep(PROGRESS_POLL).await;
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
            Row::new("restarts after kill -9", "", f64::from(options.kills))
                .goal(Goal::AtLeast(KILLS_MIN)),
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
