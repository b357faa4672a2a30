//! A glance into encoded frames: which items they hold, without decoding them.
//!
//! A load generator shares the machine with the server that it measures. Decoding each event in full
//! would cost more than receiving it, so only the few numbers that matter are looked at.
//!
//! Invariant: agrees with the generated code about every frame that it accepts.

use std::iter;

/// What one item of a `ServerFrame` is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Glance {
    /// The session stands.
    Ready,
    /// An event of a room.
    Event {
        /// Its place in the room's log.
        seq: u64,
    },
    /// What was missed of a room has been sent.
    Live,
    /// The answer to a command.
    Reply {
        /// Which command.
        request_id: u64,
        /// Whether it was done.
        done: bool,
    },
    /// The stream ends.
    Farewell,
    /// Something else, by its field in `ServerItem`.
    Other(u64),
}

/// Bytes that are no `ServerFrame`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a frame that cannot be read")]
pub(crate) struct Unreadable;

/// The items of an encoded `ServerFrame`, in order.
pub(crate) fn glances(frame: &[u8]) -> impl Iterator<Item = Result<Glance, Unreadable>> {
    let mut fields = Fields(frame);
    iter::from_fn(move || {
        loop {
            match fields.next()? {
                Ok((1, Content::Bytes(item))) => return Some(glance(item)),
                Ok(_) => {}
                Err(unreadable) => return Some(Err(unreadable)),
            }
        }
    })
}

/// Fields of `ServerItem`.
const READY: u64 = 1;
const EVENT: u64 = 2;
const LIVE: u64 = 3;
const REPLY: u64 = 7;
const FAREWELL: u64 = 11;

fn glance(item: &[u8]) -> Result<Glance, Unreadable> {
    let Some(field) = Fields(item).next() else {
        return Ok(Glance::Other(0));
    };
    let (field, Content::Bytes(content)) = field? else {
        return Err(Unreadable);
    };
    Ok(match field {
        READY => Glance::Ready,
        EVENT => Glance::Event {
            seq: number(content, 2)?,
        },
        LIVE => Glance::Live,
        REPLY => Glance::Reply {
            request_id: number(content, 1)?,
            done: !has(content, 2)?,
        },
        FAREWELL => Glance::Farewell,
        other => Glance::Other(other),
    })
}

/// The number in this field of a message; 0 if it is not there.
fn number(message: &[u8], wanted: u64) -> Result<u64, Unreadable> {
    for field in Fields(message) {
        if let (field, Content::Number(number)) = field?
            && field == wanted
        {
            return Ok(number);
        }
    }
    Ok(0)
}

fn has(message: &[u8], wanted: u64) -> Result<bool, Unreadable> {
    for field in Fields(message) {
        if field?.0 == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The fields of an encoded message.
struct Fields<'a>(&'a [u8]);

enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Content<'a>), Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            // There is nothing to go on with after a broken field.
            self.0 = &[];
        }
        Some(field.ok_or(Unreadable))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Content<'a>)> {
        let key = self.varint()?;
        let content = match key & 7 {
            0 => Content::Number(self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (content, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Content::Bytes(content)
            }
            5 => self.skip(4)?,
            _ => return None,
        };
        Some((key >> 3, content))
    }

    fn skip(&mut self, bytes: usize) -> Option<Content<'a>> {
        self.0 = self.0.get(bytes..)?;
        Some(Content::Fixed)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::v1::server_item::Item;
    use proto::v1::{
        CommandError, Event, Farewell, Live, Message, Ready, Reply, SendMessageResponse,
        ServerFrame, ServerItem, Typing, event, reply,
    };

    use super::*;

    fn frame(items: Vec<Item>) -> Vec<u8> {
        let items = items.into_iter();
        let items = items.map(|item| ServerItem { item: Some(item) }).collect();
        ServerFrame { items }.encode_to_vec()
    }

    fn event(seq: u64) -> Item {
        Item::Event(Event {
            room: "rooms/01234567890123456789012345".to_owned(),
            seq,
            kind: Some(event::Kind::Message(Message {
                body: "x".repeat(300),
                ..Message::default()
            })),
            ..Event::default()
        })
    }

    fn answer(request_id: u64, result: reply::Result) -> Item {
        Item::Reply(Reply {
            request_id,
            result: Some(result),
        })
    }

    #[test]
    fn every_item_is_seen_in_its_order() {
        let bytes = frame(vec![
            Item::Ready(Ready::default()),
            event(1),
            event(u64::MAX),
            Item::Live(Live::default()),
            Item::Typing(Typing::default()),
            answer(
                7,
                reply::Result::SendMessage(SendMessageResponse::default()),
            ),
            answer(300, reply::Result::Error(CommandError::default())),
            Item::Farewell(Farewell::default()),
        ]);
        let seen: Result<Vec<_>, _> = glances(&bytes).collect();
        let expected = [
            Glance::Ready,
            Glance::Event { seq: 1 },
            Glance::Event { seq: u64::MAX },
            Glance::Live,
            Glance::Other(8),
            Glance::Reply {
                request_id: 7,
                done: true,
            },
            Glance::Reply {
                request_id: 300,
                done: false,
            },
            Glance::Farewell,
        ];
        assert_eq!(seen.as_deref(), Ok(&expected[..]));
    }

    #[test]
    fn frames_behind_each_other_are_one_frame() {
        let joined = [frame(vec![event(4)]), frame(vec![event(5)])].concat();
        let seen: Vec<_> = glances(&joined).collect();
        assert_eq!(
            seen,
            [Ok(Glance::Event { seq: 4 }), Ok(Glance::Event { seq: 5 })]
        );
    }

    #[test]
    fn a_frame_that_is_cut_off_anywhere_is_unreadable_or_shorter_and_never_more() {
        let whole = frame(vec![event(4), event(5)]);
        for length in 0..whole.len() {
            let seen: Vec<_> = glances(&whole[..length]).collect();
            let complete = seen.iter().filter(|glance| glance.is_ok()).count();
            assert!(complete < 2, "{length}: {seen:?}");
            let decodes = ServerFrame::decode(&whole[..length]).is_ok();
            assert_eq!(decodes, seen.iter().all(Result::is_ok), "{length}");
        }
    }

    #[test]
    fn an_empty_frame_has_no_items() {
        assert_eq!(glances(&[]).count(), 0);
    }
}
