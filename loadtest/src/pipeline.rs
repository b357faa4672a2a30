//! Messages on one stream, several under way: the next leaves when one is acknowledged.
//!
//! Invariant: no more are under way than asked for, and a run ends when all that was sent is acknowledged.
//! A message that the server refuses ends it with the server's words.

use anyhow::{Context as _, bail};
use prost::Message as _;
use rookery_client::Outgoing;
use rookery_client::v1::client_frame::Command;
use rookery_client::v1::server_item::Item;
use rookery_client::v1::{ClientFrame, ServerFrame, reply};
use tokio::time::Instant;

use crate::frames::{Glance, glances};
use crate::lines::Line;
use crate::stats::Latencies;

/// One session that writes.
#[derive(Debug)]
pub(crate) struct Pipeline {
    line: Line,
    body: String,
    last_id: u64,
}

impl Pipeline {
    /// Writes on this line, bodies of so many bytes.
    pub(crate) fn new(line: Line, body_bytes: usize) -> Self {
        Self {
            line,
            body: "x".repeat(body_bytes),
            last_id: 0,
        }
    }

    /// Sends to `room` as long as `goes_on`, which is told how many have been sent, with up to
    /// `under_way_max` not acknowledged. Returns how long each acknowledgement took.
    ///
    /// # Errors
    /// If the stream ends, or a message is refused.
    pub(crate) async fn run(
        &mut self,
        room: &str,
        under_way_max: usize,
        goes_on: impl Fn(u64) -> bool,
    ) -> anyhow::Result<Latencies> {
        let mut latencies = Latencies::new();
        let mut under_way = Vec::with_capacity(under_way_max);
        let mut sent = 0;
        loop {
            while under_way.len() < under_way_max && goes_on(sent) {
                under_way.push(self.send(room).await?);
                sent += 1;
            }
            if under_way.is_empty() {
                return Ok(latencies);
            }
            let frame = self.line.receiver.next_encoded().await?;
            let frame = frame.context("the server closed a sender's stream")?;
            let now = Instant::now();
            for glance in glances(&frame) {
                let Glance::Reply { request_id, done } = glance? else {
                    continue;
                };
                if !done {
                    bail!("a message was refused: {}", refusal(&frame));
                }
                let place = under_way.iter().position(|(id, _)| *id == request_id);
                let place = place.context("a reply to what was not sent")?;
                let (_, at) = under_way.swap_remove(place);
                latencies.record(now - at);
            }
        }
    }

    async fn send(&mut self, room: &str) -> anyhow::Result<(u64, Instant)> {
        self.last_id += 1;
        let message = Outgoing::new(room, self.body.clone());
        let frame = ClientFrame {
            request_id: self.last_id,
            command: Some(Command::SendMessage(message.request().clone())),
        };
        let at = Instant::now();
        self.line.sender.send(frame).await?;
        Ok((self.last_id, at))
    }
}

/// Why the server refused, in its own words.
fn refusal(frame: &[u8]) -> String {
    let items = ServerFrame::decode(frame).unwrap_or_default().items;
    let error = items.into_iter().find_map(|item| {
        if let Some(Item::Reply(reply)) = item.item
            && let Some(reply::Result::Error(error)) = reply.result
        {
            return Some(error.message);
        }
        None
    });
    error.unwrap_or_else(|| "for no reason".to_owned())
}

#[cfg(test)]
mod tests {
    use rookery_client::v1::{CommandError, Reply, ServerItem};

    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let error = CommandError {
            message: "the room is archived".to_owned(),
            ..CommandError::default()
        };
        let reply = Reply {
            request_id: 1,
            result: Some(reply::Result::Error(error)),
        };
        let item = Some(Item::Reply(reply));
        let frame = ServerFrame {
            items: vec![ServerItem { item }],
        };
        assert_eq!(refusal(&frame.encode_to_vec()), "the room is archived");
        assert_eq!(refusal(&[]), "for no reason");
    }
}
