//! Commands on their way to the node that has the room.

use cluster_types::{AccountId, FileId, RoomId, Seq, UnixMillis};

use super::v1::room_command as wire;
use super::v1::room_command::Action as Wire;
use super::{read_role, v1, wire_role};
use crate::wire::wire_priority;
use crate::{Action, ClientMessageId, Command, Draft, Format, LinkHash, Priority};

/// A command as another node reads it.
pub fn command(room: RoomId, command: &Command) -> v1::RoomCommand {
    let account = |account: AccountId| account.as_bytes().to_vec();
    let place = |who: AccountId, role| wire::Place {
        account_id: account(who),
        role: wire_role(role).into(),
    };
    let action = match &command.action {
        Action::Send(said) => Wire::Send(draft(said)),
        Action::Edit {
            target,
            draft: said,
        } => Wire::Edit(wire::Edit {
            target_seq: target.0,
            draft: Some(draft(said)),
        }),
        Action::Delete { target } => Wire::Delete(wire::Delete {
            target_seq: target.0,
        }),
        Action::Update {
            display_name,
            topic,
        } => Wire::Update(wire::Update {
            display_name: display_name.clone(),
            topic: topic.clone(),
        }),
        Action::SetArchived(archived) => Wire::SetArchived(*archived),
        Action::DeleteRoom { by_administrator } => Wire::DeleteRoom(wire::DeleteRoom {
            by_administrator: *by_administrator,
        }),
        Action::Add { account, role } => Wire::Add(place(*account, *role)),
        Action::Join(link) => Wire::Join(link.to_vec()),
        Action::Remove(who) => Wire::Remove(account(*who)),
        Action::Leave => Wire::Leave(wire::Leave {}),
        Action::SetRole { account, role } => Wire::SetRole(place(*account, *role)),
        Action::Mute {
            account: who,
            until,
        } => Wire::Mute(wire::Mute {
            account_id: account(*who),
            until_ms: until.map(|until| until.0),
        }),
        Action::Unmute(who) => Wire::Unmute(account(*who)),
        Action::Ban(who) => Wire::Ban(account(*who)),
        Action::Unban(who) => Wire::Unban(account(*who)),
        Action::SetLink(link) => Wire::SetLink(wire::Link {
            hash: link.map_or_else(Vec::new, |hash| hash.to_vec()),
        }),
        Action::TellAgain => Wire::TellAgain(wire::TellAgain {}),
    };
    v1::RoomCommand {
        room_id: room.as_bytes().to_vec(),
        account_id: account(command.account),
        action: Some(action),
    }
}

fn draft(draft: &Draft) -> wire::Draft {
    let format = match draft.format {
        Format::Plain => proto::v1::Format::Plain,
        Format::Markdown => proto::v1::Format::Markdown,
        Format::Code => proto::v1::Format::Code,
    };
    wire::Draft {
        client_message_id: draft.client_message_id.0.to_vec(),
        body: draft.body.clone(),
        format: format.into(),
        priority: wire_priority(draft.priority).into(),
        reply_to_seq: draft.reply_to.map_or(0, |seq| seq.0),
        file_ids: draft
            .files
            .iter()
            .map(|id| id.as_bytes().to_vec())
            .collect(),
    }
}

/// Reads what another node asks. `None`: it is not understood.
pub fn read_command(asked: v1::RoomCommand) -> Option<(RoomId, Command)> {
    let room = RoomId::try_from(&asked.room_id[..]).ok()?;
    let command = Command {
        account: account(&asked.account_id)?,
        action: read_action(asked.action?)?,
    };
    Some((room, command))
}

fn read_action(action: Wire) -> Option<Action> {
    Some(match action {
        Wire::Send(draft) => Action::Send(read_draft(draft)?),
        Wire::Edit(wire::Edit { target_seq, draft }) => Action::Edit {
            target: Seq(target_seq),
            draft: read_draft(draft?)?,
        },
        Wire::Delete(wire::Delete { target_seq }) => Action::Delete {
            target: Seq(target_seq),
        },
        Wire::Update(wire::Update {
            display_name,
            topic,
        }) => Action::Update {
            display_name,
            topic,
        },
        Wire::SetArchived(archived) => Action::SetArchived(archived),
        Wire::DeleteRoom(wire::DeleteRoom { by_administrator }) => {
            Action::DeleteRoom { by_administrator }
        }
        Wire::Add(place) => Action::Add {
            account: account(&place.account_id)?,
            role: read_role(place.role)?,
        },
        Wire::Join(hash) => Action::Join(link(&hash)?),
        Wire::Remove(who) => Action::Remove(account(&who)?),
        Wire::Leave(wire::Leave {}) => Action::Leave,
        Wire::SetRole(place) => Action::SetRole {
            account: account(&place.account_id)?,
            role: read_role(place.role)?,
        },
        Wire::Mute(mute) => Action::Mute {
            account: account(&mute.account_id)?,
            until: mute.until_ms.map(UnixMillis),
        },
        Wire::Unmute(who) => Action::Unmute(account(&who)?),
        Wire::Ban(who) => Action::Ban(account(&who)?),
        Wire::Unban(who) => Action::Unban(account(&who)?),
        Wire::SetLink(wire::Link { hash }) if hash.is_empty() => Action::SetLink(None),
        Wire::SetLink(wire::Link { hash }) => Action::SetLink(Some(link(&hash)?)),
        Wire::TellAgain(wire::TellAgain {}) => Action::TellAgain,
    })
}

fn read_draft(draft: wire::Draft) -> Option<Draft> {
    let format = match draft.format() {
        proto::v1::Format::Plain => Format::Plain,
        proto::v1::Format::Markdown => Format::Markdown,
        proto::v1::Format::Code => Format::Code,
        proto::v1::Format::Unspecified => return None,
    };
    let priority = match draft.priority() {
        proto::v1::Priority::Normal => Priority::Normal,
        proto::v1::Priority::High => Priority::High,
        proto::v1::Priority::Urgent => Priority::Urgent,
        proto::v1::Priority::Unspecified => return None,
    };
    let file = |id: &Vec<u8>| FileId::try_from(&id[..]).ok();
    Some(Draft {
        client_message_id: ClientMessageId(draft.client_message_id[..].try_into().ok()?),
        format,
        priority,
        reply_to: (draft.reply_to_seq != 0).then_some(Seq(draft.reply_to_seq)),
        files: draft.file_ids.iter().map(file).collect::<Option<_>>()?,
        body: draft.body,
    })
}

fn account(bytes: &[u8]) -> Option<AccountId> {
    AccountId::try_from(bytes).ok()
}

fn link(bytes: &[u8]) -> Option<LinkHash> {
    LinkHash::try_from(bytes).ok()
}
