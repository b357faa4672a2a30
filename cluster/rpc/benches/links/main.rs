//! How much a link carries: `cargo bench -p cluster-rpc`.
//!
//! Two nodes in this process, over TLS on 127.0.0.1, so that both ends and the kernel between them share the
//! machine. Three figures: tells per second, as many as the link takes; round trips of asks, one at a time, and
//! many under way. Each is measured several times, and the median is given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cluster_rpc::link::certificates::{Certificates, NODE_DAYS, init, issue};
use cluster_rpc::link::{Answer, Handler, Limits, Links, Parts, Peer, TellError, TlsNetwork};
use cluster_runtime::Tasks;
use cluster_types::{BootId, DeploymentId, Life, NodeId, Rng, SystemClock};
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes of one encoded event: a short message with its names and ids.
const EVENT_BYTES: usize = 250;

/// How long each figure is measured, and how often.
const SPAN: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;

/// Asks under way at a time, where there are many.
const UNDER_WAY: usize = 256;

const WITHIN: Duration = Duration::from_secs(5);

/// Counts what it is told, and answers what it is asked.
#[derive(Debug, Default)]
struct Counter {
    told: AtomicU64,
    linked: Notify,
}

impl Handler for Counter {
    fn linked(&self, _: NodeId) {
        self.linked.notify_one();
    }

    fn unlinked(&self, _: NodeId) {}

    fn told(&self, _: NodeId, _: Bytes) {
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    fn asked(&self, _: NodeId, body: Bytes, answer: Answer) {
        answer.send(body);
    }
}

struct Pair {
    near: Links,
    far: NodeId,
    counter: Arc<Counter>,
}

impl Pair {
    async fn set_up(tasks: &Tasks) -> Self {
        let rng = Rng::from_os();
        let (dir, clock) = (
            tempfile::tempdir().expect("a folder"),
            Arc::new(SystemClock),
        );
        init(dir.path(), &*clock).expect("an authority");
        let mut lives = [0; 2].map(|_| Life {
            node: NodeId::random(&rng),
            boot: BootId::random(&rng),
        });
        lives.sort_unstable();
        let deployment = DeploymentId::random(&rng);
        let mut nodes = Vec::new();
        let mut peers = BTreeMap::new();
        for life in lives {
            let files = issue(dir.path(), life.node, NODE_DAYS, &*clock).expect("issued");
            let certificates = Certificates::load(files, life.node, Arc::clone(&clock) as _);
            let certificates = Arc::new(certificates.expect("as it should be"));
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let network = TlsNetwork::new(listener, certificates).expect("an address");
            let address = network.local_addr().to_string();
            peers.insert(life.node, Peer { life, address });
            let counter = Arc::new(Counter::default());
            let links = Links::start(Parts {
                myself: life,
                deployment,
                network: Arc::new(network),
                handler: Arc::clone(&counter) as Arc<dyn Handler>,
                tasks: tasks.clone(),
                rng: rng.clone(),
                limits: Limits::default(),
            });
            nodes.push((links, counter));
        }
        for (links, _) in &nodes {
            links.set_peers(peers.clone());
        }
        for (_, counter) in &nodes {
            counter.linked.notified().await;
        }
        let (_, counter) = nodes.swap_remove(1);
        let (near, _) = nodes.swap_remove(0);
        Self {
            near,
            far: lives[1].node,
            counter,
        }
    }

    /// Tells that arrived per second.
    async fn tells(&self) -> f64 {
        let body = Bytes::from(vec![7; EVENT_BYTES]);
        let (begin, before) = (Instant::now(), self.counter.told.load(Ordering::Relaxed));
        while begin.elapsed() < SPAN {
            match self.near.tell(self.far, body.clone()) {
                Ok(()) => {}
                Err(TellError::Full) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
        let told = self.counter.told.load(Ordering::Relaxed) - before;
        let rate = told as f64 / begin.elapsed().as_secs_f64();
        // What comes next finds nothing that waits.
        while self.near.ask(self.far, Bytes::new(), WITHIN).await.is_err() {
            tokio::task::yield_now().await;
        }
        rate
    }

    /// Round trips per second with so many under way, and half of them took no longer than this.
    async fn asks(&self, under_way: usize) -> (f64, Duration) {
        let body = Bytes::from(vec![7; EVENT_BYTES]);
        let begin = Instant::now();
        let asking = (0..under_way).map(|_| async {
            let mut spans = Vec::new();
            while begin.elapsed() < SPAN {
                let asked = Instant::now();
                let answer = self.near.ask(self.far, body.clone(), WITHIN).await;
                answer.expect("answered");
                spans.push(asked.elapsed());
            }
            spans
        });
        let mut spans = join_all(asking).await.concat();
        spans.sort_unstable();
        let rate = spans.len() as f64 / begin.elapsed().as_secs_f64();
        (rate, spans[spans.len() / 2])
    }
}

fn median<T: PartialOrd + Copy>(mut of: Vec<T>) -> T {
    of.sort_by(|a, b| a.partial_cmp(b).expect("no figure is missing"));
    of[of.len() / 2]
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
async fn main() {
    let tasks = Tasks::new();
    let pair = Pair::set_up(&tasks).await;
    let (mut tells, mut alone, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        tells.push(pair.tells().await);
        alone.push(pair.asks(1).await.1);
        many.push(pair.asks(UNDER_WAY).await.0);
    }
    println!("tells of {EVENT_BYTES} bytes: {:.0}/s", median(tells));
    println!("an ask alone: {:?}", median(alone));
    println!("asks, {UNDER_WAY} under way: {:.0}/s", median(many));
    tasks.stop();
    tasks.ended(WITHIN).await;
}
