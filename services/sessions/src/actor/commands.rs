//! Carrying out what a client asks: the same as by unary calls, and with the same errors.
//!
//! Commands are carried out in their order, one after the other; only messages that follow one another
//! are sent together, so that they share a transaction. In one room they keep their order too, as
//! [`Rooms::commands`](services_rooms::Rooms::commands) has it.

use cluster_rpc::InvalidRequest;
use cluster_types::RoomId;
use futures::future::join_all;
use services_rooms::{Action, CommandError, Outcome};

use super::{Control, SessionActor};
use crate::command::{Act, Answer, Answered, Asked, Command};
use crate::error::Refusal;
use crate::hub::Close;
use crate::wire::item;

/// A message to be sent, and the number of its reply.
type Draft = (u64, Action);

impl SessionActor {
    pub(super) async fn execute(&self, control: &mut Control, asked: Vec<Asked>) {
        let mut asked = asked.into_iter().peekable();
        while let Some(first) = asked.next() {
            if self.session.has_ended() {
                return;
            }
            if let Err(refusal) = may_go_on(control, &first) {
                self.fail(refusal);
                return;
            }
            match first.command {
                Ok(Command::Act(Act::Send, room, action)) => {
                    let mut drafts = vec![(room, (first.request_id, *action))];
                    while let Some(next) = asked.next_if(Asked::is_send) {
                        if let Ok(Command::Act(_, room, action)) = next.command {
                            drafts.push((room, (next.request_id, *action)));
                        }
                    }
                    self.send_all(drafts).await;
                }
                Ok(Command::Hello(follows)) => match self.greet(follows).await {
                    Ok(()) => self.reply(first.request_id, Ok(Answer::Done)),
                    Err(refusal) => return self.fail(refusal),
                },
                Ok(command) => {
                    let answered = self.one(command).await;
                    self.reply(first.request_id, answered);
                }
                Err(invalid) => self.reply(first.request_id, Err(invalid.into())),
            }
        }
    }

    fn reply(&self, request_id: u64, answered: Answered) {
        if request_id != 0 {
            self.session.push(item::reply(request_id, &answered));
        }
    }

    pub(super) fn fail(&self, refusal: Refusal) {
        self.sessions
            .hub()
            .close(&self.session, Close::Failed(refusal));
    }

    async fn one(&self, command: Command) -> Answered {
        let account = self.session.account();
        let rooms = self.sessions.rooms();
        match command {
            // Only the first frame may be one, and that is greeted.
            Command::Hello(_) => {}
            Command::Follow(follow) => self.follow_room(&follow).await?,
            Command::Unfollow(room) => self.session.change(|state| state.unfollow(room)),
            Command::Act(act, room, action) => return self.act(act, room, *action).await,
            Command::MarkRead(room, seq) => {
                let (mark, unread) = rooms.mark_read(account, room, seq).await?;
                let read = mark.seq;
                return Ok(Answer::Marked { read, unread });
            }
            Command::Type(room) => rooms.typing(account, room).await?,
            Command::SetPresence(state) => self.sessions.hub().presence.set(&self.session, state),
            Command::WatchPresence(accounts) => {
                self.sessions.hub().presence.watch(&self.session, accounts);
            }
        }
        Ok(Answer::Done)
    }

    async fn act(&self, act: Act, room: RoomId, action: Action) -> Answered {
        let account = self.session.account();
        let command = services_rooms::Command { account, action };
        let outcome = self.sessions.rooms().command(room, command).await?;
        Ok(Answer::Acted(act, outcome))
    }

    /// Sends messages, those to different rooms side by side.
    async fn send_all(&self, drafts: Vec<(RoomId, Draft)>) {
        let mut lanes: Vec<(RoomId, Vec<Draft>)> = Vec::new();
        for (room, draft) in drafts {
            match lanes.iter_mut().find(|(of, _)| *of == room) {
                Some((_, lane)) => lane.push(draft),
                None => lanes.push((room, vec![draft])),
            }
        }
        let sending = lanes
            .into_iter()
            .map(|(room, drafts)| self.send_to(room, drafts));
        join_all(sending).await;
    }

    /// Sends messages to one room, in their order.
    async fn send_to(&self, room: RoomId, drafts: Vec<Draft>) {
        let account = self.session.account();
        let (requests, actions): (Vec<_>, Vec<_>) = drafts.into_iter().unzip();
        let commands = actions
            .into_iter()
            .map(|action| services_rooms::Command { account, action })
            .collect();
        let reply = |at: usize, outcome: Result<Outcome, CommandError>| {
            let answered = outcome.map(|outcome| Answer::Acted(Act::Send, outcome));
            self.reply(requests[at], answered.map_err(Refusal::from));
        };
        self.sessions.rooms().commands(room, commands, reply).await;
    }
}

fn may_go_on(control: &mut Control, next: &Asked) -> Result<(), Refusal> {
    let is_hello = matches!(next.command, Ok(Command::Hello(_)));
    let problem = match (std::mem::replace(&mut control.greeted, true), is_hello) {
        (false, true) | (true, false) => return Ok(()),
        (false, false) => match &next.command {
            Err(invalid) => return Err(invalid.clone().into()),
            Ok(_) => "must be the first frame",
        },
        (true, true) => "has been said already",
    };
    Err(InvalidRequest::field("hello", problem).into())
}
