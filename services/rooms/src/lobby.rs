//! The ways into a room that does not have an actor yet: creating one, opening a direct
//! conversation, following a link.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use cluster_store::schema::{ClientMessage, DirectRoom, RoomLink};
use cluster_store::{StoreError, Transaction};
use cluster_types::{AccountId, LogId, RoomId, Seq};
use data_encoding::BASE64URL_NOPAD;

use crate::state::{Earlier, Head, State};
use crate::{
    Action, ClientMessageId, Command, CommandError, Event, EventKind, Kind, LinkHash, Member,
    MembershipChange, MembershipKind, ReadError, Role, RoomChange, RoomView, Rooms, store,
};

/// What every link begins with, so that a stray one is recognised for what it is.
const LINK_PREFIX: &str = "rk_l_";

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

impl NewRoom {
    fn digest(&self) -> [u8; 32] {
        let text = format!("room\0{}\0{}", self.display_name, self.topic);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        bytes
    }
}

impl Rooms {
    /// Makes a room that `account` owns, once for each request id.
    ///
    /// # Errors
    /// [`CommandError::IdReused`], or if the store fails.
    pub async fn create(
        &self,
        account: AccountId,
        new: &NewRoom,
    ) -> Result<RoomView, CommandError> {
        let room = RoomId::random(&self.with.rng);
        let about = RoomChange {
            display_name: new.display_name.clone(),
            topic: new.topic.clone(),
            archived: false,
        };
        let members = BTreeMap::from([(account, Member::new(Role::Owner))]);
        let state = self.fresh(room, Kind::Group, about, members);
        let (state, request_id, digest) = (&state, new.request_id, new.digest());
        let make = |tx: Transaction, _maybe_committed| async move {
            let key = ClientMessage {
                account,
                client_message_id: request_id.0,
            };
            if let Some(row) = tx.row(&key).await? {
                let earlier = store::read_earlier(&row)?;
                let same = earlier.digest == digest;
                return if same {
                    Ok(earlier.room)
                } else {
                    Err(CommandError::IdReused)
                };
            }
            store::create(&tx, state, &arrivals(state, account))?;
            let Head { seq, at, .. } = state.head;
            store::remember(
                &tx,
                account,
                request_id,
                Earlier {
                    room,
                    seq,
                    at,
                    digest,
                },
            )?;
            Ok(room)
        };
        let made = self.with.store.run(make).await?;
        if made == room {
            self.with.publisher.gained(room, account);
        }
        self.view_again(account, made).await
    }

    /// The one direct conversation of two accounts; made when it is first asked for.
    ///
    /// # Errors
    /// [`CommandError::NoSuchAccount`], or if the store fails.
    pub async fn open_direct(
        &self,
        account: AccountId,
        peer: AccountId,
    ) -> Result<RoomView, CommandError> {
        if !self.with.people.exists(peer).await? {
            return Err(CommandError::NoSuchAccount);
        }
        let fresh = RoomId::random(&self.with.rng);
        let member = Member::new(Role::Member);
        let members = BTreeMap::from([(account, member), (peer, member)]);
        let state = self.fresh(fresh, Kind::Direct, RoomChange::default(), members);
        let state = &state;
        let make = |tx: Transaction, _maybe_committed| async move {
            let key = DirectRoom::between(account, peer);
            if let Some(row) = tx.row(&key).await? {
                return store::direct_room(&row);
            }
            store::create(&tx, state, &arrivals(state, account))?;
            store::set_direct_room(&tx, &key, fresh)?;
            Ok::<_, StoreError>(fresh)
        };
        let room = self.with.store.run(make).await?;
        if room == fresh {
            for member in state.members.keys() {
                self.with.publisher.gained(room, *member);
            }
        }
        self.view_again(account, room).await
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
        let secret = self.with.rng.bytes::<32>();
        let action = Action::SetLink(Some(hash_of(&secret)));
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
        match self
            .command(
                room,
                Command {
                    account,
                    action: Action::Join(hash),
                },
            )
            .await
        {
            Ok(_) => self.view_again(account, room).await,
            // Deleted a moment ago.
            Err(CommandError::NoSuchRoom) => Err(CommandError::NoSuchLink),
            Err(error) => Err(error),
        }
    }

    /// The state of a room in which everybody has just arrived.
    fn fresh(
        &self,
        room: RoomId,
        kind: Kind,
        about: RoomChange,
        members: BTreeMap<AccountId, Member>,
    ) -> State {
        let now = self.with.clock.now();
        let arrived = members.len() as u64;
        State {
            room,
            kind,
            log_id: LogId::random(&self.with.rng),
            created: now.day(),
            about,
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

    async fn view_again(&self, account: AccountId, room: RoomId) -> Result<RoomView, CommandError> {
        self.view(account, room).await.map_err(|error| match error {
            ReadError::Store(error) => CommandError::Store(error),
            ReadError::NoSuchRoom | ReadError::NoSuchEvent | ReadError::FutureSeq { .. } => {
                CommandError::NoSuchRoom
            }
        })
    }
}

/// The first events of a room: its members arrive, one by one.
fn arrivals(state: &State, actor: AccountId) -> Vec<Event> {
    let arrive = |(seq, (account, member)): (u64, (&AccountId, &Member))| Event {
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
    (1..).zip(&state.members).map(arrive).collect()
}

fn link_hash(link: &str) -> Option<LinkHash> {
    let secret = BASE64URL_NOPAD
        .decode(link.strip_prefix(LINK_PREFIX)?.as_bytes())
        .ok()?;
    Some(hash_of(&secret.try_into().ok()?))
}

fn hash_of(secret: &[u8; 32]) -> LinkHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret).as_ref());
    hash
}
