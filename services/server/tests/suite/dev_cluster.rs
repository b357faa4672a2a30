//! Three whole servers in one process, and clients who do not notice what is done to them.

use std::time::Duration;

use proto::v1;
use rookery_client::{Client, Follow, Item, KnownServers, Outgoing, SessionOptions, Token, Trust};
use services_server::DevCluster;
use services_server::config::Config;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::Connection;
use crate::world::{Person, invite, register, uuid};

/// Longer than anything takes, on a slow day.
const NEVER: Duration = Duration::from_secs(60);

struct House {
    folder: TempDir,
    cluster: DevCluster,
    ada: Person,
    bob: Person,
    /// `rooms/{room}`
    room: String,
}

impl House {
    async fn build() -> Self {
        let folder = TempDir::new().expect("a folder");
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: folder.path().join("data"),
            ..Config::default()
        };
        let cluster = DevCluster::start(config, 3).await.expect("starts");
        let app = cluster.app(1).expect("it runs");
        let invitation = app.first_invitation().await.expect("reads");
        let invitation = invitation.expect("nobody is there yet").reveal();
        let connection = Connection::to(cluster.address()).await;
        let ada = register(&connection, "ada", &invitation).await;
        let bob = invite(&connection, &ada, "bob").await;
        let token = Some(ada.token.as_str());
        let request = v1::CreateRoomRequest {
            display_name: "roof".to_owned(),
            topic: String::new(),
            request_id: uuid(),
        };
        let made = connection.call(token, "Rooms/CreateRoom", &request).await;
        let room: v1::Room = made.ok();
        let request = v1::AddMemberRequest {
            parent: room.name.clone(),
            account: bob.account.clone(),
            role: v1::member::Role::Member.into(),
        };
        let added = connection.call(token, "Rooms/AddMember", &request).await;
        let _: v1::Member = added.ok();
        Self {
            folder,
            cluster,
            ada,
            bob,
            room: room.name,
        }
    }

    async fn client(&self, person: &Person) -> Client {
        let known = KnownServers::open(self.folder.path().join("known")).expect("a file");
        let client = Client::builder(format!("https://{}", self.cluster.address()))
            .trust(Trust::first_use(known, |_, _| true))
            .connect()
            .await;
        let client = client.expect("it listens");
        let token = Token::new(person.token.clone());
        client.with_token(token).expect("a good token")
    }

    /// What the one that has this number is called.
    fn name(&self, number: u8) -> String {
        let nodes = self.cluster.status();
        let node = nodes.iter().find(|node| node.number == number);
        cluster_rpc::name::of_node(node.expect("it is there").id)
    }

    /// Waits until something is so at a node: its shards, and its streams.
    async fn until(&self, number: u8, is_so: impl Fn(usize, u64) -> bool) {
        let look = async {
            loop {
                let status = self.cluster.status();
                let node = status.iter().find(|node| node.number == number);
                if node.is_some_and(|node| is_so(node.shards, node.sessions)) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(NEVER, look).await.expect("within a minute");
    }

    fn owner(&self) -> u8 {
        let room = cluster_rpc::name::room(&self.room, "room").expect("a name");
        self.cluster.owner(room).expect("somebody has it")
    }
}

/// What becomes of the nodes while somebody speaks.
async fn speak_while(house: &mut House, what: impl AsyncFn(&mut House, u32)) {
    let (adas, bobs) = (
        house.client(&house.ada).await,
        house.client(&house.bob).await,
    );
    let follow = SessionOptions::new().follow(Follow::from_head(&house.room));
    let (ada, _unread) = adas
        .session(SessionOptions::new())
        .await
        .expect("a session");
    let (_bob, mut heard) = bobs.session(follow).await.expect("a session");
    let mut expected = Vec::new();
    for number in 0..30 {
        what(house, number).await;
        let body = format!("message {number}");
        let message = Outgoing::new(&house.room, &body);
        let sent = timeout(NEVER, ada.send_message(&message)).await;
        let sent = sent.expect("within a minute").expect("is said");
        expected.push((sent.seq, body));
    }
    let mut said = Vec::new();
    while said.len() < expected.len() {
        let item = timeout(NEVER, heard.next()).await.expect("within a minute");
        let item = item.expect("the session goes on");
        assert!(!matches!(item, Item::Gap { .. }), "{item:?}");
        if let Item::Event(event) = item
            && let Some(v1::event::Kind::Message(message)) = event.kind
        {
            said.push((event.seq, message.body));
        }
    }
    assert_eq!(said, expected, "each once and in order");
    let seqs: Vec<_> = said.iter().map(|(seq, _)| *seq).collect();
    let first = seqs[0];
    assert!(
        seqs.iter().copied().eq(first..first + 30),
        "dense: {seqs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_and_who_listens_do_not_notice_what_becomes_of_nodes() {
    let mut house = House::build().await;
    speak_while(&mut house, async |house, number| {
        let owner = house.owner();
        match number {
            5 => house.cluster.kill(owner).expect("it runs"),
            10 => {
                for node in house.cluster.status() {
                    // Also if it is the room's still: five messages take less than a lease where it ends late.
                    if house.cluster.app(node.number).is_none() {
                        house.cluster.restart(node.number).await.expect("starts");
                    }
                }
                house.cluster.settle().await.expect("they find together");
            }
            15 => house.cluster.drain(owner).await.expect("it runs"),
            20 => house.cluster.pause(owner).expect("it runs"),
            _ => {}
        }
    })
    .await;
    house.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_drained_has_no_rooms_and_no_streams_and_nobody_notices() {
    let mut house = House::build().await;
    let drained = house.owner();
    speak_while(&mut house, async |house, number| {
        let name = house.name(drained);
        if number == 10 {
            let administrator = house.client(&house.ada).await;
            let asked = administrator.drain_server_node(&name).await;
            asked.expect("others take its rooms");
        }
        if number == 20 {
            let administrator = house.client(&house.ada).await;
            let no_more = |shards, streams| shards == 0 && streams == 0;
            house.until(drained, no_more).await;
            let app = house.cluster.app(drained).expect("it runs");
            assert!(!app.gateway().is_ready());
            let asked = administrator.resume_server_node(&name).await;
            asked.expect("it runs");
            house.until(drained, |shards, _streams| shards > 0).await;
        }
    })
    .await;
    house.cluster.stop().await;
}
