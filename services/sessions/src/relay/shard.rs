//! One shard of the relay: the sessions that it serves, by room, and the queue of what they are to get.
//!
//! Invariant: an event that does not fit into the queue is put down as missed before anybody could see
//! the queue empty; so the shard's task finds either the event or the word that it is missing.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cluster_types::RoomId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::limits::{HAND_OUT_AT_ONCE, HAND_OUT_EVENTS, RELAY_QUEUE_BYTES_MAX, RELAY_QUEUE_MAX};
use crate::nodes::Between;
use crate::outbox::{Event, Hint, Missed, Run};
use crate::session::{Session, SessionId};

/// What is to be handed out in a room.
#[derive(Debug)]
pub(super) enum Post {
    Event(RoomId, Event),
    Hint(RoomId, Hint),
    /// What was not told here, and who is in the room may have changed by it.
    Doubt(RoomId, Missed),
}

/// Of a room whose sessions are to read.
#[derive(Clone, Copy, Debug)]
struct Lag {
    missed: Missed,
    in_doubt: bool,
}

impl Lag {
    fn and(self, more: Self) -> Self {
        Self {
            missed: self.missed.and(more.missed),
            in_doubt: self.in_doubt || more.in_doubt,
        }
    }
}

impl Post {
    const fn room(&self) -> RoomId {
        match self {
            Self::Event(room, _) | Self::Hint(room, _) | Self::Doubt(room, _) => *room,
        }
    }

    /// What it weighs. All but events are bounded by their number.
    fn bytes(&self) -> usize {
        match self {
            Self::Event(_, event) => event.frame.len(),
            Self::Hint(..) | Self::Doubt(..) => 0,
        }
    }
}

type Watchers = BTreeMap<SessionId, Arc<Session>>;

#[derive(Debug)]
pub(super) struct Shard {
    // A topic is there as long as somebody watches it: who is put in or taken out holds both locks.
    topics: Mutex<BTreeMap<RoomId, Arc<Mutex<Watchers>>>>,
    queue: mpsc::Sender<Post>,
    // Bytes of the events in the queue. More only while `missed` is held.
    queued_bytes: AtomicUsize,
    // Of rooms of which an event did not fit into the queue.
    missed: Mutex<BTreeMap<RoomId, Lag>>,
}

impl Shard {
    /// A shard, and the work of its task.
    pub(super) fn new() -> (Arc<Self>, impl Future<Output = ()> + Send + use<>) {
        let (queue, posts) = mpsc::channel(RELAY_QUEUE_MAX);
        let shard = Arc::new(Self {
            topics: Mutex::default(),
            queue,
            queued_bytes: AtomicUsize::new(0),
            missed: Mutex::default(),
        });
        (Arc::clone(&shard), shard.run(posts))
    }

    pub(super) fn watch(&self, room: RoomId, session: &Arc<Session>, between: &Between) {
        let mut topics = self.topics.lock();
        let topic = topics.entry(room).or_insert_with(|| {
            between.watch(room);
            Arc::default()
        });
        topic.lock().insert(session.id, Arc::clone(session));
    }

    pub(super) fn unwatch(&self, room: RoomId, session: SessionId, between: &Between) {
        let mut topics = self.topics.lock();
        let Some(topic) = topics.get(&room) else {
            return;
        };
        let is_empty = {
            let mut watchers = topic.lock();
            watchers.remove(&session);
            watchers.is_empty()
        };
        if is_empty {
            topics.remove(&room);
            between.unwatch(room);
        }
    }

    pub(super) fn is_watched(&self, room: RoomId) -> bool {
        self.topics.lock().contains_key(&room)
    }

    pub(super) fn watcher_count(&self, room: RoomId) -> usize {
        self.topic(room).map_or(0, |topic| topic.lock().len())
    }

    pub(super) fn watchers(&self, room: RoomId) -> Vec<Arc<Session>> {
        let topic = self.topic(room);
        topic.map_or_else(Vec::new, |topic| topic.lock().values().cloned().collect())
    }

    /// Queues something. `false`: there is no room for it. Hints are then forgotten, events missed, doubts kept.
    pub(super) fn post(&self, post: Post) -> bool {
        // Held over both: see the invariant.
        let mut missed = self.missed.lock();
        let Err(post) = self.try_send(post) else {
            return true;
        };
        let (room, lost, in_doubt) = match post {
            Post::Event(room, event) => (room, Missed::from(&event), false),
            Post::Doubt(room, missed) => (room, missed, true),
            Post::Hint(..) => return false,
        };
        let lag = Lag {
            missed: lost,
            in_doubt,
        };
        let entry = missed.entry(room);
        entry
            .and_modify(|missed| *missed = missed.and(lag))
            .or_insert(lag);
        false
    }

    // Gives back what does not fit. Only under the lock of `missed`.
    fn try_send(&self, post: Post) -> Result<(), Post> {
        let bytes = post.bytes();
        let queued = self.queued_bytes.load(Ordering::Acquire);
        if queued + bytes > RELAY_QUEUE_BYTES_MAX {
            return Err(post);
        }
        // Before the task can take it out again.
        self.queued_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.queue.try_send(post).map_err(|error| {
            self.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
            error.into_inner()
        })
    }

    fn topic(&self, room: RoomId) -> Option<Arc<Mutex<Watchers>>> {
        self.topics.lock().get(&room).cloned()
    }

    async fn run(self: Arc<Self>, mut posts: mpsc::Receiver<Post>) {
        let mut batch = Vec::with_capacity(HAND_OUT_EVENTS);
        while posts.recv_many(&mut batch, HAND_OUT_EVENTS).await > 0 {
            let bytes = batch.iter().map(Post::bytes).sum();
            self.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
            // What is said in different rooms has no order, and in one room it keeps its own.
            batch.sort_by_key(Post::room);
            for parcel in parcels(batch.drain(..)) {
                self.hand_out(&parcel).await;
            }
            let missed = std::mem::take(&mut *self.missed.lock());
            for (room, lag) in missed {
                self.hand_out(&Parcel::lag(room, lag)).await;
            }
        }
    }

    /// Gives a parcel to everybody who watches its room, in pieces, so that a large room does not keep
    /// others from the thread or the lock.
    async fn hand_out(&self, parcel: &Parcel) {
        let Some(topic) = self.topic(parcel.room) else {
            return;
        };
        let mut last = None;
        loop {
            last = hand_out_some(&topic.lock(), last, parcel);
            if last.is_none() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Everything that there is for one room now.
#[derive(Debug)]
struct Parcel {
    room: RoomId,
    runs: Vec<Run>,
    hints: Vec<Hint>,
    lag: Option<Lag>,
}

impl Parcel {
    const fn lag(room: RoomId, lag: Lag) -> Self {
        Self {
            room,
            runs: Vec::new(),
            hints: Vec::new(),
            lag: Some(lag),
        }
    }

    fn give(&self, session: &Session) {
        session.change(|state| {
            for run in &self.runs {
                state.deliver(run);
            }
            for hint in &self.hints {
                state.hint(*hint);
            }
            match self.lag {
                Some(lag) if lag.in_doubt => state.doubt(self.room, lag.missed),
                Some(lag) => state.miss(self.room, lag.missed),
                None => {}
            }
        });
    }
}

/// Posts in the order of their rooms, as one parcel for each room.
fn parcels(posts: impl Iterator<Item = Post>) -> impl Iterator<Item = Parcel> {
    let mut posts = posts.peekable();
    std::iter::from_fn(move || {
        let room = posts.peek()?.room();
        let (mut events, mut hints, mut lag) = (Vec::new(), Vec::new(), None::<Lag>);
        while let Some(post) = posts.next_if(|post| post.room() == room) {
            match post {
                Post::Event(_, event) => events.push(event),
                Post::Hint(_, hint) => hints.push(hint),
                Post::Doubt(_, missed) => {
                    let more = Lag {
                        missed,
                        in_doubt: true,
                    };
                    lag = Some(lag.map_or(more, |lag| lag.and(more)));
                }
            }
        }
        Some(Parcel {
            room,
            runs: Run::of(room, events),
            hints,
            lag,
        })
    })
}

/// Gives a parcel to the next few sessions after `last`. Returns the last of them, if there are more.
fn hand_out_some(
    watchers: &Watchers,
    last: Option<SessionId>,
    parcel: &Parcel,
) -> Option<SessionId> {
    let from = last.map_or(Unbounded, Excluded);
    let mut sessions = watchers.range((from, Unbounded));
    let mut last = None;
    for (id, session) in sessions.by_ref().take(HAND_OUT_AT_ONCE) {
        parcel.give(session);
        last = Some(*id);
    }
    sessions.next().and(last)
}
