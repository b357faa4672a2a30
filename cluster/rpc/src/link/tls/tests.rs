//! Links over TLS on this machine: who is let in, who is not and why, and certificates that change under way.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use cluster_runtime::Tasks;
use cluster_types::{ManualClock, Rng, UnixMillis};
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::certificates::{NodeFiles, Reloaded, init, issue};
use super::super::tests::{A, B, DEPLOYMENT, Ear, Heard, Node, SOON, life};
use super::super::{Handler, Limits, Links, Parts, Peer};
use super::*;

const C: NodeId = NodeId::from_bytes([3; 16]);
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An authority, and a clock for those who use it.
struct Cluster {
    dir: TempDir,
    clock: ManualClock,
}

impl Cluster {
    fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().expect("a folder"), ManualClock::at(NOW));
        init(dir.path(), &clock).expect("an authority");
        Self { dir, clock }
    }

    fn issue(&self, node: NodeId, days: u16) -> NodeFiles {
        issue(self.dir.path(), node, days, &self.clock).expect("a certificate")
    }

    /// The certificate of a node whose clock is the cluster's from here on.
    fn node(&self, node: NodeId, days: u16) -> Arc<Certificates> {
        load(self.issue(node, days), node, &self.clock)
    }
}

fn load(files: NodeFiles, node: NodeId, clock: &ManualClock) -> Arc<Certificates> {
    let loaded = Certificates::load(files, node, Arc::new(clock.clone()));
    Arc::new(loaded.expect("as it should be"))
}

async fn network(certificates: Arc<Certificates>) -> TlsNetwork {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    TlsNetwork::new(listener, certificates).expect("an address")
}

impl TlsNetwork {
    /// The outcome of the next handshake.
    async fn shaken(&self) -> Result<Option<NodeId>, HandshakeError> {
        let (tcp, _) = {
            let accepting = self.accepting.lock().await;
            accepting.listener.accept().await.expect("somebody")
        };
        self.shake(tcp).await.map(|incoming| incoming.proven)
    }
}

/// What happens if `dialler` dials `meant` and reaches `accepter`: what it sees, and what the other sees.
async fn met(
    dialler: Arc<Certificates>,
    accepter: Arc<Certificates>,
    meant: NodeId,
) -> (String, Result<Option<NodeId>, HandshakeError>) {
    let (near, far) = (network(dialler).await, network(accepter).await);
    let address = far.local_addr().to_string();
    let dialled = async {
        match near.dial(meant, &address).await {
            // Who dials learns last that it is refused, with the first bytes.
            Ok(mut stream) => match stream.read_u8().await {
                Ok(_) => unreachable!("nothing is sent"),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        }
    };
    tokio::join!(dialled, far.shaken())
}

#[tokio::test]
async fn both_sides_know_who_the_other_is() {
    let cluster = Cluster::new();
    let (_, proven) = met(cluster.node(A, 30), cluster.node(B, 30), B).await;
    assert_eq!(proven.expect("let in"), Some(A));
}

#[tokio::test]
async fn a_node_at_the_address_of_another_is_not_taken_for_it() {
    let cluster = Cluster::new();
    let (seen, refused) = met(cluster.node(A, 30), cluster.node(B, 30), C).await;
    assert_eq!(seen, HandshakeError::OtherNode.to_string());
    assert!(matches!(refused, Err(HandshakeError::Refuses(_))));
}

#[tokio::test]
async fn a_certificate_of_another_cluster_is_refused_on_both_sides() {
    let (cluster, other) = (Cluster::new(), Cluster::new());
    let (seen, refused) = met(other.node(A, 30), cluster.node(B, 30), B).await;
    assert_eq!(seen, HandshakeError::Foreign.to_string());
    assert!(matches!(refused, Err(HandshakeError::Refuses(_))));

    // It trusts this cluster, and is not trusted all the same.
    let files = other.issue(A, 30);
    let both = [
        fs::read(&files.authority).expect("there"),
        fs::read(cluster.dir.path().join("ca.pem")).expect("there"),
    ];
    fs::write(&files.authority, both.concat()).expect("written");
    let intruder = load(files, A, &other.clock);
    let (seen, refused) = met(intruder, cluster.node(B, 30), B).await;
    assert!(
        matches!(refused, Err(HandshakeError::Foreign)),
        "{refused:?}"
    );
    assert!(seen.contains("alert: UnknownCA"), "{seen}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_one_of_tomorrow_too() {
    let cluster = Cluster::new();
    let accepter = cluster.issue(B, 398);
    let accepter = |now| load(accepter.clone(), B, &ManualClock::at(now));
    let (_, refused) = met(cluster.node(A, 30), accepter(NOW.plus(31 * DAY)), B).await;
    assert!(
        matches!(refused, Err(HandshakeError::Expired)),
        "{refused:?}"
    );

    cluster.clock.advance(3 * DAY);
    let (_, refused) = met(cluster.node(A, 30), accepter(NOW), B).await;
    assert!(
        matches!(refused, Err(HandshakeError::NotYet)),
        "{refused:?}"
    );
}

/// Shows no certificate.
#[derive(Debug)]
struct Nobody;

impl ResolvesClientCert for Nobody {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_stranger_without_a_certificate_is_refused() {
    let cluster = Cluster::new();
    let far = network(cluster.node(B, 30)).await;
    let mut config = ClientConfig::clone(&cluster.node(A, 30).current().client);
    config.client_auth_cert_resolver = Arc::new(Nobody);
    let dialled = async {
        let tcp = TcpStream::connect(far.local_addr()).await.expect("there");
        let name = ServerName::try_from(name(B)).expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, tcp).await.expect("not yet refused");
        stream.read_u8().await.expect_err("refused")
    };
    let (_, refused) = tokio::join!(dialled, far.shaken());
    assert!(
        matches!(refused, Err(HandshakeError::Stranger)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn who_does_not_speak_tls_is_refused() {
    let cluster = Cluster::new();
    let far = network(cluster.node(B, 30)).await;
    let mut tcp = TcpStream::connect(far.local_addr()).await.expect("there");
    tcp.write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("sent");
    let refused = far.shaken().await;
    assert!(matches!(refused, Err(HandshakeError::NoTls)), "{refused:?}");
}

#[tokio::test]
async fn who_says_nothing_does_not_hold_up_a_node() {
    let cluster = Cluster::new();
    let far = network(cluster.node(B, 30)).await;
    let mut silent = Vec::new();
    for _ in 0..HANDSHAKES_MAX / 2 {
        silent.push(TcpStream::connect(far.local_addr()).await.expect("there"));
    }
    let near = network(cluster.node(A, 30)).await;
    let address = far.local_addr().to_string();
    let (dialled, accepted) = tokio::join!(near.dial(B, &address), far.accept());
    dialled.expect("let in");
    assert_eq!(accepted.expect("let in").proven, Some(A));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_goes_on_for_ever_is_given_up() {
    let cluster = Cluster::new();
    let far = network(cluster.node(B, 30)).await;
    let _silent = TcpStream::connect(far.local_addr()).await.expect("there");
    let refused = far.shaken().await;
    assert!(matches!(refused, Err(HandshakeError::Slow)), "{refused:?}");
}

/// Two nodes that are linked over TLS.
async fn linked(of_a: &Arc<Certificates>, of_b: &Arc<Certificates>) -> (Node, Node) {
    let near = network(Arc::clone(of_a)).await;
    let far = network(Arc::clone(of_b)).await;
    let address = |network: &TlsNetwork| network.local_addr().to_string();
    let peers = [(A, address(&near)), (B, address(&far))].map(|(node, address)| {
        let life = life(node, 1);
        (node, Peer { life, address })
    });
    let start = |network: TlsNetwork, node| {
        let (ear, tasks) = (Ear::new(), Tasks::new());
        let links = Links::start(Parts {
            myself: life(node, 1),
            deployment: DEPLOYMENT,
            network: Arc::new(network),
            handler: Arc::clone(&ear) as Arc<dyn Handler>,
            tasks: tasks.clone(),
            rng: Rng::seeded(1),
            limits: Limits::default(),
        });
        links.set_peers(peers.clone().into());
        Node { links, ear, tasks }
    };
    let (a, b) = (start(near, A), start(far, B));
    a.ear.until_last(Heard::Linked(B)).await;
    b.ear.until_last(Heard::Linked(A)).await;
    (a, b)
}

#[tokio::test]
async fn asks_and_tells_of_every_size_pass() {
    let cluster = Cluster::new();
    let (a, b) = linked(&cluster.node(A, 30), &cluster.node(B, 30)).await;
    for size in [0, 1, 16_384, super::super::BODY_BYTES_MAX] {
        let body = Bytes::from(vec![7; size]);
        assert_eq!(a.links.ask(B, body.clone(), SOON).await, Ok(body.clone()));
        b.links.tell(A, body.clone()).expect("room");
        a.ear.until_last(Heard::Told(B, body)).await;
    }
    tokio::join!(a.links.stop(SOON), b.links.stop(SOON));
    for node in [a, b] {
        node.tasks.stop();
        assert_eq!(node.tasks.ended(SOON).await, 0);
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_by_the_next_link_and_the_old_link_stays() {
    let cluster = Cluster::new();
    let (of_a, of_b) = (cluster.node(A, 30), cluster.node(B, 30));
    let (a, b) = linked(&of_a, &of_b).await;
    cluster.clock.advance(20 * DAY);
    for (node, certificates) in [(A, &of_a), (B, &of_b)] {
        cluster.issue(node, 30);
        let reloaded = certificates.reload_if_changed();
        assert_eq!(reloaded.expect("a new one"), Reloaded::Replaced);
    }
    cluster.clock.advance(20 * DAY);
    let body = Bytes::from_static(b"still there");
    assert_eq!(a.links.ask(B, body.clone(), SOON).await, Ok(body));
    assert_eq!(a.ear.heard(), [Heard::Linked(B)]);
    // The first certificates are over: a link that stands now stands on the new ones.
    let peers = |node, address: String| {
        let life = life(node, 1);
        [(node, Peer { life, address })].into()
    };
    b.links.set_peers([].into());
    a.ear.until_last(Heard::Unlinked(B)).await;
    b.links.set_peers(peers(A, String::new()));
    a.ear.until_last(Heard::Linked(B)).await;
}
