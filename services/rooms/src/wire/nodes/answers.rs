//! What came of a command, on its way back.

use cluster_store::StoreError;
use cluster_types::{Coded as _, ErrorCode, Seq, UnixMillis};

use super::v1::room_answer::{self as wire, Answer, Reason, Refusal};
use super::{read_role, v1, wire_role};
use crate::error::FutureSeq;
use crate::{CommandError, Member, Mute, Outcome, Unattachable, WhyNot};

/// What came of a command, as another node reads it.
pub fn answer(result: &Result<Outcome, CommandError>) -> v1::RoomAnswer {
    let answer = match result {
        Ok(outcome) => Answer::Outcome(wire::Outcome {
            seq: outcome.seq.0,
            time_ms: outcome.at.0,
            member: outcome.member.as_ref().map(member),
        }),
        Err(error) => Answer::Refusal(refusal(error)),
    };
    v1::RoomAnswer {
        answer: Some(answer),
    }
}

fn member(member: &Member) -> wire::Member {
    wire::Member {
        role: wire_role(member.role).into(),
        muted: member.mute.is_some(),
        muted_until_ms: member.mute.and_then(|mute| mute.until).map(|until| until.0),
    }
}

fn refusal(error: &CommandError) -> Refusal {
    let mut refusal = Refusal {
        reason: reason(error).into(),
        ..Refusal::default()
    };
    if let CommandError::RoleTooLow { needs } = error {
        refusal.needs = wire_role(*needs).into();
    } else if let CommandError::NoSuchAttachment { place }
    | CommandError::Unattachable(Unattachable { place, .. }) = error
    {
        // There are never more than a message can carry.
        refusal.place = u32::try_from(*place).unwrap_or(u32::MAX);
    } else if let CommandError::FutureSeq(FutureSeq { seq, head, .. }) = error {
        (refusal.seq, refusal.head) = (seq.0, head.0);
    }
    refusal
}

fn reason(error: &CommandError) -> Reason {
    match error {
        CommandError::NoSuchRoom => Reason::RoomNotFound,
        CommandError::NoSuchMessage => Reason::MessageNotFound,
        CommandError::NoSuchMember => Reason::MemberNotFound,
        CommandError::NoSuchAccount => Reason::AccountNotFound,
        CommandError::NoSuchLink => Reason::LinkNotFound,
        CommandError::RoleTooLow { .. } => Reason::RoleTooLow,
        CommandError::RankTooLow => Reason::RankTooLow,
        CommandError::NotTheAuthor => Reason::NotTheAuthor,
        CommandError::Muted => Reason::Muted,
        CommandError::Archived => Reason::RoomArchived,
        CommandError::Direct => Reason::RoomDirect,
        CommandError::Banned => Reason::AccountBanned,
        CommandError::LastOwner => Reason::LastOwner,
        CommandError::RoomFull => Reason::RoomFull,
        CommandError::TooManyRooms => Reason::TooManyRooms,
        CommandError::TooManyBans => Reason::TooManyBans,
        CommandError::NoSuchAttachment { .. } => Reason::AttachmentNotFound,
        CommandError::NothingLeft => Reason::MessageEmpty,
        CommandError::Unattachable(file) => match file.why {
            WhyNot::NoSuchUpload => Reason::UploadNotFound,
            WhyNot::Taken => Reason::UploadTaken,
            WhyNot::OtherRoom => Reason::UploadForAnotherRoom,
            WhyNot::NotFinished => Reason::UploadNotFinished,
        },
        CommandError::IdReused => Reason::ClientMessageIdReused,
        CommandError::FutureSeq(FutureSeq { field, .. }) if *field == FutureSeq::REPLY => {
            Reason::ReplyInTheFuture
        }
        CommandError::FutureSeq(_) => Reason::SeqInTheFuture,
        CommandError::Overloaded => Reason::RoomBusy,
        CommandError::Unavailable => Reason::RoomUnavailable,
        CommandError::Moving => Reason::NotHere,
        CommandError::TimedOut => Reason::RoomTimeout,
        CommandError::OutcomeUnknown => Reason::OutcomeUnknown,
        CommandError::Store(error) => of_store(error),
    }
}

fn of_store(error: &StoreError) -> Reason {
    match error.code() {
        ErrorCode::Unknown => Reason::OutcomeUnknown,
        ErrorCode::Contended => Reason::StoreContended,
        ErrorCode::Exhausted => Reason::StoreFull,
        ErrorCode::NotHere => Reason::StoreUnavailable,
        // Rows that do not read, and defects of ours.
        ErrorCode::Invalid
        | ErrorCode::NotFound
        | ErrorCode::Unauthenticated
        | ErrorCode::Forbidden
        | ErrorCode::AlreadyExists
        | ErrorCode::Conflict
        | ErrorCode::Timeout
        | ErrorCode::Corrupt
        | ErrorCode::Internal => Reason::StoreBroken,
    }
}

/// Reads what came of a command.
///
/// # Errors
/// What the node that has the room says; [`CommandError::Unavailable`] where its refusal is not understood.
pub fn read_answer(answer: v1::RoomAnswer) -> Result<Outcome, CommandError> {
    match answer.answer {
        Some(Answer::Outcome(outcome)) => Ok(Outcome {
            seq: Seq(outcome.seq),
            at: UnixMillis(outcome.time_ms),
            member: outcome.member.and_then(|member| read_member(&member)),
        }),
        Some(Answer::Refusal(refusal)) => Err(read_refusal(&refusal)),
        // Of a later release, and it says neither that it happened nor that it did not.
        None => Err(CommandError::OutcomeUnknown),
    }
}

fn read_member(member: &wire::Member) -> Option<Member> {
    let mute = member.muted.then_some(Mute {
        until: member.muted_until_ms.map(UnixMillis),
    });
    let role = read_role(member.role)?;
    Some(Member { role, mute })
}

fn read_refusal(refusal: &Refusal) -> CommandError {
    let place = refusal.place as usize;
    let unattachable = |why| CommandError::Unattachable(Unattachable { place, why });
    let future = |field| {
        let (seq, head) = (Seq(refusal.seq), Seq(refusal.head));
        CommandError::FutureSeq(FutureSeq { field, seq, head })
    };
    match refusal.reason() {
        Reason::RoomNotFound => CommandError::NoSuchRoom,
        Reason::MessageNotFound => CommandError::NoSuchMessage,
        Reason::MemberNotFound => CommandError::NoSuchMember,
        Reason::AccountNotFound => CommandError::NoSuchAccount,
        Reason::LinkNotFound => CommandError::NoSuchLink,
        Reason::RoleTooLow => match read_role(refusal.needs) {
            Some(needs) => CommandError::RoleTooLow { needs },
            None => CommandError::Unavailable,
        },
        Reason::RankTooLow => CommandError::RankTooLow,
        Reason::NotTheAuthor => CommandError::NotTheAuthor,
        Reason::Muted => CommandError::Muted,
        Reason::RoomArchived => CommandError::Archived,
        Reason::RoomDirect => CommandError::Direct,
        Reason::AccountBanned => CommandError::Banned,
        Reason::LastOwner => CommandError::LastOwner,
        Reason::RoomFull => CommandError::RoomFull,
        Reason::TooManyRooms => CommandError::TooManyRooms,
        Reason::TooManyBans => CommandError::TooManyBans,
        Reason::AttachmentNotFound => CommandError::NoSuchAttachment { place },
        Reason::MessageEmpty => CommandError::NothingLeft,
        Reason::UploadNotFound => unattachable(WhyNot::NoSuchUpload),
        Reason::UploadTaken => unattachable(WhyNot::Taken),
        Reason::UploadForAnotherRoom => unattachable(WhyNot::OtherRoom),
        Reason::UploadNotFinished => unattachable(WhyNot::NotFinished),
        Reason::ClientMessageIdReused => CommandError::IdReused,
        Reason::ReplyInTheFuture => future(FutureSeq::REPLY),
        Reason::SeqInTheFuture => future(FutureSeq::TARGET),
        Reason::RoomBusy => CommandError::Overloaded,
        Reason::RoomTimeout => CommandError::TimedOut,
        Reason::OutcomeUnknown => CommandError::OutcomeUnknown,
        Reason::StoreContended => CommandError::Store(StoreError::Contended),
        Reason::StoreFull => CommandError::Store(StoreError::Full),
        Reason::StoreUnavailable => CommandError::Store(StoreError::Unavailable),
        Reason::StoreBroken => CommandError::Store(StoreError::Damaged),
        Reason::NotHere => CommandError::Moving,
        Reason::Unspecified | Reason::RoomUnavailable => CommandError::Unavailable,
    }
}
