//! Who is not let in, who is thrown out, and what they are told.

use proto::cluster::v1::frame::Kind;
use proto::cluster::v1::{Credit, Farewell, FarewellReason, Frame, Hello};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::super::hello::{PROTOCOL_MAX, hello};
use super::super::http::call;
use super::super::line::Line;
use super::*;

/// Somebody who speaks the protocol, and says in it what it likes.
struct Rogue {
    line: Arc<Line>,
    incoming: Streaming<Frame>,
    _severed: CancellationToken,
}

impl Rogue {
    /// Says hello to B.
    async fn greet(network: &MemoryNetwork, hello: Hello) -> Self {
        let stream = network.node(A).dial(B, "").await.expect("there");
        let severed = CancellationToken::new();
        let line = Line::new(Limits::default());
        line.with(|books| books.greet(hello));
        let incoming = call(stream, &severed, &Tasks::new(), &line).await;
        Self {
            line,
            incoming: incoming.expect("called"),
            _severed: severed,
        }
    }

    /// The last words of B.
    async fn farewell(&mut self) -> Farewell {
        loop {
            let frame = self.incoming.message().await.expect("no trouble");
            let kind = frame.expect("last words come first").kind;
            if let Some(Kind::Farewell(farewell)) = kind {
                return farewell;
            }
        }
    }
}

/// What B, for whom A is a member, says to somebody who says this.
async fn told(hello: Hello) -> Farewell {
    let network = MemoryNetwork::new();
    let b = start(&network, life(B, 1));
    b.links.set_peers(peers(&[life(A, 1)]));
    let farewell = Rogue::greet(&network, hello).await.farewell().await;
    assert_eq!(b.ear.heard(), [], "it was never linked");
    farewell
}

fn of(life: Life) -> Hello {
    hello(life, DEPLOYMENT, &Limits::default())
}

#[tokio::test(start_paused = true)]
async fn another_deployment_is_refused() {
    let other = DeploymentId::from_bytes([8; 16]);
    let farewell = told(hello(life(A, 1), other, &Limits::default())).await;
    assert_eq!(farewell.reason(), FarewellReason::OtherDeployment);
    assert!(
        farewell.detail.contains("another store"),
        "{}",
        farewell.detail
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_too_new_or_too_old_is_refused() {
    let too_new = Hello {
        protocol_min: PROTOCOL_MAX + 1,
        protocol_max: PROTOCOL_MAX + 1,
        ..of(life(A, 1))
    };
    let farewell = told(too_new).await;
    assert_eq!(farewell.reason(), FarewellReason::UnsupportedVersion);
    assert!(
        farewell.detail.contains("upgrade the older"),
        "{}",
        farewell.detail
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_or_a_life_that_is_no_member_is_refused() {
    for stranger in [life(A, 9), life(NodeId::from_bytes([9; 16]), 1)] {
        let farewell = told(of(stranger)).await;
        assert_eq!(farewell.reason(), FarewellReason::NotAMember);
        let boot = stranger.boot.to_string();
        assert!(farewell.detail.contains(&boot), "{}", farewell.detail);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_becomes_a_member_while_it_waits_is_let_in() {
    let network = MemoryNetwork::new();
    let b = start(&network, life(B, 1));
    let mut early = Rogue::greet(&network, of(life(A, 1))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    b.links.set_peers(peers(&[life(A, 1)]));
    let first = early.incoming.message().await.expect("no trouble");
    assert!(matches!(
        first.and_then(|frame| frame.kind),
        Some(Kind::Hello(_))
    ));
    b.ear.until_last(Heard::Linked(A)).await;
}

#[tokio::test(start_paused = true)]
async fn who_dials_refuses_another_deployment_too() {
    let network = MemoryNetwork::new();
    let other = DeploymentId::from_bytes([8; 16]);
    let a = start(&network, life(A, 1));
    let b = start_with(&network, life(B, 1), other, Limits::default());
    for node in [&a, &b] {
        node.links.set_peers(peers(&[life(A, 1), life(B, 1)]));
    }
    tokio::time::sleep(SOON).await;
    assert_eq!((a.ear.heard(), b.ear.heard()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_not_kept() {
    let network = MemoryNetwork::new();
    let b = start(&network, life(B, 1));
    b.links.set_peers(peers(&[life(A, 1)]));
    let mut streams = Vec::new();
    for _ in 0..2 * limits::STRANGERS_MAX {
        streams.push(network.node(A).dial(B, "").await.expect("there"));
        tokio::task::yield_now().await;
    }
    let a = start(&network, life(A, 1));
    a.links.set_peers(peers(&[life(B, 1)]));
    a.ear.until_last(Heard::Linked(B)).await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_ends_the_link_and_memory_stays_bounded() {
    let network = MemoryNetwork::new();
    let limits = Limits {
        credit_frames: 16,
        ..Limits::default()
    };
    let b = start_with(&network, life(B, 1), DEPLOYMENT, limits);
    b.links.set_peers(peers(&[life(A, 1)]));
    b.ear.keep_asks();
    let mut rogue = Rogue::greet(&network, of(life(A, 1))).await;
    b.ear.until_last(Heard::Linked(A)).await;
    // It takes credit that nobody has given it.
    rogue.line.with(|books| {
        books.grant(Credit {
            frames: u32::MAX,
            bytes: u64::MAX,
        });
    });
    let mut asking = Vec::new();
    for _ in 0..1_000 {
        let line = Arc::clone(&rogue.line);
        let body = Bytes::from(vec![0; 1_024]);
        asking.push(async move { line.ask(body, SOON).await });
    }
    let asked = futures::future::join_all(asking);
    let (farewell, _) = tokio::join!(rogue.farewell(), async {
        let _ = timeout(Duration::from_millis(100), asked).await;
    });
    assert_eq!(farewell.reason(), FarewellReason::Flooded);
    b.ear.until_last(Heard::Unlinked(A)).await;
    assert_eq!(b.ear.kept().len(), 16, "what it had credit for");
}

#[tokio::test(start_paused = true)]
async fn frames_that_mean_nothing_are_skipped() {
    let network = MemoryNetwork::new();
    let b = start(&network, life(B, 1));
    b.links.set_peers(peers(&[life(A, 1)]));
    let rogue = Rogue::greet(&network, of(life(A, 1))).await;
    b.ear.until_last(Heard::Linked(A)).await;
    // A second hello, and an answer to nothing.
    rogue.line.with(|books| books.greet(of(life(A, 1))));
    rogue
        .line
        .with(|books| books.answer(77, 0, Ok(Bytes::new())));
    rogue
        .line
        .with(|books| {
            books.grant(Credit {
                frames: 1,
                bytes: 1,
            });
            books.tell(body(1))
        })
        .expect("room");
    b.ear.until_last(Heard::Told(A, body(1))).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_loses_its_link_and_gets_the_next_one() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    for (from, to, peer_from, peer_to) in [(&a, &b, A, B), (&b, &a, B, A)] {
        let before = to.ear.heard().len();
        from.links
            .tell(peer_to, Bytes::from_static(PANIC))
            .expect("room");
        to.ear.until(|heard| heard.len() == before + 2).await;
        assert_eq!(
            to.ear.heard()[before..],
            [Heard::Unlinked(peer_from), Heard::Linked(peer_from)]
        );
        from.ear.until_last(Heard::Linked(peer_to)).await;
    }
}
