//! The one task that subscribes: at each node's turn for the rooms that wait there, with all nodes side by
//! side, so that one that does not answer keeps nobody from the others.

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
use crate::limits::{MISSED_RETRY, SUBSCRIBE_RETRY};

/// Subscribes for ever.
pub(crate) async fn run(hub: Arc<Inner>, rooms: Rooms) {
    let between = &hub.between;
    let mut under_way = FuturesUnordered::new();
    let mut busy = BTreeSet::new();
    loop {
        for turn in between.turns() {
            if busy.insert(turn) {
                under_way.push(take(&hub, &rooms, turn));
            }
        }
        between.catch_up();
        tokio::select! {
            // What is over first: nothing else takes it in, and news is looked at after it, too.
            biased;
            Some(turn) = under_way.next() => {
                busy.remove(&turn);
            }
            () = between.news.notified() => {}
            () = sleep(MISSED_RETRY), if between.has_missed() => {}
        }
    }
}

/// Takes some rooms' turn at one node. Waits a moment if not all of them stand after it.
async fn take(hub: &Inner, rooms: &Rooms, turn: Turn) -> Turn {
    let waiting = hub.between.next(turn);
    let told = match turn {
        Turn::Here => waiting.clone(),
        Turn::There(node) => {
            let asked = wire::subscribe(waiting.iter().map(|waiting| waiting.room));
            match hub.between.nodes.subscribe(node, asked).await {
                Some(answer) => besides(&waiting, &answer.elsewhere),
                None => Vec::new(),
            }
        }
    };
    let stand = !told.is_empty() && catch_up(hub, rooms, &told).await;
    if stand {
        hub.between.stand(&told);
    }
    if !stand || told.len() < waiting.len() {
        hub.between.nodes.look().await;
        sleep(SUBSCRIBE_RETRY).await;
    }
    turn
}

fn besides(waiting: &[Waiting], elsewhere: &[Vec<u8>]) -> Vec<Waiting> {
    let elsewhere: BTreeSet<RoomId> = elsewhere
        .iter()
        .filter_map(|id| wire::read_room(id))
        .collect();
    let told = waiting.iter().filter(|of| !elsewhere.contains(&of.room));
    told.copied().collect()
}

/// Has the sessions here read what was not told of these rooms. Returns whether the store could say.
async fn catch_up(hub: &Inner, rooms: &Rooms, told: &[Waiting]) -> bool {
    let ids: Vec<_> = told.iter().map(|waiting| waiting.room).collect();
    let heads = match rooms.heads(&ids).await {
        Ok(heads) => heads,
        Err(error) => {
            tracing::debug!(%error, "how far rooms have come waits for the store");
            return false;
        }
    };
    for (room, head) in ids.into_iter().zip(heads) {
        match head {
            Some((head, message_count)) => hub.caught_up(room, head, message_count).await,
            None => hub.gone(room),
        }
    }
    true
}
