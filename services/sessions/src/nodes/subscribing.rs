//! The one task that subscribes: at each node's turn for the rooms that wait there, with all nodes side by
//! side, so that one that does not answer keeps nobody from the others.
//!
//! Invariant: one node's turns come one after the other, and in each what is wanted no more is told before what is
//! wanted is asked for: so nobody who watches a room anew is taken out with those who left it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster_types::RoomId;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use services_rooms::Rooms;
use tokio::time::sleep;

use super::interests::{Turn, Waiting};
use super::wire;
use crate::hub::Inner;
use crate::limits::{CAUGHT_UP_AFTER, MISSED_RETRY, SUBSCRIBE_RETRY};
use crate::outbox::Missed;

/// How far rooms had come when they were subscribed for.
type Heads = Vec<(RoomId, Missed)>;

/// Subscribes for ever.
pub(crate) async fn run(hub: Arc<Inner>, rooms: Rooms) {
    let between = &hub.between;
    let (mut under_way, mut subscribed) = (FuturesUnordered::new(), FuturesUnordered::new());
    let mut busy = BTreeSet::new();
    loop {
        for turn in between.turns() {
            if busy.insert(turn) {
                under_way.push(take(&hub, &rooms, turn));
            }
        }
        between.tell_owed();
        tokio::select! {
            // What is over first: nothing else takes it in, and news is looked at after it, too.
            biased;
            Some((turn, heads)) = under_way.next() => {
                busy.remove(&turn);
                subscribed.push(catch_up(&hub, heads));
            }
            Some(()) = subscribed.next() => {}
            () = between.news.notified() => {}
            () = sleep(MISSED_RETRY), if between.owes() => {}
        }
    }
}

/// Takes some rooms' turn at one node. Waits a moment if none of them stands after it.
async fn take(hub: &Inner, rooms: &Rooms, turn: Turn) -> (Turn, Heads) {
    let between = &hub.between;
    if let Turn::There(node) = turn
        && !between.unsubscribe(node)
    {
        sleep(MISSED_RETRY).await;
        return (turn, Heads::new());
    }
    let waiting = between.next(turn);
    if waiting.is_empty() {
        return (turn, Heads::new());
    }
    let (stand, refused) = match turn {
        Turn::Here => (waiting, Vec::new()),
        Turn::There(node) => {
            let asked = wire::subscribe(waiting.iter().map(|waiting| waiting.room));
            match between.nodes.subscribe(node, asked).await {
                Some(answer) => without(waiting, &answer.elsewhere),
                None => (Vec::new(), waiting),
            }
        }
    };
    let heads = read(hub, rooms, &stand).await;
    let none = heads.is_none() || stand.is_empty();
    between.stand(if none { &[] } else { &stand }, &refused);
    if none {
        between.nodes.look().await;
        sleep(SUBSCRIBE_RETRY).await;
    }
    (turn, heads.unwrap_or_default())
}

/// Those that a node tells of now, and those of which it says that they are elsewhere.
fn without(waiting: Vec<Waiting>, elsewhere: &[Vec<u8>]) -> (Vec<Waiting>, Vec<Waiting>) {
    let elsewhere: BTreeSet<RoomId> = elsewhere
        .iter()
        .filter_map(|id| wire::read_room(id))
        .collect();
    let told = |of: &Waiting| !elsewhere.contains(&of.room);
    waiting.into_iter().partition(told)
}

/// How far these rooms have come. Nothing if the store cannot say.
async fn read(hub: &Inner, rooms: &Rooms, stand: &[Waiting]) -> Option<Heads> {
    let ids: Vec<_> = stand.iter().map(|waiting| waiting.room).collect();
    let heads = match rooms.heads(&ids).await {
        Ok(heads) => heads,
        Err(error) => {
            tracing::debug!(%error, "how far rooms have come waits for the store");
            return None;
        }
    };
    let mut known = Heads::with_capacity(ids.len());
    for (room, head) in ids.into_iter().zip(heads) {
        match head {
            Some((head, message_count)) => {
                let missed = Missed {
                    first: head,
                    head,
                    message_count,
                    priority: None,
                };
                known.push((room, missed));
            }
            None => hub.gone(room),
        }
    }
    Some(known)
}

/// Has the sessions here read what was not told of these rooms. What is on its way now comes before.
async fn catch_up(hub: &Inner, heads: Heads) {
    if !heads.is_empty() {
        sleep(CAUGHT_UP_AFTER).await;
    }
    for (room, missed) in heads {
        hub.missed(room, missed);
    }
}
