//! The relay between a publisher and outboxes, without connections.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and fails at anything else"
)]

use std::task::{Context, Poll, Waker};

use cluster_types::{Caller, LogId, SignInId, UnixMillis};
use proto::v1::server_item::Item;
use services_rooms::{EventKind, Priority, RoomChange};
use tokio::task::yield_now;

use super::*;
use crate::limits::{RELAY_QUEUE_BYTES_MAX, RELAY_QUEUE_MAX};
use crate::nodes::Alone;
use crate::outbox::{Counts, Cursor, Filled, Followed, Next, Read, ToRead};
use crate::wire::frame::Frame;
use crate::wire::{item, read_back};

const ROOM: RoomId = RoomId::from_bytes([1; 16]);
const OTHER: RoomId = RoomId::from_bytes([2; 16]);

fn account(number: u8) -> AccountId {
    AccountId::from_bytes([number; 16])
}

fn session(number: u8) -> Arc<Session> {
    let caller = Caller {
        account: account(number),
        sign_in: SignInId::from_bytes([number; 16]),
        administrator: false,
    };
    let session = Session::new(SessionId(u64::from(number)), caller);
    session.change(|state| state.greet(read_back::marker(0), []));
    assert_eq!(items(&session).len(), 1);
    Arc::new(session)
}

/// A session that has everything of [`ROOM`], of which there is nothing.
fn follower(relay: &Relay, number: u8) -> Arc<Session> {
    let session = session(number);
    relay.watch(ROOM, &session);
    session.change(|state| {
        state.enter(ROOM);
        let followed = state.follow(Cursor {
            room: ROOM,
            next: Seq(1),
            log_id: LogId::from_bytes([3; 16]),
            rebuilt: false,
        });
        assert_eq!(followed, Followed::Yes);
    });
    while let Some(read) = session.change(|state| state.next_read()) {
        fill(&session, read, 0);
    }
    assert_eq!(seqs(&session), Vec::<u64>::new());
    session
}

/// Reads on from a log with events up to `head`.
fn fill(session: &Session, read: Read, head: u64) {
    session.change(|state| match read.what {
        ToRead::Counts => {
            let head = Seq(head);
            let counts = Counts {
                head,
                messages: 0,
                read: 0,
            };
            state.checked(read, counts);
        }
        ToRead::Events(next) => {
            let page = (next.0..=head).map(|seq| (Seq(seq), event(ROOM, seq).frame));
            let filled = state.fill(read, page, Seq(head));
            assert_eq!(filled, Filled::Taken);
        }
    });
}

fn event(room: RoomId, seq: u64) -> Event {
    let stored = services_rooms::Event {
        seq: Seq(seq),
        at: UnixMillis(0),
        actor: account(99),
        message_count: 0,
        kind: EventKind::Room(RoomChange::default()),
    };
    Event {
        seq: Seq(seq),
        message_count: 0,
        actor: account(99),
        priority: None::<Priority>,
        frame: item::event(room, stored),
    }
}

/// What has come for a session.
fn items(session: &Session) -> Vec<Item> {
    let mut items = Vec::new();
    let context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Next::Message(message)) = session.poll_next(&context) {
        items.extend(read_back::items(&message));
    }
    items
}

fn seqs(session: &Session) -> Vec<u64> {
    let items = items(session).into_iter();
    let seq = |item| match item {
        Item::Event(event) => Some(event.seq),
        _ => None,
    };
    items.filter_map(seq).collect()
}

/// Lets the relay's tasks run until they have nothing to do: on one thread, after a task has yielded
/// this often, all others had as many turns.
async fn settle() {
    for _ in 0..1_000 {
        yield_now().await;
    }
}

fn start(shards: usize) -> (Relay, Tasks) {
    let tasks = Tasks::new();
    let between = Arc::new(Between::new(Arc::new(Alone)));
    (Relay::start(shards, between, &tasks), tasks)
}

#[tokio::test]
async fn events_reach_all_who_watch_in_their_order() {
    let (relay, _tasks) = start(2);
    let sessions = [1, 2, 3].map(|number| follower(&relay, number));
    let stranger = session(4);
    relay.watch(OTHER, &stranger);
    for seq in 1..=200 {
        assert!(relay.event(ROOM, event(ROOM, seq)));
        assert!(relay.event(OTHER, event(OTHER, seq)));
    }
    settle().await;
    for session in &sessions {
        assert_eq!(seqs(session), Vec::from_iter(1..=200));
    }
    assert!(
        items(&stranger).is_empty(),
        "it is not in the room by its outbox"
    );
}

#[tokio::test]
async fn a_full_queue_makes_sessions_read_the_log() {
    let (relay, _tasks) = start(1);
    let session = follower(&relay, 1);
    let count = RELAY_QUEUE_MAX as u64 + 10;
    let taken = (1..=count).filter(|seq| relay.event(ROOM, event(ROOM, *seq)));
    assert_eq!(taken.count(), RELAY_QUEUE_MAX);
    settle().await;
    let mut all = seqs(&session);
    while all.len() < usize::try_from(count).expect("small") {
        let read = session.change(|state| state.next_read());
        fill(&session, read.expect("it is behind"), count);
        all.extend(seqs(&session));
    }
    assert_eq!(all, Vec::from_iter(1..=count));
    relay.event(ROOM, event(ROOM, count + 1));
    settle().await;
    assert_eq!(seqs(&session), [count + 1], "it is live again");
}

#[tokio::test]
async fn large_events_fill_a_queue_by_bytes() {
    let (relay, _tasks) = start(1);
    let session = follower(&relay, 1);
    let large = |seq| Event {
        frame: Frame::of_encoded(&vec![0; 64 * 1024]),
        ..event(ROOM, seq)
    };
    let fit = (RELAY_QUEUE_BYTES_MAX / large(1).frame.len()) as u64;
    assert!(fit < RELAY_QUEUE_MAX as u64);
    let taken = (1..=fit + 10).filter(|seq| relay.event(ROOM, large(*seq)));
    assert_eq!(taken.count() as u64, fit);
    settle().await;
    assert!(session.change(|state| state.next_read()).is_none(), "full");
    let context = Context::from_waker(Waker::noop());
    while session.poll_next(&context).is_ready() {}
    let read = session.change(|state| state.next_read());
    assert!(read.is_some(), "what did not fit is in the log");
    for seq in fit + 11..=2 * fit + 10 {
        assert!(relay.event(ROOM, large(seq)), "there is room again");
    }
}

#[tokio::test]
async fn who_leaves_gets_nothing_of_what_is_queued() {
    let (relay, _tasks) = start(1);
    let (leaver, stayer) = (follower(&relay, 1), follower(&relay, 2));
    for seq in 1..=10 {
        relay.event(ROOM, event(ROOM, seq));
    }
    leaver.change(|state| state.leave(ROOM, None));
    settle().await;
    assert!(matches!(items(&leaver)[..], [Item::RoomLost(_)]));
    assert_eq!(seqs(&stayer).len(), 10);
}

#[tokio::test]
async fn hints_are_for_small_rooms() {
    let (relay, _tasks) = start(2);
    let reader = follower(&relay, 1);
    let others: Vec<_> = (0..MARKER_WATCHERS_MAX).map(|_| session(2)).collect();
    for seq in 1..=5 {
        relay.event(ROOM, event(ROOM, seq));
    }
    settle().await;
    assert_eq!(seqs(&reader), [1, 2, 3, 4, 5]);
    relay.read(ROOM, account(7), Seq(3));
    settle().await;
    assert!(matches!(items(&reader)[..], [Item::ReadMarker(_)]));
    // All have the number 2, so that there is one more watcher in all.
    relay.watch(ROOM, &others[0]);
    relay.read(ROOM, account(7), Seq(4));
    settle().await;
    assert!(matches!(items(&reader)[..], [Item::ReadMarker(_)]));
    for number in 0..MARKER_WATCHERS_MAX as u64 {
        let caller = others[0].caller;
        relay.watch(
            ROOM,
            &Arc::new(Session::new(SessionId(100 + number), caller)),
        );
    }
    relay.read(ROOM, account(7), Seq(5));
    relay.typing(ROOM, account(7));
    settle().await;
    assert!(matches!(items(&reader)[..], [Item::Typing(_)]));
}

#[tokio::test]
async fn a_topic_is_gone_with_its_last_watcher() {
    let (relay, _tasks) = start(1);
    let sessions = [1, 2].map(|number| follower(&relay, number));
    assert_eq!(relay.watchers(ROOM).len(), 2);
    for session in &sessions {
        relay.unwatch(ROOM, session.id);
        relay.unwatch(ROOM, session.id);
    }
    assert!(!relay.shards[0].is_watched(ROOM));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_the_last_one_leaves_is_not_forgotten() {
    let (relay, _tasks) = start(1);
    let (coming, leaving) = (session(1), session(2));
    for _ in 0..2_000 {
        relay.watch(ROOM, &leaving);
        std::thread::scope(|scope| {
            scope.spawn(|| relay.unwatch(ROOM, leaving.id));
            scope.spawn(|| relay.watch(ROOM, &coming));
        });
        assert_eq!(relay.watchers(ROOM).len(), 1);
        relay.unwatch(ROOM, coming.id);
    }
}

#[tokio::test]
async fn what_was_on_its_way_before_a_doubt_is_not_read() {
    let (relay, _tasks) = start(1);
    let session = follower(&relay, 1);
    let missed = |head| Missed {
        first: Seq(head),
        head: Seq(head),
        message_count: 0,
        priority: None,
    };
    relay.event(ROOM, event(ROOM, 1));
    relay.doubt(ROOM, missed(1));
    settle().await;
    assert_eq!(seqs(&session), [1]);
    assert_eq!(session.change(|state| state.next_read()), None);
    relay.doubt(ROOM, missed(2));
    settle().await;
    assert!(session.change(|state| state.next_read()).is_some());
}

#[tokio::test]
async fn a_doubt_outlives_a_queue_that_is_full() {
    let (relay, _tasks) = start(1);
    let session = follower(&relay, 1);
    for seq in 1..=RELAY_QUEUE_MAX as u64 {
        relay.event(ROOM, event(ROOM, seq));
    }
    let head = Seq(RELAY_QUEUE_MAX as u64 + 1);
    let missed = Missed {
        first: head,
        head,
        message_count: 0,
        priority: None,
    };
    relay.doubt(ROOM, missed);
    settle().await;
    let read = session.change(|state| state.next_read()).expect("in doubt");
    assert_eq!(read.what, ToRead::Counts);
}
