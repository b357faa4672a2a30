//! [`Sift`]: what becomes of each record of an archive.
//!
//! A row is restored if what it hangs on is: the account that it is of, and the room. So nothing is left over
//! of what was erased, of rooms that were deleted while they were copied, or of what was made after the part
//! of the backup that it belongs to.
//!
//! What is changed:
//! - **Each room's log gets a new id**, since it ends earlier than clients may have read.
//! - What an erased account said, where it is not sealed, becomes what a deleted message is.
//! - A member whose account is not restored is taken out and out of the count. If none is left, the room is on
//!   the list of deletions, and the server clears it when it starts. If no owner of a group is left, the member
//!   who ranks highest becomes one.
//!
//! Rows of a room but for its log come together, before its end, and are held until then.

use cluster_store::StoreError;
use cluster_store::erasures::Erased;
use cluster_store::schema::{Room, RoomDeletion, RoomHead, RoomMember};
use cluster_types::{AccountId, LogId, Rng, RoomId};
use proto::storage::v1::room_event::Kind;
use proto::storage::v1::{self, RoomKind, RoomRole};

use super::known::{Event, Known, OfRoom};
use super::survey::Survey;
use crate::RawRow;
use crate::collect::Record;
use crate::wire;

/// Sifts the records of one archive.
pub(super) struct Sift {
    survey: Survey,
    rng: Rng,
    held: Vec<(OfRoom, RawRow)>,
}

impl Sift {
    /// Begins. `survey` is of the same archive, without what is erased; `rng` draws the ids of logs.
    pub(super) const fn new(survey: Survey, rng: Rng) -> Self {
        Self {
            survey,
            rng,
            held: Vec::new(),
        }
    }

    /// What it knows of the archive.
    pub(super) const fn survey(&self) -> &Survey {
        &self.survey
    }

    /// The rows to write for a record.
    pub(super) fn take(&mut self, record: Record) -> Result<Vec<RawRow>, StoreError> {
        Ok(match record {
            Record::Row(row) => self.row(row)?.into_iter().collect(),
            Record::RoomEnd(room, _) => {
                let rows = std::mem::take(&mut self.held);
                if self.survey.rooms.contains_key(&room) {
                    self.settled(room, rows)
                } else {
                    Vec::new()
                }
            }
            Record::RoomGone(_) => {
                self.held.clear();
                Vec::new()
            }
            Record::File(..) | Record::FileBytes(_) | Record::FileGone(_) => Vec::new(),
        })
    }

    fn row(&mut self, row: RawRow) -> Result<Option<RawRow>, StoreError> {
        let is_restored = match Known::read(&row)? {
            Known::Event(event) => return Ok(self.event(*event, row)),
            Known::OfRoom(about) => {
                self.held.push((about, row));
                return Ok(None);
            }
            Known::Account(account) | Known::AccountIndex(account) => self.has(account),
            Known::ServerKey(generation) => self.opens(generation),
            Known::AccountKey(account, generation) => self.has(account) && self.opens(generation),
            Known::RoomKey(room, generation) => {
                self.survey.rooms.contains_key(&room) && self.opens(generation)
            }
            Known::Used(account, (room, seq)) => {
                // A retry finds neither an event that is restored made a second time, nor a room that is erased.
                self.has(account)
                    && match self.survey.rooms.get(&room) {
                        Some(head) => seq <= *head,
                        None => self.survey.ledger.names(Erased::Room(room)),
                    }
            }
            Known::Vault(_) => true,
            // These two are written at the end, and the rest is not in a backup.
            Known::Deployment(_) | Known::Erasure(..) | Known::Foreign => false,
        };
        Ok(is_restored.then_some(row))
    }

    /// An event, without what somebody said in it who is not restored. A message that is sealed has lost the
    /// account's keys with the account; one of an earlier release has its words in the row. The account may be missing
    /// from the archive itself, if it was erased while that was made: accounts come after the logs.
    fn event(&self, mut event: Event, row: RawRow) -> Option<RawRow> {
        if !self.survey.rooms.contains_key(&event.key.room) {
            return None;
        }
        let is_erased = event.actor.is_some_and(|actor| !self.has(actor));
        let Some(Kind::Message(message)) = &mut event.row.kind else {
            return Some(row);
        };
        if !is_erased || !event.row.sealed.is_empty() {
            return Some(row);
        }
        *message = v1::Message {
            deleted: true,
            ..Default::default()
        };
        Some(wire::row(&event.key, &event.row))
    }

    fn has(&self, account: AccountId) -> bool {
        self.survey.accounts.contains(&account)
    }

    /// Whether the vault has what a key is wrapped under. If not, the key was destroyed while the backup was made.
    fn opens(&self, generation: u32) -> bool {
        let vault = self.survey.generations.as_ref();
        vault.is_none_or(|generations| generations.contains(&generation))
    }

    /// The rows of a room but for its log, as they are to be.
    fn settled(&self, room: RoomId, rows: Vec<(OfRoom, RawRow)>) -> Vec<RawRow> {
        let members = self.members(&rows);
        let is_deserted = members.gone > 0 && members.left == 0;
        let mut settled = Vec::with_capacity(rows.len());
        for (about, row) in rows {
            match about {
                OfRoom::Room(mut about) => {
                    about.log_id = LogId::random(&self.rng).as_bytes().to_vec().into();
                    about.deleted |= is_deserted;
                    settled.push(wire::row(&Room { room }, &about));
                }
                // The row of the room says what it takes for the rest to be cleared.
                OfRoom::Head(_) | OfRoom::Member(..) | OfRoom::Account(_) | OfRoom::Index
                    if is_deserted => {}
                OfRoom::Head(mut head) if members.gone > 0 => {
                    head.member_count = head.member_count.saturating_sub(members.gone);
                    settled.push(wire::row(&RoomHead { room }, &head));
                }
                OfRoom::Member(account, _) | OfRoom::Account(account) if !self.has(account) => {}
                OfRoom::Head(_) | OfRoom::Member(..) | OfRoom::Account(_) | OfRoom::Index => {
                    settled.push(row);
                }
            }
        }
        if is_deserted {
            let deletion = v1::RoomDeletion {};
            settled.push(wire::row(&RoomDeletion { room }, &deletion));
        } else if let Some(account) = members.heir {
            let owner = v1::RoomMember {
                role: RoomRole::Owner.into(),
                ..Default::default()
            };
            settled.push(wire::row(&RoomMember { room, account }, &owner));
        }
        settled
    }

    fn members(&self, rows: &[(OfRoom, RawRow)]) -> Members {
        let (mut members, mut is_group) = (Members::default(), false);
        let (mut had_owner, mut has_owner, mut best) = (false, false, None);
        for (about, _) in rows {
            let (account, role) = match about {
                OfRoom::Member(account, role) => (*account, *role),
                OfRoom::Room(about) => {
                    is_group = about.kind() == RoomKind::Group;
                    continue;
                }
                OfRoom::Head(_) | OfRoom::Account(_) | OfRoom::Index => continue,
            };
            let is_owner = role == RoomRole::Owner;
            had_owner |= is_owner;
            if self.has(account) {
                members.left += 1;
                has_owner |= is_owner;
                // Of those who rank the same, the first one.
                let rank = (role as i32, std::cmp::Reverse(account));
                best = best.max(Some(rank));
            } else {
                members.gone += 1;
            }
        }
        if is_group && had_owner && !has_owner {
            members.heir = best.map(|(_, account)| account.0);
        }
        members
    }
}

/// Who is in a room.
#[derive(Debug, Default)]
struct Members {
    left: u64,
    gone: u64,
    /// Who becomes the owner, if somebody has to.
    heir: Option<AccountId>,
}
