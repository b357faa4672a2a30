//! What was asked for under a client message id, as a digest that tells nothing without its salt.
//!
//! Invariant: a salt is random, and lies in the row of its message alone, as long as the message is not
//! deleted. Edits of the message are under the same salt. So a digest can be compared with what is asked
//! for again, and with nothing once the message is deleted: likely words cannot be tried either then.

use std::fmt;

use aws_lc_rs::hmac;
use cluster_types::{RoomId, Seq};

use crate::{Action, Command, Draft};

/// Bytes of a salt.
pub(crate) const SALT_BYTES: usize = 16;

/// The key of the digests of a message and of its edits.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Salt(pub(crate) [u8; SALT_BYTES]);

impl fmt::Debug for Salt {
    /// Shows nothing: with it, likely words can be tried.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// Half of an HMAC-SHA256 over all that was asked for: whoever does not know the salt finds no two that
/// are equal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Digest(pub(crate) [u8; 16]);

impl Command {
    /// The digest of what it says in `room`, if it says anything. Kept for good: the order and the width
    /// of what is digested must not change.
    pub(super) fn digest(&self, room: RoomId, salt: Salt) -> Option<Digest> {
        let Draft {
            client_message_id,
            body,
            format,
            priority,
            reply_to,
            files,
        } = self.draft()?;
        let target = if let Action::Edit { target, .. } = self.action {
            target
        } else {
            Seq::ZERO
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &salt.0));
        context.update(room.as_bytes());
        // Without it, who has the store could tell that two edits said the same.
        context.update(&client_message_id.0);
        context.update(&target.0.to_be_bytes());
        context.update(&reply_to.unwrap_or(Seq::ZERO).0.to_be_bytes());
        context.update(&[format.number(), priority.number()]);
        // Of any length, and so at the end, with what may be missing after it.
        context.update(body.as_bytes());
        for file in files {
            // No byte of UTF-8: where the body ends is not in doubt.
            context.update(&[0xff]);
            context.update(file.as_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&context.sign().as_ref()[..16]);
        Some(Digest(digest))
    }
}

#[cfg(test)]
mod tests {
    use cluster_types::{AccountId, FileId};

    use super::*;
    use crate::{ClientMessageId, Format, Priority};

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);
    const SALT: Salt = Salt([2; 16]);

    fn draft() -> Draft {
        Draft {
            client_message_id: ClientMessageId([3; 16]),
            body: "tea".to_owned(),
            format: Format::Plain,
            priority: Priority::Normal,
            reply_to: None,
            files: Vec::new(),
        }
    }

    const fn file(number: u8) -> FileId {
        FileId::from_bytes([number; 16])
    }

    fn digest(action: Action, room: RoomId, salt: Salt) -> [u8; 16] {
        let account = AccountId::from_bytes([4; 16]);
        let Digest(bytes) = Command { account, action }
            .digest(room, salt)
            .expect("says something");
        bytes
    }

    /// The digest is stored: another one would take each retry of what was said before for something else.
    #[test]
    fn the_digest_of_a_message_never_changes() {
        let expected = [
            11, 75, 161, 150, 80, 191, 197, 123, 15, 86, 123, 8, 123, 138, 199, 129,
        ];
        let draft = Draft {
            format: Format::Code,
            priority: Priority::Urgent,
            reply_to: Some(Seq(5)),
            ..draft()
        };
        let target = Seq(6);
        let edit = Action::Edit { target, draft };
        assert_eq!(digest(edit, ROOM, SALT), expected);
        let expected = [
            32, 202, 104, 123, 239, 36, 66, 149, 173, 110, 65, 59, 83, 173, 200, 116,
        ];
        let files = vec![file(7), file(8)];
        let with_files = Action::Send(Draft {
            files,
            ..self::draft()
        });
        assert_eq!(digest(with_files, ROOM, SALT), expected);
    }

    #[test]
    fn whatever_is_asked_for_otherwise_has_another_digest() {
        let edit = |target| {
            let draft = draft();
            Action::Edit { target, draft }
        };
        let with_files = |files: &[u8]| Draft {
            files: files.iter().map(|number| file(*number)).collect(),
            ..draft()
        };
        let loses = Action::Edit {
            target: Seq(5),
            draft: with_files(&[7]),
        };
        let others = [
            Draft {
                body: "tee".to_owned(),
                ..draft()
            },
            Draft {
                body: "tea\0".to_owned(),
                ..draft()
            },
            Draft {
                format: Format::Code,
                ..draft()
            },
            Draft {
                priority: Priority::High,
                ..draft()
            },
            Draft {
                reply_to: Some(Seq(5)),
                ..draft()
            },
            Draft {
                client_message_id: ClientMessageId([9; 16]),
                ..draft()
            },
            with_files(&[7]),
            with_files(&[8]),
            with_files(&[7, 8]),
            with_files(&[8, 7]),
            Draft {
                body: String::new(),
                ..with_files(&[7])
            },
        ];
        let others = others.into_iter().map(Action::Send);
        let all = others.chain([Action::Send(draft()), edit(Seq(5)), edit(Seq(6)), loses]);
        let mut digests: Vec<_> = all.map(|action| digest(action, ROOM, SALT)).collect();
        let said = || Action::Send(draft());
        digests.push(digest(said(), RoomId::from_bytes([9; 16]), SALT));
        digests.push(digest(said(), ROOM, Salt([9; 16])));
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }
}
