//! A crowd: one sender and many receivers of one room, each on a connection of its own.
//!
//! The crowd does not know which server it stands before. It counts a message as delivered when the
//! receiver has its frame in hand, and looks at no more of it than its number.
//!
//! Invariant: whatever is sent arrives at every receiver once, or the round fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use rookery_client::v1::ClientFrame;
use rookery_client::v1::client_frame::Command;
use rookery_client::{FrameReceiver, FrameSender, Outgoing, Server};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::within;
use crate::console::Stage;
use crate::flights::Flights;
use crate::frames::{Glance, glances};
use crate::limits::SETTLE_WITHIN;
use crate::lines::{self, Caller, Line};
use crate::stats::{Latencies, number};

/// How often a paced sender wakes up: the finest that the timer gives.
const TICK: Duration = Duration::from_millis(1);

/// One sender, many receivers, one room.
#[derive(Debug)]
pub(super) struct Crowd {
    room: String,
    body: String,
    receivers: usize,
    flights: Arc<Flights>,
    sender: FrameSender,
    next_seq: u64,
    frames: Arc<AtomicU64>,
    failure: Arc<Mutex<Option<anyhow::Error>>>,
    // What keeps the receivers' streams open, and reads them.
    _senders: Vec<FrameSender>,
    _tasks: JoinSet<()>,
}

/// Who makes up a crowd, and what is said in it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) room: String,
    /// The newest event of the room before the crowd comes.
    pub(super) head: u64,
    pub(super) sender: Caller,
    pub(super) receivers: Vec<Caller>,
    /// Messages in the air at a time.
    pub(super) window: u32,
    pub(super) body_bytes: usize,
}

/// What one round came to.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) messages: u64,
    pub(super) deliveries: u64,
    /// gRPC messages that these came in.
    pub(super) frames: u64,
    pub(super) elapsed: Duration,
    pub(super) latencies: Latencies,
}

impl Round {
    pub(super) fn deliveries_per_second(&self) -> f64 {
        number(self.deliveries) / self.elapsed.as_secs_f64()
    }

    pub(super) fn messages_per_second(&self) -> f64 {
        number(self.messages) / self.elapsed.as_secs_f64()
    }

    pub(super) fn deliveries_per_frame(&self) -> f64 {
        number(self.deliveries) / number(self.frames)
    }
}

impl Crowd {
    /// Opens all streams.
    ///
    /// # Errors
    /// If one of them cannot be opened.
    pub(super) async fn gather(server: &Server, plan: Plan, stage: &Stage) -> anyhow::Result<Self> {
        let lines = lines::open_many(server, &plan.receivers, stage).await?;
        Self::of(server, plan, lines).await
    }

    /// A crowd of receivers whose lines are open.
    ///
    /// # Errors
    /// If the sender's cannot be opened.
    pub(super) async fn of(server: &Server, plan: Plan, lines: Vec<Line>) -> anyhow::Result<Self> {
        let sender = lines::open(server, &plan.sender).await?;
        let receivers = lines.len();
        let count = u32::try_from(receivers).context("too many receivers")?;
        let flights = Arc::new(Flights::new(count, plan.window));
        let (frames, failure) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
        let (mut senders, mut tasks) = (Vec::with_capacity(receivers), JoinSet::new());
        for line in lines {
            senders.push(line.sender);
            let (flights, frames) = (Arc::clone(&flights), Arc::clone(&frames));
            let failure = Arc::clone(&failure);
            tasks.spawn(async move {
                if let Err(error) = receive(line.receiver, &flights, &frames).await {
                    failure.lock().get_or_insert(error);
                }
            });
        }
        let own = Arc::clone(&failure);
        tasks.spawn(async move {
            if let Err(error) = ignore(sender.receiver).await {
                own.lock().get_or_insert(error);
            }
        });
        Ok(Self {
            room: plan.room,
            body: "x".repeat(plan.body_bytes),
            receivers,
            flights,
            sender: sender.sender,
            next_seq: plan.head + 1,
            frames,
            failure,
            _senders: senders,
            _tasks: tasks,
        })
    }

    /// Sends as fast as the receivers take it, for `span`, with a full window in the air.
    ///
    /// # Errors
    /// If a stream breaks or something does not arrive.
    pub(super) async fn blast(&mut self, span: Duration) -> anyhow::Result<Round> {
        let start = self.start();
        let end = start.at + span;
        while Instant::now() < end {
            let flights = Arc::clone(&self.flights);
            within("no message came through", SETTLE_WITHIN, flights.place()).await?;
            self.send(Instant::now()).await?;
        }
        self.finish(start).await
    }

    /// Sends this many messages, as fast as the receivers take them.
    ///
    /// # Errors
    /// As [`Crowd::blast`].
    pub(super) async fn volley(&mut self, messages: u32) -> anyhow::Result<Round> {
        let start = self.start();
        for _ in 0..messages {
            let flights = Arc::clone(&self.flights);
            within("no message came through", SETTLE_WITHIN, flights.place()).await?;
            self.send(Instant::now()).await?;
        }
        self.finish(start).await
    }

    /// Sends `rate` messages a second for `span`, whether or not the receivers keep up; what has to wait
    /// for a place in the air has its wait counted.
    ///
    /// Latency counts from the moment at which the sender woke up to send: the timer wakes it up to a
    /// millisecond late, which is the sender's lateness and nobody else's.
    ///
    /// # Errors
    /// As [`Crowd::blast`].
    pub(super) async fn pace(&mut self, rate: f64, span: Duration) -> anyhow::Result<Round> {
        let start = self.start();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut sent = 0.0;
        loop {
            ticks.tick().await;
            let due = Instant::now();
            let elapsed = due - start.at;
            if elapsed >= span {
                break;
            }
            while sent < rate * elapsed.as_secs_f64() {
                let flights = Arc::clone(&self.flights);
                within("no message came through", SETTLE_WITHIN, flights.place()).await?;
                self.send(due).await?;
                sent += 1.0;
            }
        }
        self.finish(start).await
    }

    /// The last message that was sent.
    pub(super) fn head(&self) -> u64 {
        self.next_seq - 1
    }

    fn start(&self) -> Start {
        drop(self.flights.take_latencies());
        Start {
            at: Instant::now(),
            landed: self.flights.landed(),
            frames: self.frames.load(Ordering::Relaxed),
        }
    }

    async fn send(&mut self, due: Instant) -> anyhow::Result<()> {
        self.flights.launch(self.next_seq, due);
        self.next_seq += 1;
        let message = Outgoing::new(self.room.clone(), self.body.clone());
        let command = Some(Command::SendMessage(message.request().clone()));
        // No reply is wanted: the event itself is the answer.
        let frame = ClientFrame {
            request_id: 0,
            command,
        };
        Ok(self.sender.send(frame).await?)
    }

    async fn finish(&self, start: Start) -> anyhow::Result<Round> {
        let settled = within(
            "messages did not arrive everywhere",
            SETTLE_WITHIN,
            self.flights.all_landed(),
        );
        let settled = settled.await;
        if let Some(error) = self.failure.lock().take() {
            return Err(error.context("a receiver's stream broke"));
        }
        settled?;
        let elapsed = start.at.elapsed();
        ensure!(self.flights.stray() == 0, "something was delivered twice");
        let messages = self.flights.landed() - start.landed;
        Ok(Round {
            messages,
            deliveries: messages * self.receivers as u64,
            frames: self.frames.load(Ordering::Relaxed) - start.frames,
            elapsed,
            latencies: self.flights.take_latencies(),
        })
    }
}

struct Start {
    at: Instant,
    landed: u64,
    frames: u64,
}

async fn receive(
    mut receiver: FrameReceiver,
    flights: &Flights,
    frames: &AtomicU64,
) -> anyhow::Result<()> {
    while let Some(frame) = receiver.next_encoded().await? {
        frames.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        for glance in glances(&frame) {
            if let Glance::Event { seq } = glance? {
                flights.arrived(seq, now);
            }
        }
    }
    anyhow::bail!("the server closed the stream")
}

/// The sender follows no room; it gets counters.
async fn ignore(mut receiver: FrameReceiver) -> anyhow::Result<()> {
    while receiver.next_encoded().await?.is_some() {}
    anyhow::bail!("the server closed the sender's stream")
}

/// The server's processor time for one delivery, in microseconds.
pub(super) fn micros_per_delivery(spent: Duration, round: &Round) -> f64 {
    spent.as_secs_f64() * 1e6 / number(round.deliveries)
}
