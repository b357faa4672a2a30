//! What can go wrong with a room, one enum for commands and one for reading.

use std::time::Duration;

use cluster_runtime::AskError;
use cluster_store::{AsStoreError, StoreError};
use cluster_types::{Coded, ErrorCode, FieldViolation, Seq};

use crate::limits::{BANS_MAX, MEMBERS_MAX, OVERLOADED_RETRY, ROOMS_PER_ACCOUNT_MAX};
use crate::{Command, Role, Unattachable};

/// The reason where a message does not carry a file.
const ATTACHMENT_NOT_FOUND: &str = "ATTACHMENT_NOT_FOUND";

/// A place in a log that is not there yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field} is {seq}, and the room's newest event is {head}")]
pub struct FutureSeq {
    /// The field at fault.
    pub field: &'static str,
    /// What it says.
    pub seq: Seq,
    /// The newest event.
    pub head: Seq,
}

impl FutureSeq {
    /// The field that names the message that one answers.
    pub(crate) const REPLY: &str = "reply_to_seq";
    /// The field that names the event that something is about.
    pub(crate) const TARGET: &str = "seq";

    /// Refuses a place, which `field` names, after the newest event.
    pub(crate) const fn check(field: &'static str, seq: Seq, head: Seq) -> Result<(), Self> {
        if seq.0 > head.0 {
            Err(Self { field, seq, head })
        } else {
            Ok(())
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        vec![FieldViolation {
            field: self.field.to_owned(),
            description: format!("must not be after the newest event, {}", self.head),
        }]
    }
}

/// Why a command was not done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// There is no such room, or the caller is not in it.
    #[error("no such room")]
    NoSuchRoom,
    /// There is no such message in the room.
    #[error("no such message")]
    NoSuchMessage,
    /// There is no such member in the room.
    #[error("no such member")]
    NoSuchMember,
    /// There is no such account.
    #[error("no such account")]
    NoSuchAccount,
    /// The link is void.
    #[error("no such link")]
    NoSuchLink,
    /// The caller's role does not allow it.
    #[error("only {} may do this", whom(*needs))]
    RoleTooLow {
        /// The lowest role that would.
        needs: Role,
    },
    /// The one it is about has the caller's rank or a higher one.
    #[error("only somebody of a higher rank may do this to that member")]
    RankTooLow,
    /// Somebody else said it.
    #[error("only who said it may change it")]
    NotTheAuthor,
    /// The caller may only read.
    #[error("muted in this room")]
    Muted,
    /// The room can only be read.
    #[error("the room is archived")]
    Archived,
    /// The room is a direct conversation, which has neither name nor roles.
    #[error("a direct conversation has neither name nor roles nor other members")]
    Direct,
    /// The account is kept out: lift the ban first.
    #[error("the account is banned from this room")]
    Banned,
    /// The room would be without an owner.
    #[error("the room's last owner: make somebody else an owner first")]
    LastOwner,
    /// The room has all the members it can have.
    #[error("the room has {MEMBERS_MAX} members, which is the limit")]
    RoomFull,
    /// The account that would come, whoever asked for it, is in all the rooms it can be in.
    #[error("the account can be in no more rooms: {ROOMS_PER_ACCOUNT_MAX} is the limit")]
    TooManyRooms,
    /// The room has all the bans it can have.
    #[error("the room has {BANS_MAX} bans, which is the limit: lift some")]
    TooManyBans,
    /// The message does not carry a file that it is to lose.
    #[error("remove_attachments[{place}] is not in the message")]
    NoSuchAttachment {
        /// The place of the file among those that were named.
        place: usize,
    },
    /// An edit would leave a message without words and without files.
    #[error("a message says something or carries a file")]
    NothingLeft,
    /// A file that the message cannot carry.
    #[error(transparent)]
    Unattachable(#[from] Unattachable),
    /// The client message id was used for something else.
    #[error("this client message id was used for something else")]
    IdReused,
    /// A place in the log that is not there yet.
    #[error(transparent)]
    FutureSeq(#[from] FutureSeq),
    /// The room has too much to do. Nothing happened.
    #[error("the room is busy")]
    Overloaded,
    /// The room fails again and again, or the node is going down. Nothing happened.
    #[error("the room is not served here now")]
    Unavailable,
    /// The room is on its way between two nodes, or its node cannot be reached. Nothing happened.
    #[error("the room is on its way between two nodes")]
    Moving,
    /// No answer came in time. May have happened.
    #[error("no answer from the room in time")]
    TimedOut,
    /// Whether it happened is unknown.
    #[error("whether this happened is unknown: ask again with the same id")]
    OutcomeUnknown,
    /// The store failed; nothing happened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const fn whom(role: Role) -> &'static str {
    match role {
        Role::Member => "members",
        Role::Moderator => "moderators and owners",
        Role::Owner => "owners",
    }
}

impl CommandError {
    /// Whether an attempt at the same command before this one, whose outcome is unknown, has done
    /// nothing. Only what carries an id is looked up before it is refused, and only for a member.
    pub(crate) fn settles(&self, command: &Command) -> bool {
        let is_refusal = !matches!(
            self,
            Self::NoSuchRoom | Self::Overloaded | Self::Unavailable | Self::Moving | Self::Store(_)
        );
        is_refusal && command.draft().is_some()
    }
}

impl Coded for CommandError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchRoom
            | Self::NoSuchMessage
            | Self::NoSuchMember
            | Self::NoSuchAccount
            | Self::NoSuchAttachment { .. }
            | Self::NoSuchLink => ErrorCode::NotFound,
            Self::RoleTooLow { .. } | Self::RankTooLow | Self::NotTheAuthor | Self::Muted => {
                ErrorCode::Forbidden
            }
            Self::Archived
            | Self::Direct
            | Self::Banned
            | Self::LastOwner
            | Self::RoomFull
            | Self::TooManyRooms
            | Self::TooManyBans => ErrorCode::Conflict,
            Self::IdReused => ErrorCode::AlreadyExists,
            Self::FutureSeq(_) | Self::NothingLeft => ErrorCode::Invalid,
            Self::Unattachable(file) => file.code(),
            Self::Overloaded => ErrorCode::Exhausted,
            Self::Unavailable | Self::Moving => ErrorCode::NotHere,
            Self::TimedOut => ErrorCode::Timeout,
            Self::OutcomeUnknown => ErrorCode::Unknown,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchRoom => "ROOM_NOT_FOUND",
            Self::NoSuchMessage => "MESSAGE_NOT_FOUND",
            Self::NoSuchMember => "MEMBER_NOT_FOUND",
            Self::NoSuchAccount => "ACCOUNT_NOT_FOUND",
            Self::NoSuchLink => "LINK_NOT_FOUND",
            Self::RoleTooLow { .. } => "ROLE_TOO_LOW",
            Self::RankTooLow => "RANK_TOO_LOW",
            Self::NotTheAuthor => "NOT_THE_AUTHOR",
            Self::Muted => "MUTED",
            Self::Archived => "ROOM_ARCHIVED",
            Self::Direct => "ROOM_DIRECT",
            Self::Banned => "ACCOUNT_BANNED",
            Self::LastOwner => "LAST_OWNER",
            Self::RoomFull => "ROOM_FULL",
            Self::TooManyRooms => "TOO_MANY_ROOMS",
            Self::TooManyBans => "TOO_MANY_BANS",
            Self::NoSuchAttachment { .. } => ATTACHMENT_NOT_FOUND,
            Self::NothingLeft => "MESSAGE_EMPTY",
            Self::Unattachable(file) => file.reason(),
            Self::IdReused => "CLIENT_MESSAGE_ID_REUSED",
            Self::FutureSeq(_) => "SEQ_IN_THE_FUTURE",
            Self::Overloaded => "ROOM_BUSY",
            Self::Unavailable => "ROOM_UNAVAILABLE",
            Self::Moving => "ROOM_MOVING",
            Self::TimedOut => "ROOM_TIMEOUT",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::Store(error) => error.reason(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        let field = |field: String, description: &str| FieldViolation {
            field,
            description: description.to_owned(),
        };
        if let Self::FutureSeq(future) = self {
            future.violations()
        } else if let Self::Unattachable(file) = self {
            file.violations()
        } else if let Self::NoSuchAttachment { place } = self {
            let name = format!("remove_attachments[{place}]");
            vec![field(name, "is not in the message")]
        } else if *self == Self::NothingLeft {
            let name = "body".to_owned();
            vec![field(name, "must not be empty where no file is left")]
        } else {
            Vec::new()
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        if let Self::Store(error) = self {
            error.retry_after()
        } else {
            (*self == Self::Overloaded).then_some(OVERLOADED_RETRY)
        }
    }
}

impl AsStoreError for CommandError {
    fn as_store_error(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self {
            Some(error)
        } else {
            None
        }
    }
}

impl From<AskError> for CommandError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Overloaded => Self::Overloaded,
            AskError::Stopped => Self::OutcomeUnknown,
            AskError::TimedOut => Self::TimedOut,
        }
    }
}

impl From<ReadError> for CommandError {
    /// For what is read back after a command. Who has lost the room by then is told so.
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoSuchRoom => Self::NoSuchRoom,
            ReadError::NoSuchEvent | ReadError::NoSuchAttachment => Self::NoSuchMessage,
            ReadError::RoleTooLow { needs } => Self::RoleTooLow { needs },
            ReadError::FutureSeq(future) => Self::FutureSeq(future),
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// There is no such room, or the caller is not in it.
    #[error("no such room")]
    NoSuchRoom,
    /// There is no such event in the room.
    #[error("no such event")]
    NoSuchEvent,
    /// The message does not carry this file, or not any more.
    #[error("the message carries no such file")]
    NoSuchAttachment,
    /// The reader's role does not allow it.
    #[error("only {} may do this", whom(*needs))]
    RoleTooLow {
        /// The lowest role that would.
        needs: Role,
    },
    /// A place in the log that is not there yet.
    #[error(transparent)]
    FutureSeq(#[from] FutureSeq),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for ReadError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchRoom | Self::NoSuchEvent | Self::NoSuchAttachment => ErrorCode::NotFound,
            Self::RoleTooLow { .. } => ErrorCode::Forbidden,
            Self::FutureSeq(_) => ErrorCode::Invalid,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchRoom => "ROOM_NOT_FOUND",
            Self::NoSuchEvent => "EVENT_NOT_FOUND",
            Self::NoSuchAttachment => ATTACHMENT_NOT_FOUND,
            Self::RoleTooLow { .. } => "ROLE_TOO_LOW",
            Self::FutureSeq(_) => "SEQ_IN_THE_FUTURE",
            Self::Store(error) => error.reason(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        if let Self::FutureSeq(future) = self {
            future.violations()
        } else {
            Vec::new()
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.as_store_error().and_then(Coded::retry_after)
    }
}

impl AsStoreError for ReadError {
    fn as_store_error(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self {
            Some(error)
        } else {
            None
        }
    }
}
