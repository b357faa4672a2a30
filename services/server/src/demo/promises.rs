//! [`Promises`]: P1 to P5 of ARCHITECTURE.md, each held against what was said, heard and stored.
//!
//! Invariant: a promise holds only if something was looked at, and nothing was found.

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use loadtest_conversations::{Comparison, Line, compare};
use rookery_client::Client;
use rookery_client::v1::event::Kind;
use rookery_client::v1::list_events_request::{Direction, Start};
use rookery_client::v1::{Event, ListEventsRequest};

use super::audience::Audience;
use super::cast::{Cast, Scene};
use super::speakers::Spoken;
use super::witness::Witness;
use crate::dev_cluster::DevCluster;

/// Events of a page of a log: the most that a server gives.
const PAGE: i32 = 256;

/// All of them.
pub(super) struct Promises(pub(super) Vec<Promise>);

/// One of them, and what was looked at for it.
pub(super) struct Promise {
    pub(super) name: &'static str,
    pub(super) says: &'static str,
    /// What was looked at, in words.
    pub(super) checked: String,
    /// How much of it.
    pub(super) looked_at: u64,
    /// How much of it was not as it should be.
    pub(super) broken: u64,
}

impl Promise {
    pub(super) const fn held(&self) -> bool {
        self.looked_at > 0 && self.broken == 0
    }
}

impl Promises {
    pub(super) fn held(&self) -> bool {
        self.0.iter().all(Promise::held)
    }

    /// Compares what was said with what each node has of it, and with what everybody was given.
    pub(super) async fn prove(
        cluster: &DevCluster,
        cast: &Cast,
        said: &Spoken,
        audience: &Audience,
        witness: &mut Witness,
    ) -> anyhow::Result<Self> {
        let nodes = nodes(cluster, cast).await?;
        let logs = nodes.iter().map(|node| logs(node, cast));
        let logs = Logs(try_join_all(logs).await?);
        let first = logs.0.first().context("there are nodes")?;
        let heads = cast.scenes.iter().zip(first);
        let deliveries = |(scene, log): (&Scene, &Vec<Event>)| {
            (log.len() as u64).saturating_sub(scene.head) * scene.members.len() as u64
        };
        let expected = heads.map(deliveries).sum();
        audience.hears(expected).await;
        let hearing = &audience.hearing;
        witness.look();
        let (former, written) = witness.try_former(cluster.store()).await?;
        let mut promises = of_logs(&logs, said);
        promises.push(Promise {
            name: "P4",
            says: "nobody misses anything",
            checked: format!(
                "{} deliveries, {} sessions that came back",
                grouped(expected),
                grouped(hearing.reconnects())
            ),
            looked_at: expected,
            broken: hearing.broken() + expected.abs_diff(hearing.events()),
        });
        promises.push(Promise {
            name: "P5",
            says: "a room has one owner",
            checked: format!(
                "{} looks, {} former owners at the fence",
                grouped(witness.looks),
                grouped(former)
            ),
            looked_at: witness.looks.min(former),
            broken: witness.twice + written,
        });
        Ok(Self(promises))
    }
}

/// What each node gives as the logs of all rooms.
struct Logs(Vec<Vec<Vec<Event>>>);

impl Logs {
    /// Places in all of them.
    fn places(&self) -> u64 {
        self.0.iter().flatten().map(|log| log.len() as u64).sum()
    }

    /// What was said, against what the first node has.
    fn compare(&self, said: &Spoken) -> Comparison {
        let logs = self.0.first().into_iter().flatten();
        let rooms = said.lines.iter().zip(logs);
        rooms.fold(Comparison::default(), |compared, (lines, log)| {
            compared.and(compare(lines, &found(log)))
        })
    }

    /// Places that do not follow the one before.
    fn disordered(&self) -> u64 {
        let wrong = |log: &Vec<Event>| {
            let wrong = log.iter().zip(1..).filter(|(event, seq)| event.seq != *seq);
            wrong.count() as u64
        };
        self.0.iter().flatten().map(wrong).sum()
    }

    /// Logs that another node gives otherwise than the first.
    fn differing(&self) -> u64 {
        let Some((first, others)) = self.0.split_first() else {
            return 0;
        };
        let differs = |other: &Vec<Vec<Event>>| {
            let pairs = first.iter().zip(other);
            pairs.filter(|(one, another)| one != another).count() as u64
        };
        others.iter().map(differs).sum()
    }
}

/// Those that are seen in logs.
fn of_logs(logs: &Logs, said: &Spoken) -> Vec<Promise> {
    let compared = logs.compare(said);
    let messages: u64 = said.lines.iter().map(|lines| lines.len() as u64).sum();
    let places = logs.places();
    vec![
        Promise {
            name: "P1",
            says: "what was acknowledged is there",
            checked: format!("{} acknowledged messages", grouped(messages)),
            looked_at: messages,
            broken: compared.missing + compared.altered,
        },
        Promise {
            name: "P2",
            says: "one order, the same for all",
            checked: format!(
                "{} places in logs, read at {} nodes",
                grouped(places),
                logs.0.len()
            ),
            looked_at: places,
            broken: compared.out_of_order + logs.disordered() + logs.differing(),
        },
        Promise {
            name: "P3",
            says: "each message once",
            checked: format!(
                "{} ids, {} sent again",
                grouped(messages),
                grouped(said.again)
            ),
            looked_at: messages.min(said.again),
            broken: compared.doubled + compared.foreign + said.moved,
        },
    ]
}

/// The administrator at each node.
async fn nodes(cluster: &DevCluster, cast: &Cast) -> anyhow::Result<Vec<Client>> {
    let nodes = cluster.status();
    let connected = nodes.iter().map(async |node| {
        let server = cast.server_at(cluster, node.address)?;
        let client = server.connect().await?;
        anyhow::Ok(client.with_token(cast.administrator.token.clone())?)
    });
    try_join_all(connected).await
}

/// The logs of all rooms, as this node gives them.
async fn logs(node: &Client, cast: &Cast) -> anyhow::Result<Vec<Vec<Event>>> {
    try_join_all(cast.scenes.iter().map(|scene| log(node, &scene.room))).await
}

async fn log(node: &Client, room: &str) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListEventsRequest {
            parent: room.to_owned(),
            page_size: PAGE,
            page_token,
            direction: Direction::Forward.into(),
            start: Some(Start::FromSeq(1)),
        };
        let page = node.list_events(request).await?;
        ensure!(
            page.next_page_token.is_empty() || !page.events.is_empty(),
            "a page of a log is empty"
        );
        events.extend(page.events);
        if page.next_page_token.is_empty() {
            return Ok(events);
        }
        page_token = page.next_page_token;
    }
}

/// The messages of a log.
fn found(log: &[Event]) -> Vec<Line> {
    let message = |event: &Event| match &event.kind {
        Some(Kind::Message(message)) => Some(Line {
            id: message.client_message_id.clone(),
            author: event.actor.clone(),
            text: message.body.clone(),
        }),
        _ => None,
    };
    log.iter().filter_map(message).collect()
}

/// A number as people read it: 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(looked_at: u64, broken: u64) -> Promise {
        Promise {
            name: "P0",
            says: "nothing",
            checked: String::new(),
            looked_at,
            broken,
        }
    }

    fn log(seqs: &[u64]) -> Vec<Event> {
        let event = |seq: &u64| Event {
            seq: *seq,
            ..Event::default()
        };
        seqs.iter().map(event).collect()
    }

    #[test]
    fn what_nobody_has_looked_at_is_not_held() {
        assert!(promise(1, 0).held());
        assert!(!promise(0, 0).held());
        assert!(!promise(1, 1).held());
        assert!(!Promises(vec![promise(1, 0), promise(0, 0)]).held());
    }

    #[test]
    fn a_gap_a_copy_and_another_order_are_found() {
        let right = Logs(vec![vec![log(&[1, 2, 3]), log(&[])]]);
        assert_eq!((right.disordered(), right.places()), (0, 3));
        let wrong = Logs(vec![vec![log(&[1, 3]), log(&[1, 1]), log(&[2, 1])]]);
        assert_eq!(wrong.disordered(), 4);
        let (one, other) = (vec![log(&[1, 2])], vec![log(&[1])]);
        assert_eq!(Logs(vec![one.clone(), one, other]).differing(), 1);
    }

    #[test]
    fn numbers_are_grouped() {
        let shown: Vec<_> = [0, 999, 1_000, 1_234_567].map(grouped).into();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
