//! Asking a room, wherever it is, until it is known what came of it.
//!
//! Invariant: commands that are given together are asked together, in their order, of one place at a time; those that
//! have to be asked again are so in the same order, after all others have their outcome. So two messages of one client
//! stay in theirs while their room moves, or dies and is loaded. What a room had not begun is asked again; what it may
//! have done, only if doing it twice is doing it once.

use std::sync::Arc;

use cluster_membership::{Ownership, Place};
use cluster_runtime::{AskError, PushError, Reply, TaskKind, Wake};
use cluster_types::{Epoch, Life, RoomId};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, timeout, timeout_at};

use super::Rooms;
use super::turns::Turn;
use crate::actor::{self, Request};
use crate::limits::{COMMAND_ATTEMPTS_MAX, COMMAND_DEADLINE, MOVING_RETRY};
use crate::{Action, Command, CommandError, Outcome};

/// A command that has no outcome yet.
#[derive(Debug)]
struct Open {
    /// Its place among those that were given together.
    at: usize,
    command: Arc<Command>,
    /// How often it was asked of somebody.
    attempts: usize,
    /// Whom it was asked of, if it may have happened there.
    unknown: Option<Option<(Life, Epoch)>>,
}

impl Rooms {
    /// Has a command done.
    ///
    /// # Errors
    /// See [`CommandError`]. Where the outcome stayed unknown, a command that may be done twice has been
    /// asked again already.
    pub async fn command(&self, room: RoomId, command: Command) -> Result<Outcome, CommandError> {
        let mut outcome = Err(CommandError::Unavailable);
        let done = |_, of| outcome = of;
        self.commands(room, vec![command], done).await;
        outcome
    }

    /// Has commands done that somebody has given one after the other: of those that are done, each after the ones
    /// before it. `done` is called once for each, with its place and its outcome, as [`Rooms::command`] has it.
    pub async fn commands(
        &self,
        room: RoomId,
        commands: Vec<Command>,
        mut done: impl FnMut(usize, Result<Outcome, CommandError>) + Send,
    ) {
        let by = Instant::now() + COMMAND_DEADLINE;
        let mut open: Vec<_> = commands.into_iter().enumerate().map(Open::new).collect();
        while !open.is_empty() {
            let place = self.place(room);
            let (asked, given_up): (Vec<_>, _) = open
                .drain(..)
                .partition(|open: &Open| open.may_be_asked(&place));
            let mut done = |of: &Open, outcome| {
                if outcome == Err(CommandError::OutcomeUnknown) {
                    self.tell_if_it_happened(room, &of.command);
                }
                done(of.at, outcome);
            };
            for open in given_up {
                done(&open, Err(CommandError::OutcomeUnknown));
            }
            // Asked in this order, and answered in any.
            let mut under_way: FuturesUnordered<_> = asked
                .into_iter()
                .map(|open| self.ask_by(by, room, &place, open))
                .collect();
            let mut is_moving = false;
            while let Some((mut asked, outcome)) = under_way.next().await {
                is_moving |= outcome == Err(CommandError::Moving);
                match asked.take(outcome, &place, by) {
                    Some(outcome) => done(&asked, outcome),
                    None => open.push(asked),
                }
            }
            open.sort_unstable_by_key(|open| open.at);
            if is_moving && !open.is_empty() {
                self.settle(room, &place).await;
            }
        }
    }

    /// If it has happened, those whom it concerns have to hear of it, wherever the room is by now. Its newest event is
    /// told anew by an actor here, and found elsewhere by whoever watches the room; who has come does not watch it yet.
    pub(super) fn tell_if_it_happened(&self, room: RoomId, command: &Command) {
        self.wake(room);
        let Some(account) = command.comer() else {
            return;
        };
        let (rooms, tasks) = (self.clone(), &self.with.tasks);
        let stopping = tasks.stopping().clone();
        tasks.spawn(TaskKind::Housekeeping, "rooms: tell again", async move {
            let action = Action::TellAgain;
            let told = rooms.command(room, Command { account, action });
            // Who is no member is told nothing.
            let _told = stopping.run_until_cancelled(told).await;
        });
    }

    async fn ask_by(
        &self,
        by: Instant,
        room: RoomId,
        place: &Place,
        open: Open,
    ) -> (Open, Result<Outcome, CommandError>) {
        let outcome = timeout_at(by, self.ask(room, place, &open.command)).await;
        (open, outcome.unwrap_or(Err(CommandError::TimedOut)))
    }

    /// Waits until it may be known where a room is that was not at this place.
    async fn settle(&self, room: RoomId, was: &Place) {
        let membership = &self.with.membership;
        let moved = async {
            let mut view = membership.view();
            while self.place(room) == *was {
                view = membership.view_after(&view).await;
            }
        };
        let within = MOVING_RETRY + self.with.rng.jitter(MOVING_RETRY);
        if timeout(within, moved).await.is_err() {
            // Nobody has said so: it was not handed over, or there is no link.
            membership.look().await;
        }
    }

    /// Asks for it once, wherever the room is.
    async fn ask(
        &self,
        room: RoomId,
        place: &Place,
        command: &Arc<Command>,
    ) -> Result<Outcome, CommandError> {
        match place {
            Place::Here(ownership) => self.ask_here(room, *ownership, command).await,
            Place::There(member, _epoch) => {
                let node = member.life.node;
                self.with.nodes.command(node, room, command).await
            }
            Place::Nobody => {
                let kept_out = self.with.membership.kept_out();
                Err(kept_out.map_or(CommandError::Moving, CommandError::Store))
            }
        }
    }

    /// Asks the actor of the room once. [`CommandError::Unavailable`]: it ended before it began.
    pub(crate) async fn ask_here(
        &self,
        room: RoomId,
        ownership: Ownership,
        command: &Arc<Command>,
    ) -> Result<Outcome, CommandError> {
        let turn = self.turn(room, command).await;
        self.check(room, command).await?;
        let (reply, waiting) = Reply::channel();
        let request = Request {
            command: Arc::clone(command),
            reply,
        };
        let (inbox, actor) = self.find_or_start(room, ownership)?;
        match inbox.push(request, command.bytes()) {
            Ok(Wake::Unneeded) => {}
            Ok(Wake::Needed) => {
                // It fails only if the actor has ended; then its inbox is closed.
                let _ended = actor.cast(actor::Wake);
            }
            Err((PushError::Full, _)) => return Err(CommandError::Overloaded),
            Err((PushError::Closed, _)) => return Err(CommandError::Unavailable),
        }
        drop(turn);
        match waiting.answer(COMMAND_DEADLINE).await {
            Ok(outcome) => outcome,
            Err(error) => {
                if error == AskError::Stopped {
                    // It died without a word. Until its supervisor hears of it, nobody must find it.
                    actor::answer_all(inbox.close(), &CommandError::Unavailable);
                }
                Err(error.into())
            }
        }
    }

    /// The turn of a command of which something has to be found out first, or of the same account's after it.
    async fn turn(&self, room: RoomId, command: &Command) -> Option<Turn<'_>> {
        let key = (room, command.account);
        if self.is_known(room, command) && self.local.turns.are_free(key) {
            return None;
        }
        Some(self.local.turns.take(key).await)
    }

    /// Whether a command may be put to a room without looking anything up.
    fn is_known(&self, room: RoomId, command: &Command) -> bool {
        let is_active = || self.local.active.lock().rooms.contains_key(&room);
        command.newcomer().is_none() && (command.comes_from_outside() || is_active())
    }

    /// What has to be found out before a room is asked.
    async fn check(&self, room: RoomId, command: &Command) -> Result<(), CommandError> {
        if self.is_known(room, command) {
            return Ok(());
        }
        // Strangers must not be able to start actors, nor to ask through a room who there is.
        if !command.comes_from_outside() && !self.is_member(command.account, room).await? {
            return Err(CommandError::NoSuchRoom);
        }
        match command.newcomer() {
            Some(account) if !self.with.people.exists(account).await? => {
                Err(CommandError::NoSuchAccount)
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Open {
    fn new((at, command): (usize, Command)) -> Self {
        Self {
            at,
            command: Arc::new(command),
            attempts: 0,
            unknown: None,
        }
    }

    /// Whether it may be asked at this place. What may have happened under another owner is only asked again if
    /// that undoes nothing that came between. While nobody has the room, nobody is asked, and whoever has it then may
    /// be the same as before: what makes an outcome unknown mostly suspends the owner, too.
    fn may_be_asked(&self, place: &Place) -> bool {
        let is_same = |owner| self::owner(place).is_none_or(|now| Some(now) == owner);
        let repeats = |owner| self.command.is_the_same_later() || is_same(owner);
        self.unknown.is_none_or(repeats)
    }

    /// Takes in what came of it. Returns its outcome; `None`: it is to be asked again.
    fn take(
        &mut self,
        outcome: Result<Outcome, CommandError>,
        place: &Place,
        by: Instant,
    ) -> Option<Result<Outcome, CommandError>> {
        let error = match outcome {
            Ok(outcome) => return Some(Ok(outcome)),
            Err(error) => error,
        };
        // Of one that is moving nobody was asked. It is somewhere again in a moment, and there it is asked for.
        let is_asked = error != CommandError::Moving;
        self.attempts += usize::from(is_asked);
        let is_unknown = error == CommandError::OutcomeUnknown;
        if is_unknown {
            self.unknown = Some(owner(place));
        }
        let repeats = is_unknown && self.command.is_repeatable();
        let again = if is_asked {
            let ended = error == CommandError::Unavailable;
            (repeats || ended) && self.attempts < COMMAND_ATTEMPTS_MAX
        } else {
            Instant::now() + MOVING_RETRY * 2 < by
        };
        if again {
            return None;
        }
        let is_settled = self.unknown.is_none() || error.settles(&self.command);
        Some(Err(if is_settled {
            error
        } else {
            CommandError::OutcomeUnknown
        }))
    }
}

/// Who has a room that is at this place.
fn owner(place: &Place) -> Option<(Life, Epoch)> {
    match place {
        Place::Here(ownership) => Some((ownership.life, ownership.epoch)),
        Place::There(member, epoch) => Some((member.life, *epoch)),
        Place::Nobody => None,
    }
}

#[cfg(test)]
mod tests {
    use cluster_types::{AccountId, BootId, NodeId, Seq, Shard};

    use super::*;

    fn place(epoch: u64) -> Place {
        let life = Life {
            node: NodeId::from_bytes([1; 16]),
            boot: BootId::from_bytes([1; 16]),
        };
        Place::Here(Ownership {
            shard: Shard::FIRST,
            life,
            epoch: Epoch(epoch),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_happened_is_asked_of_another_owner_only_if_that_undoes_nothing() {
        let account = AccountId::from_bytes([2; 16]);
        let by = Instant::now() + COMMAND_DEADLINE;
        for (action, repeats) in [
            (Action::Unban(account), false),
            (Action::Delete { target: Seq(1) }, true),
        ] {
            let mut open = Open::new((0, Command { account, action }));
            assert_eq!(open.take(Err(CommandError::Moving), &place(1), by), None);
            assert!(open.may_be_asked(&place(2)), "nothing has happened");
            let unknown = Err(CommandError::OutcomeUnknown);
            assert_eq!(open.take(unknown, &place(2), by), None);
            assert!(open.may_be_asked(&place(2)));
            assert_eq!(open.may_be_asked(&place(3)), repeats);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_happened_waits_for_its_owner_while_nobody_has_the_room() {
        let account = AccountId::from_bytes([2; 16]);
        let (nobody, moving) = (Place::Nobody, Err(CommandError::Moving));
        let by = Instant::now() + COMMAND_DEADLINE;
        let action = Action::Unban(account);
        let mut open = Open::new((0, Command { account, action }));
        let unknown = Err(CommandError::OutcomeUnknown);
        assert_eq!(open.take(unknown.clone(), &place(2), by), None);
        // Of which nobody is asked.
        assert!(open.may_be_asked(&nobody));
        assert_eq!(open.take(moving.clone(), &nobody, by), None);
        assert!(open.may_be_asked(&place(2)) && !open.may_be_asked(&place(3)));
        let late = open.take(moving, &nobody, Instant::now());
        assert_eq!(late, Some(unknown), "nobody has said that nothing happened");
    }
}
