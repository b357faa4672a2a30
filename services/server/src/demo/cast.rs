//! Who is in the demo: people with accounts, in rooms of their own, and what they are going to say.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cluster_types::RoomId;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use loadtest_conversations::{Conversations, Day, Said};
use rookery_client::v1::member::Role;
use rookery_client::v1::{CreateInvitationRequest, RegisterAccountRequest};
use rookery_client::{Client, KnownServers, Server, Token, Trust, Tuning};

use crate::dev_cluster::DevCluster;

/// Days of the file, each of them a room.
const ROOMS: usize = 4;

/// Lines of each: more than are said in the time.
const LINES: usize = 900;

/// Accounts that are made at a time. Each is a password hash on a core.
const REGISTERING_AT_ONCE: usize = 4;

/// People who are added to a room at a time.
const ADDING_AT_ONCE: usize = 16;

/// Everybody's password. It meets the strict policy; nothing here is secret.
const PASSWORD: &str = "correct Horse battery 9 staple";

/// Everybody, and where they talk.
pub(super) struct Cast {
    pub(super) administrator: Person,
    /// By their places.
    pub(super) people: Vec<Person>,
    /// The one with the most to say first.
    pub(super) scenes: Vec<Scene>,
    /// One node after the other, for whoever connects.
    pub(super) server: Server,
    folder: PathBuf,
}

/// Somebody with an account.
pub(super) struct Person {
    /// `accounts/{account}`
    pub(super) account: String,
    pub(super) client: Client,
    pub(super) token: Token,
}

/// A room, and what is said in it.
pub(super) struct Scene {
    /// `rooms/{room}`
    pub(super) room: String,
    pub(super) id: RoomId,
    /// The newest event before the first line.
    pub(super) head: u64,
    pub(super) lines: Vec<Said>,
    /// People who are in it, by their places.
    pub(super) members: BTreeSet<usize>,
}

impl Cast {
    /// Makes accounts for all who speak, and rooms for them.
    pub(super) async fn gather(cluster: &DevCluster, folder: &Path) -> anyhow::Result<Self> {
        let mut conversations = Conversations::ours()?;
        conversations.keep_longest(ROOMS, LINES);
        let server = server(cluster, cluster.address(), folder)?;
        let client = server.connect().await?;
        let app = cluster.app(1).context("the first node runs")?;
        let invitation = app.first_invitation().await?;
        let invitation = invitation.context("the store is new")?;
        let administrator =
            register(&client, &invitation.reveal(), "admin", "Administrator").await?;

        let one = async |(place, nick): (usize, &String)| {
            let request = CreateInvitationRequest::default();
            let invitation = administrator.client.create_invitation(request).await?;
            let name = format!("person-{place}");
            register(&client, &invitation.secret, &name, nick).await
        };
        let people: Vec<_> = stream::iter(conversations.nicks().iter().enumerate())
            .map(one)
            .buffered(REGISTERING_AT_ONCE)
            .try_collect()
            .await?;
        let mut scenes = Vec::new();
        for day in conversations.days() {
            scenes.push(scene(&administrator, &people, day).await?);
        }
        Ok(Self {
            administrator,
            people,
            scenes,
            server,
            folder: folder.to_owned(),
        })
    }

    /// One of the nodes.
    pub(super) fn server_at(
        &self,
        cluster: &DevCluster,
        node: SocketAddr,
    ) -> anyhow::Result<Server> {
        server(cluster, node, &self.folder)
    }
}

/// A server of the cluster at this address, which is believed if it shows the certificate that we have made.
fn server(cluster: &DevCluster, address: SocketAddr, folder: &Path) -> anyhow::Result<Server> {
    let app = cluster.app(1).context("the first node runs")?;
    let ours = app.gateway().certificates().fingerprint().to_string();
    let known = KnownServers::open(folder.join("known_servers"))?;
    let trust = Trust::first_use(known, move |_, shown| shown.to_string() == ours);
    let server = Client::builder(format!("https://{address}"))
        .trust(trust)
        .tuning(Tuning::LIGHT)
        .build()?;
    Ok(server)
}

async fn register(
    client: &Client,
    invitation: &str,
    user_name: &str,
    display_name: &str,
) -> anyhow::Result<Person> {
    let registration = RegisterAccountRequest {
        user_name: user_name.to_owned(),
        display_name: display_name.to_owned(),
        password: PASSWORD.to_owned(),
        invitation: invitation.to_owned(),
        device_label: "demo".to_owned(),
        keep_signed_in: false,
    };
    let signed_in = client.register(registration).await?;
    Ok(Person {
        account: signed_in.account.name,
        client: signed_in.client,
        token: signed_in.token,
    })
}

/// The room of a day, with all in it who speak on it.
async fn scene(owner: &Person, people: &[Person], day: &Day) -> anyhow::Result<Scene> {
    let members = day.nicks();
    let room = owner.client.create_room(&day.date, "").await?.name;
    let add = async |place: usize| {
        let account = &people[place].account;
        owner.client.add_member(&room, account, Role::Member).await
    };
    stream::iter(members.iter().copied())
        .map(add)
        .buffer_unordered(ADDING_AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await?;
    Ok(Scene {
        id: cluster_rpc::name::room(&room, "room")?,
        head: owner.client.room(&room).await?.head_seq,
        lines: day.lines.clone(),
        room,
        members,
    })
}
