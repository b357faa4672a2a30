//! The session's task: owns the stream, serves it, comes back when it breaks.
//!
//! Invariant: it never waits for the program while commands are in flight, so a program may await a
//! command wherever it likes. It ends when [`Incoming`](super::Incoming) is dropped, at a sign-out, and
//! at an error that another attempt cannot mend.

use std::collections::VecDeque;
use std::sync::Arc;

use prost::Message as _;
use proto::v1::client_frame::Command;
use proto::v1::farewell::Reason;
use proto::v1::server_item::Item as Sent;
use proto::v1::{
    ClientFrame, FollowRoom, Hello, Ready, Reply, ServerItem, SetPresence, WatchPresence,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::cursors::Cursors;
use super::end::{End, ended_by, ended_with, lost};
use super::heal::Heal;
use super::in_flight::{Ask, InFlight};
use super::intake::{self, Effect};
use super::queue::Queue;
use super::{Item, SessionOptions};
use crate::stream::{FrameReceiver, FrameSender};
use crate::{Backoff, Client, Error, limits, random};

/// Opens the first stream. The future that comes back is the rest of the session.
pub(super) async fn start(
    client: Client,
    options: SessionOptions,
    queue: Arc<Queue>,
    asked: mpsc::Receiver<Ask>,
) -> Result<impl Future<Output = ()> + Send + 'static, Error> {
    let mut cursors = Cursors::default();
    for room in options.follow {
        cursors.follow(&FollowRoom::from(room), true);
    }
    let mut driver = Driver {
        client,
        backoff: options.backoff,
        queue,
        asked: Some(asked),
        cursors,
        in_flight: InFlight::default(),
        notes: VecDeque::new(),
        presence: options.presence.map(i32::from),
        watch: options.watch,
        left: false,
        heal: Heal::default(),
    };
    let stream = driver.open_patiently().await?;
    let ready = &stream.ready;
    driver.queue.push([Item::Ready {
        account: ready.account.clone(),
        session_id: ready.session_id.clone(),
    }]);
    Ok(driver.run(stream))
}

struct Driver {
    client: Client,
    backoff: Backoff,
    queue: Arc<Queue>,
    /// Commands of the handles; `None` when there are no handles any more.
    asked: Option<mpsc::Receiver<Ask>>,
    cursors: Cursors,
    in_flight: InFlight,
    /// Frames whose replies nobody waits for.
    notes: VecDeque<ClientFrame>,
    /// As set last, to be set again on each stream.
    presence: Option<i32>,
    /// As set last, to be set again on each stream.
    watch: Vec<String>,
    /// Whether events were left on the server that are not asked for yet.
    left: bool,
    /// Until when what was asked for has to be there.
    heal: Heal,
}

/// A stream that stands.
struct Stream {
    sender: FrameSender,
    receiver: FrameReceiver,
    ready: Ready,
    /// What came in one frame with the Ready.
    first: Vec<ServerItem>,
}

impl Driver {
    async fn run(mut self, first: Stream) {
        let mut stream = first;
        let mut attempt = 0;
        loop {
            let since = Instant::now();
            let end = self.serve(stream).await;
            if since.elapsed() >= limits::STABLE_AFTER {
                attempt = 0;
            }
            stream = match self.come_back(end, &mut attempt).await {
                Ok(stream) => stream,
                Err(last) => return self.finish(last),
            };
        }
    }

    /// Tells the program, and everybody who waits for an answer, that this was it.
    fn finish(mut self, last: Item) {
        let signed_out = matches!(last, Item::SignedOut);
        let error = || {
            if signed_out {
                Error::SignedOut
            } else {
                Error::Ended
            }
        };
        self.in_flight.fail_all(error);
        if let Some(mut asked) = self.asked.take() {
            asked.close();
            while let Ok(ask) = asked.try_recv() {
                // Whoever asked may have stopped waiting.
                let _ = ask.reply.send(Err(error()));
            }
        }
        self.queue.push([last]);
        self.queue.close();
    }

    /// A new stream, after as many attempts as it takes; or the last item of the session.
    async fn come_back(&mut self, end: End, attempt: &mut u32) -> Result<Stream, Item> {
        let mut end = end;
        loop {
            let (asked, cause) = match end {
                End::SignedOut => return Err(Item::SignedOut),
                End::Fatal(error) => return Err(Item::Ended(error)),
                End::Lost { asked, cause } => (asked, cause),
            };
            *attempt = attempt.saturating_add(1);
            let wait = self.backoff.wait_after(asked, *attempt, random::number());
            self.tell(Item::Reconnecting {
                attempt: *attempt,
                wait,
                cause,
            });
            sleep(wait).await;
            match self.open().await {
                Ok(stream) => {
                    self.tell(Item::Reconnected);
                    return Ok(stream);
                }
                Err(error) => end = ended_by(error),
            }
        }
    }

    /// Says something about the connection, unless nobody has read anything for long.
    fn tell(&self, item: Item) {
        if !self.queue.is_stuffed() {
            self.queue.push([item]);
        }
    }

    /// The first stream, with the retries of a call.
    async fn open_patiently(&mut self) -> Result<Stream, Error> {
        let retry = self.client.server().retry();
        let began = Instant::now();
        let mut attempt = 1;
        loop {
            let error = match self.open().await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            match retry.wait(attempt, began.elapsed(), &error, random::number()) {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
            attempt += 1;
        }
    }

    async fn open(&mut self) -> Result<Stream, Error> {
        let follow_rooms = self.cursors.hello();
        // On the heap: the future of a call is large, and an idle session's task must not be.
        let opening = Box::pin(open(&self.client, Hello { follow_rooms }));
        let opened = timeout(limits::READY_TIMEOUT, opening).await;
        opened.unwrap_or(Err(Error::TimedOut))
    }

    /// Serves one stream until it ends.
    async fn serve(&mut self, stream: Stream) -> End {
        let Stream {
            sender,
            mut receiver,
            first,
            ..
        } = stream;
        self.begin();
        if let Some(end) = self.take(first) {
            return end;
        }
        loop {
            let slow = self.queue.is_full();
            self.heal.pace(slow, Instant::now());
            let heal_by = self.heal.due();
            let reads = !slow || (!self.in_flight.is_empty() && !self.queue.is_stuffed());
            let asks = self.asked.is_some() && self.in_flight.has_room();
            // Sending comes first, and cannot starve the rest: what is in flight has a bound.
            tokio::select! {
                biased;
                permit = sender.reserve(), if self.has_frames() => match permit {
                    Ok(permit) => if let Some(frame) = self.next_frame() {
                        permit.send(frame.encode_to_vec().into());
                    },
                    Err(_) => return lost("the stream was closed"),
                },
                ask = next_ask(&mut self.asked), if asks => match ask {
                    Some(ask) => self.admit(ask),
                    None => self.asked = None,
                },
                () = self.queue.drained(), if slow || self.left => self.ask_for_what_was_left(),
                () = sleep_until(heal_by.unwrap_or_else(Instant::now)), if heal_by.is_some() => {
                        self.heal = Heal::default();
                        if self.cursors.any_behind() && !self.left {
                            return lost("events are missing");
                        }
                    }
                frame = receiver.next(), if reads => {
                    let end = match frame {
                        Ok(Some(frame)) => self.take(frame.items),
                        Ok(None) => Some(lost("the server closed the stream")),
                        Err(error) => Some(ended_by(error)),
                    };
                    if let Some(end) = end {
                        return end;
                    }
                }
            }
        }
    }

    /// What a new stream has to be told besides its Hello.
    fn begin(&mut self) {
        self.left = false;
        self.heal = Heal::default();
        self.notes.clear();
        self.in_flight.send_again();
        if let Some(state) = self.presence {
            self.note(Command::SetPresence(SetPresence { state }));
        }
        if !self.watch.is_empty() {
            let accounts = self.watch.clone();
            self.note(Command::WatchPresence(WatchPresence { accounts }));
        }
    }

    fn note(&mut self, command: Command) {
        let request_id = self.in_flight.spare_id();
        let command = Some(command);
        self.notes.push_back(ClientFrame {
            request_id,
            command,
        });
    }

    /// Takes in a command of a handle.
    fn admit(&mut self, ask: Ask) {
        match &*ask.command {
            Command::FollowRoom(room) => {
                if !self.cursors.follow(room, false) {
                    let max = limits::FOLLOWED_ROOMS_MAX;
                    // Whoever asked may have stopped waiting.
                    let _ = ask.reply.send(Err(Error::TooManyRooms { max }));
                    return;
                }
            }
            Command::UnfollowRoom(room) => self.cursors.forget(&room.room),
            Command::SetPresence(presence) => self.presence = Some(presence.state),
            Command::WatchPresence(watch) => self.watch.clone_from(&watch.accounts),
            Command::Hello(_)
            | Command::SendMessage(_)
            | Command::EditMessage(_)
            | Command::DeleteMessage(_)
            | Command::MarkRead(_)
            | Command::SetTyping(_) => {}
        }
        self.in_flight.insert(ask);
    }

    fn has_frames(&self) -> bool {
        !self.notes.is_empty() || self.in_flight.has_unsent()
    }

    fn next_frame(&mut self) -> Option<ClientFrame> {
        if let Some(note) = self.notes.pop_front() {
            return Some(note);
        }
        let mut frame = self.in_flight.next_unsent()?;
        if let Some(Command::FollowRoom(room)) = &mut frame.command
            && let Some(now) = self.cursors.resume(&room.room)
        {
            // On a second stream the room may have come further than when it was asked for.
            *room = now;
        }
        Some(frame)
    }

    /// Takes in the items of a frame.
    fn take(&mut self, items: Vec<ServerItem>) -> Option<End> {
        let slow = self.queue.is_full();
        let mut out = Vec::with_capacity(items.len());
        let mut end = None;
        for item in items {
            match intake::take(&mut self.cursors, item, slow, &mut out) {
                Effect::None | Effect::Ready(_) => {}
                Effect::Answer(reply) => self.answer(reply),
                Effect::Heal(room) => self.ask_for(&room),
                Effect::Left => self.left = true,
                Effect::End(farewell) => {
                    end = Some(ended_with(&farewell));
                    break;
                }
            }
        }
        if !out.is_empty() {
            self.queue.push(out);
        }
        end
    }

    fn answer(&mut self, reply: Reply) {
        let Some((command, done)) = self.in_flight.answer(reply) else {
            return;
        };
        if let Command::FollowRoom(room) = *command {
            if done {
                self.cursors.agree(&room.room);
            } else {
                self.cursors.forget(&room.room);
            }
        }
    }

    fn ask_for(&mut self, room: &str) {
        if let Some(room) = self.cursors.resume(room) {
            self.note(Command::FollowRoom(room));
            self.heal.asked(Instant::now());
        }
    }

    fn ask_for_what_was_left(&mut self) {
        if std::mem::take(&mut self.left) {
            for room in self.cursors.behind() {
                self.ask_for(&room);
            }
        }
    }
}

async fn next_ask(asked: &mut Option<mpsc::Receiver<Ask>>) -> Option<Ask> {
    asked.as_mut()?.recv().await
}

async fn open(client: &Client, hello: Hello) -> Result<Stream, Error> {
    let (sender, mut receiver) = client.open_stream(hello).await?;
    let frame = receiver.next().await?.ok_or(Error::Interrupted)?;
    let mut items = frame.items.into_iter();
    match items.next().and_then(|first| first.item) {
        Some(Sent::Ready(ready)) => Ok(Stream {
            sender,
            receiver,
            ready,
            first: items.collect(),
        }),
        Some(Sent::Farewell(farewell)) if farewell.reason() == Reason::SignedOut => {
            Err(Error::SignedOut)
        }
        Some(Sent::Farewell(_)) => Err(Error::Interrupted),
        _ => Err(Error::Nonsense("a stream that does not begin with Ready")),
    }
}
