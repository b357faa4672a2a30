//! The ways into a room that does not have an actor yet: creating one, opening a direct
//! conversation, following a link.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use cluster_runtime::{Reply, TaskKind};
use cluster_store::schema::{DirectRoom, RoomLink};
use cluster_store::{AsStoreError as _, StoreError, Transaction};
use cluster_types::{AccountId, LogId, RoomId, SecretBytes, Seq};
use data_encoding::BASE64URL_NOPAD;
use services_vault::{Sealer, Vault, VaultError};

use crate::limits::COMMAND_DEADLINE;
use crate::state::{Head, State, Used};
use crate::{
    Action, ClientMessageId, Command, CommandError, Event, EventKind, Kind, LinkHash, Member,
    MembershipChange, MembershipKind, Role, RoomChange, RoomView, Rooms, store,
};

/// What every link begins with, so that a stray one is recognised for what it is.
const LINK_PREFIX: &str = "rk_l_";

/// The first event of a log. It says that somebody has arrived, so no message is there.
const FIRST: Seq = Seq(1);

/// A room to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRoom {
    /// Its name.
    pub display_name: String,
    /// What it is about.
    pub topic: String,
    /// The same on every retry.
    pub request_id: ClientMessageId,
}

impl Rooms {
    /// Makes a room that `account` owns, once for each request id.
    ///
    /// # Errors
    /// [`CommandError::IdReused`]; [`CommandError::TooManyRooms`]; [`CommandError::NoSuchRoom`] if this is a retry and the account has
    /// lost the room meanwhile; [`CommandError::TimedOut`]; or if the store fails.
    pub async fn create(
        &self,
        account: AccountId,
        new: &NewRoom,
    ) -> Result<RoomView, CommandError> {
        let about = RoomChange {
            display_name: new.display_name.clone(),
            topic: new.topic.clone(),
            archived: false,
        };
        let members = BTreeMap::from([(account, Member::new(Role::Owner))]);
        let state = self.fresh(Kind::Group, about, members);
        let rooms = self.clone();
        let request_id = new.request_id;
        let made = self.finish("rooms: create", async move {
            rooms.write_group(account, request_id, &state).await
        });
        let room = made.await?;
        Ok(self.view(account, room).await?)
    }

    /// The one direct conversation of two accounts; made when it is first asked for.
    ///
    /// # Errors
    /// [`CommandError::NoSuchAccount`]; [`CommandError::TooManyRooms`], of either of the two;
    /// [`CommandError::TimedOut`]; or if the store fails.
    pub async fn open_direct(
        &self,
        account: AccountId,
        peer: AccountId,
    ) -> Result<RoomView, CommandError> {
        if !self.with.people.exists(peer).await? {
            return Err(CommandError::NoSuchAccount);
        }
        let member = Member::new(Role::Member);
        let members = BTreeMap::from([(account, member), (peer, member)]);
        let state = self.fresh(Kind::Direct, RoomChange::default(), members);
        let rooms = self.clone();
        let made = self.finish("rooms: open direct", async move {
            rooms.write_direct(account, peer, &state).await
        });
        let room = made.await?;
        Ok(self.view(account, room).await?)
    }

    /// Puts a new link in force, and returns its secret, which is stored nowhere.
    ///
    /// # Errors
    /// As [`Rooms::command`].
    pub async fn make_link(
        &self,
        account: AccountId,
        room: RoomId,
    ) -> Result<String, CommandError> {
        let secret: SecretBytes = self.with.rng.bytes();
        let action = Action::SetLink(Some(sha256(&secret)));
        self.command(room, Command { account, action }).await?;
        Ok(format!("{LINK_PREFIX}{}", BASE64URL_NOPAD.encode(&secret)))
    }

    /// Joins a room by link.
    ///
    /// # Errors
    /// [`CommandError::NoSuchLink`] for void links and banned accounts alike; as [`Rooms::command`].
    pub async fn join(&self, account: AccountId, link: &str) -> Result<RoomView, CommandError> {
        let hash = link_hash(link).ok_or(CommandError::NoSuchLink)?;
        let read = |tx: Transaction| async move {
            let row = tx.row_snapshot(&RoomLink { hash }).await?;
            row.map(|row| store::link_room(&row)).transpose()
        };
        let room = self
            .with
            .store
            .read(read)
            .await?
            .ok_or(CommandError::NoSuchLink)?;
        let action = Action::Join(hash);
        match self.command(room, Command { account, action }).await {
            Ok(_) => Ok(self.view(account, room).await?),
            // Deleted a moment ago.
            Err(CommandError::NoSuchRoom) => Err(CommandError::NoSuchLink),
            Err(error) => Err(error),
        }
    }

    /// Writes a new group, unless this request has made one before, and tells of it.
    async fn write_group(
        &self,
        account: AccountId,
        request_id: ClientMessageId,
        state: &State,
    ) -> Result<RoomId, CommandError> {
        let vault = &self.with.vault;
        let fields = &self.key_of_new(state.room).await?;
        let make = |tx: Transaction, _maybe_committed| async move {
            if let [Some(used)] = store::uses(&tx, &[(account, request_id)]).await?[..] {
                return if made(&tx, vault, used, &state.about).await? {
                    Ok(used.room)
                } else {
                    Err(CommandError::IdReused)
                };
            }
            all_have_place(&tx, state).await?;
            store::create(&tx, state, arrivals(state, account), fields)?;
            let used = Used {
                room: state.room,
                seq: FIRST,
                digest: None,
            };
            store::remember(&tx, account, request_id, used)?;
            Ok(state.room)
        };
        let made = self.with.store.run(make).await;
        let room = self.keep_key_of(state.room, made).await?;
        if room == state.room {
            self.tell_of(room, state);
            return Ok(room);
        }
        // The call that made it may have ended without a word. By now its maker may have lost it, so
        // this must not be told but in the order of the room's events.
        let action = Action::TellAgain;
        match self.command(room, Command { account, action }).await {
            Ok(_) | Err(CommandError::NoSuchRoom) => Ok(room),
            Err(error) => Err(error),
        }
    }

    /// Writes a new direct conversation, unless the two have one, and tells of it. Also of an old one: the
    /// call that made it may have ended without a word, and nobody ever leaves it.
    async fn write_direct(
        &self,
        account: AccountId,
        peer: AccountId,
        state: &State,
    ) -> Result<RoomId, CommandError> {
        let key = &DirectRoom::between(account, peer);
        let read = |tx: Transaction| async move { tx.row(key).await };
        if let Some(row) = self.with.store.read(read).await? {
            let room = store::direct_room(&row)?;
            self.tell_of(room, state);
            return Ok(room);
        }
        let fields = &self.key_of_new(state.room).await?;
        let make = |tx: Transaction, _maybe_committed| async move {
            if let Some(row) = tx.row(key).await? {
                return Ok(store::direct_room(&row)?);
            }
            all_have_place(&tx, state).await?;
            store::create(&tx, state, arrivals(state, account), fields)?;
            store::set_direct_room(&tx, key, state.room)?;
            Ok::<_, CommandError>(state.room)
        };
        let made = self.with.store.run(make).await;
        let room = self.keep_key_of(state.room, made).await?;
        self.tell_of(room, state);
        Ok(room)
    }

    /// The key of a room that is about to be made.
    async fn key_of_new(&self, room: RoomId) -> Result<Sealer, CommandError> {
        let fields = self.with.vault.room_sealer(room).await;
        Ok(fields.map_err(VaultError::into_store_error)?)
    }

    /// Destroys the key of a new room again if it certainly was not made: whoever is refused a room must
    /// not leave anything behind. Returns what came of it.
    async fn keep_key_of(
        &self,
        new: RoomId,
        made: Result<RoomId, CommandError>,
    ) -> Result<RoomId, CommandError> {
        let may_be_made = match &made {
            Ok(room) => *room == new,
            Err(error) => error
                .as_store_error()
                .is_some_and(StoreError::maybe_committed),
        };
        if !may_be_made && let Err(error) = self.with.vault.destroy_room(new).await {
            tracing::warn!(room = %new, %error, "the key of a room that was not made is left");
        }
        made
    }

    /// Tells the members of `state` that they are in a room.
    fn tell_of(&self, room: RoomId, state: &State) {
        for member in state.members.keys() {
            self.with.publisher.gained(room, *member);
        }
    }

    /// Runs `work` to its end even if the caller gives up: what has been written must be told, or its
    /// members do not hear of the room before they connect again.
    async fn finish<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, CommandError>> + Send + 'static,
    ) -> Result<T, CommandError> {
        let (reply, waiting) = Reply::channel();
        let work = async move { reply.send(work.await) };
        self.with.tasks.spawn(TaskKind::Completion, name, work);
        waiting.answer(COMMAND_DEADLINE).await?
    }

    /// The state of a new room in which everybody has just arrived.
    fn fresh(&self, kind: Kind, about: RoomChange, members: BTreeMap<AccountId, Member>) -> State {
        let now = self.with.clock.now();
        let arrived = members.len() as u64;
        State {
            room: RoomId::random(&self.with.rng),
            kind,
            log_id: LogId::random(&self.with.rng),
            created: now.day(),
            about,
            changed: None,
            link: None,
            head: Head {
                seq: Seq(arrived),
                message_count: 0,
                at: now,
                member_count: arrived,
            },
            members,
            bans: Default::default(),
        }
    }
}

/// Whether an id was used to make the room that is asked for, as far as the store still tells: what a
/// room was called at first is not known any more once it has been changed, or is no more.
async fn made(
    tx: &Transaction,
    vault: &Vault,
    used: Used,
    asked: &RoomChange,
) -> Result<bool, StoreError> {
    if used.seq != FIRST {
        return Ok(false);
    }
    let room = store::room(tx, vault, used.room).await?;
    Ok(room.is_none_or(|(info, about)| info.changed.is_some() || about == *asked))
}

/// Whether each member of a new room can be in one more.
async fn all_have_place(tx: &Transaction, state: &State) -> Result<(), CommandError> {
    for account in state.members.keys() {
        if store::has_no_place(tx, *account).await? {
            return Err(CommandError::TooManyRooms);
        }
    }
    Ok(())
}

/// The first events of a room: its members arrive, one by one.
fn arrivals(state: &State, actor: AccountId) -> impl Iterator<Item = Event> {
    let arrive = move |(seq, (account, member)): (u64, (&AccountId, &Member))| Event {
        seq: Seq(seq),
        at: state.head.at,
        actor,
        message_count: 0,
        kind: EventKind::Membership(MembershipChange {
            account: *account,
            kind: MembershipKind::Added,
            member: Some(*member),
        }),
    };
    (1..).zip(&state.members).map(arrive)
}

fn link_hash(link: &str) -> Option<LinkHash> {
    let secret = BASE64URL_NOPAD
        .decode(link.strip_prefix(LINK_PREFIX)?.as_bytes())
        .ok()?;
    let secret: SecretBytes = secret.try_into().ok()?;
    Some(sha256(&secret))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}
