//! Effects, done.
//!
//! Invariant: nothing here waits; each effect is a task, and comes back as something that happened. Own
//! messages go out one after the other, so that they arrive in the order in which they were written.

use std::convert::Infallible;
use std::sync::Arc;

use rookery_client::v1::presence::State;
use rookery_client::v1::{Account, ListMembersRequest, Member, SignInRequest};
use rookery_client::{
    Backoff, Client, Code, Error, Fingerprint, Follow, Incoming, Outgoing, Place as From,
    Registration, Session, SessionOptions, Token,
};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};

use super::model::{Ask, Effect, Msg, Page, Secret, Tell, Want};
use super::transfers::Errand;
use super::{calls, carry, paths, terminal};
use crate::args::UserArgs;
use crate::connect::{Place, device_label};
use crate::limits;

/// What a task led to.
#[derive(Debug)]
pub(super) enum Happened {
    Msg(Box<Msg>),
    Client(Box<Client>),
    Session(Session, Incoming),
}

/// Does what the model asks for.
pub(super) struct Performer {
    place: Place,
    user: UserArgs,
    /// From the command line, instead of the one that is kept.
    token: Option<Token>,
    out: mpsc::Sender<Happened>,
    client: Option<Client>,
    session: Option<Session>,
    sends: Option<mpsc::Sender<Outgoing>>,
    /// The transfer that goes on, until this is dropped.
    carrying: Option<(u64, oneshot::Sender<Infallible>)>,
    calls: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

impl Performer {
    pub(super) fn new(
        place: Place,
        user: UserArgs,
        token: Option<Token>,
        out: mpsc::Sender<Happened>,
    ) -> Self {
        Self {
            place,
            user,
            token,
            out,
            client: None,
            session: None,
            sends: None,
            carrying: None,
            calls: Arc::new(Semaphore::new(limits::CALLS_MAX)),
            tasks: JoinSet::new(),
        }
    }

    pub(super) fn set_client(&mut self, client: Client) {
        self.client = Some(client);
    }

    pub(super) fn set_session(&mut self, session: Session) {
        let (sends, queue) = mpsc::channel(limits::UNSENT_MAX);
        let out = self.out.clone();
        self.tasks.spawn(send_in_order(session.clone(), queue, out));
        self.sends = Some(sends);
        self.session = Some(session);
    }

    /// The session is over; if the sign-in is as well, its token is void.
    pub(super) fn forget_session(&mut self, signed_out: bool) {
        self.session = None;
        self.sends = None;
        if signed_out {
            self.token = None;
            self.forget_token();
        }
    }

    fn forget_token(&self) {
        let name = self.place.name();
        let kept = self.place.files.token(name, self.user.user.as_deref());
        if let Ok(Some((user, _))) = kept {
            // A void token that stays is found out the next time.
            let _ = self.place.files.forget(name, &user);
        }
    }

    pub(super) fn perform(&mut self, effect: Effect) {
        while self.tasks.try_join_next().is_some() {}
        match effect {
            Effect::Connect(believe) => {
                let connecting = connect(
                    self.place.clone(),
                    self.user.user.clone(),
                    self.token.clone(),
                    believe,
                    self.out.clone(),
                );
                self.tasks.spawn(connecting);
            }
            Effect::SignIn {
                user,
                password,
                keep,
            } => self.sign_in(user, password, keep),
            Effect::Register {
                user,
                display_name,
                password,
                invitation,
                keep,
            } => {
                let registration = Registration {
                    user_name: user,
                    display_name,
                    password: password.0,
                    invitation,
                    device_label: device_label(),
                    keep_signed_in: keep,
                };
                self.register(registration);
            }
            Effect::OpenSession => self.open_session(),
            Effect::Send(message) => {
                // Without a session it waits in the model for the next one.
                if let Some(sends) = &self.sends {
                    // The queue holds as many as the model lets wait.
                    let _ = sends.try_send(message);
                }
            }
            Effect::Carry(id, errand) => self.carry(id, errand),
            Effect::GiveUp(id) => {
                self.carrying.take_if(|(carried, _)| *carried == id);
            }
            Effect::Complete(line) => self.complete(line),
            Effect::Bell => terminal::bell(),
            Effect::Quit => {}
            Effect::Tell(tell) => self.tell(tell),
            Effect::Ask(ask) => self.ask(ask),
        }
    }

    fn sign_in(&mut self, user_name: String, password: Secret, keep: bool) {
        let Some(client) = self.client.clone() else {
            return;
        };
        let request = SignInRequest {
            user_name,
            password: password.0,
            device_label: device_label(),
            keep_signed_in: keep,
        };
        let enter = Enter::of(self);
        self.tasks.spawn(async move {
            let signed_in = client.sign_in(request).await;
            enter.enter(signed_in).await;
        });
    }

    fn register(&mut self, registration: Registration) {
        let Some(client) = self.client.clone() else {
            return;
        };
        let enter = Enter::of(self);
        self.tasks.spawn(async move {
            let signed_in = client.register(registration).await;
            enter.enter(signed_in).await;
        });
    }

    fn open_session(&mut self) {
        let Some(client) = self.client.clone() else {
            return;
        };
        let out = self.out.clone();
        self.tasks.spawn(async move {
            let backoff = Backoff {
                max: limits::RECONNECT_MAX,
                ..Backoff::default()
            };
            let options = SessionOptions::new()
                .presence(State::Online)
                .backoff(backoff);
            let happened = match client.session(options).await {
                Ok((session, incoming)) => Happened::Session(session, incoming),
                Err(error) => msg(Msg::Opened(Err(error))),
            };
            tell(&out, happened).await;
        });
    }

    fn carry(&mut self, id: u64, errand: Errand) {
        let Some(client) = self.client.clone() else {
            return;
        };
        let (keep, given_up) = oneshot::channel();
        self.carrying = Some((id, keep));
        let out = self.out.clone();
        self.tasks
            .spawn(carry::carry(client, id, errand, given_up, out));
    }

    fn complete(&mut self, line: String) {
        let out = self.out.clone();
        self.tasks.spawn(async move {
            let read = spawn_blocking(move || (paths::completed(&line), line)).await;
            if let Ok((Some(to), line)) = read {
                tell(&out, msg(Msg::Completed(line, to))).await;
            }
        });
    }

    fn tell(&mut self, told: Tell) {
        let Some(session) = self.session.clone() else {
            return;
        };
        let out = self.out.clone();
        self.tasks.spawn(async move {
            match told {
                Tell::Follow(room, after) => {
                    let follow = match after {
                        Some((seq, log_id)) => Follow::after(&room, seq, log_id),
                        None => Follow::from_head(&room),
                    };
                    let followed = session.follow(follow).await;
                    tell(&out, msg(Msg::Followed(room, followed))).await;
                }
                // Of the others nothing is waited for: the screen shows them when they are so.
                Tell::Unfollow(room) => drop(session.unfollow(&room).await),
                Tell::Watch(accounts) => drop(session.watch_presence(accounts).await),
                Tell::Typing(room) => drop(session.set_typing(&room).await),
                Tell::MarkRead(room, seq) => drop(session.mark_read(&room, seq).await),
            }
        });
    }

    fn ask(&mut self, ask: Ask) {
        let Some(client) = self.client.clone() else {
            return;
        };
        let (out, calls) = (self.out.clone(), Arc::clone(&self.calls));
        self.tasks.spawn(async move {
            let Ok(_permit) = calls.acquire().await else {
                return;
            };
            let done = match ask {
                Ask::Rooms => Msg::Rooms(client.all_rooms().await),
                Ask::Account(name) => {
                    let account = client.account(&name).await;
                    Msg::Account(name, account)
                }
                Ask::Members(room) => {
                    let members = members(&client, &room).await;
                    Msg::Members(room, members)
                }
                Ask::Readers(room, seq) => {
                    let readers = client.all_readers(&room, seq).await;
                    Msg::Readers(room, seq, readers)
                }
                Ask::Page(room, want) => Msg::Page(page(&client, room, want).await),
                Ask::Edit(request) => {
                    let edited = client.edit_message(request.clone()).await;
                    Msg::Edited(request, edited.map(drop))
                }
                Ask::Call(call) => Msg::Done(calls::perform(&client, call).await),
            };
            tell(&out, msg(done)).await;
        });
    }
}

/// What has to happen when somebody has signed in.
struct Enter {
    place: Place,
    forget: bool,
    out: mpsc::Sender<Happened>,
}

impl Enter {
    fn of(performer: &Performer) -> Self {
        Self {
            place: performer.place.clone(),
            forget: performer.user.forget,
            out: performer.out.clone(),
        }
    }

    async fn enter(self, signed_in: Result<rookery_client::SignedIn, Error>) {
        let result = match signed_in {
            Ok(signed_in) => {
                let (place, account) = (&self.place, signed_in.account);
                if !self.forget {
                    // Without the file one signs in again the next time.
                    let _ = place
                        .files
                        .keep(place.name(), &account.user_name, &signed_in.token);
                }
                tell(&self.out, Happened::Client(Box::new(signed_in.client))).await;
                Ok(account)
            }
            Err(error) => Err(error),
        };
        tell(&self.out, msg(Msg::SignedIn(result))).await;
    }
}

fn msg(msg: Msg) -> Happened {
    Happened::Msg(Box::new(msg))
}

async fn tell(out: &mpsc::Sender<Happened>, happened: Happened) {
    // When the screen is gone, nobody wants to know.
    let _ = out.send(happened).await;
}

async fn connect(
    place: Place,
    user: Option<String>,
    token: Option<Token>,
    believe: Option<Fingerprint>,
    out: mpsc::Sender<Happened>,
) {
    let connected = try_connect(&place, user, token, believe).await;
    let result = match connected {
        Ok((client, account)) => {
            tell(&out, Happened::Client(Box::new(client))).await;
            Ok(account)
        }
        Err(error) => Err(error),
    };
    tell(&out, msg(Msg::Connected(result))).await;
}

async fn try_connect(
    place: &Place,
    user: Option<String>,
    token: Option<Token>,
    believe: Option<Fingerprint>,
) -> Result<(Client, Option<Account>), Error> {
    if let Some(fingerprint) = believe {
        place.believe(fingerprint)?;
    }
    let client = place.connect().await?;
    if let Some(token) = token {
        let client = client.with_token(token)?;
        let me = client.account("accounts/me").await?;
        return Ok((client, Some(me)));
    }
    let kept = place.files.token(place.name(), user.as_deref());
    let Some((user, token)) = kept.ok().flatten() else {
        return Ok((client, None));
    };
    let signed_in = client.with_token(token)?;
    match signed_in.account("accounts/me").await {
        Ok(me) => Ok((signed_in, Some(me))),
        Err(error) if error.code() == Some(Code::Unauthenticated) => {
            // A void token that stays is found out the next time.
            let _ = place.files.forget(place.name(), &user);
            Ok((client, None))
        }
        Err(error) => Err(error),
    }
}

/// Own messages, one after the other, each until the server has said what became of it.
async fn send_in_order(
    session: Session,
    mut queue: mpsc::Receiver<Outgoing>,
    out: mpsc::Sender<Happened>,
) {
    while let Some(message) = queue.recv().await {
        let result = loop {
            match session.send_message(&message).await {
                Err(error) if error.is_transient() => tokio::time::sleep(limits::TICK).await,
                result => break result,
            }
        };
        let sent = Msg::Sent(message.id().to_owned(), result);
        tell(&out, msg(sent)).await;
    }
}

async fn members(client: &Client, room: &str) -> Result<Vec<Member>, Error> {
    let request = ListMembersRequest {
        parent: room.to_owned(),
        page_size: limits::MEMBERS_LOADED_MAX,
        page_token: String::new(),
    };
    Ok(client.list_members(request).await?.members)
}

/// A page of the log. A server may give less than a page and have more; what is short is filled by the
/// next request.
async fn page(client: &Client, room: String, want: Want) -> Page {
    let from = match want {
        Want::Older(seq) => From::Before(seq),
        Want::Newer(seq) => From::After(seq),
        Want::From(time) => From::TimeForward(time),
    };
    let events = client.events(&room, from, limits::PAGE_EVENTS).await;
    let events = events.map(|page| page.events);
    Page { room, want, events }
}
