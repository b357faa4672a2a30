//! Places that cannot be taken, each with what to do about it.

use std::path::Path;

use cluster_rpc::link::certificates::{NODE_DAYS, init, issue};
use cluster_types::{ManualClock, SystemClock, UnixMillis};
use tempfile::TempDir;

use super::*;
use crate::serve::code;

const NODE: NodeId = NodeId::from_bytes([7; 16]);

/// A folder with the certificate of a node.
fn issued(clock: &dyn Clock) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    init(dir.path(), clock).expect("an authority");
    issue(dir.path(), NODE, NODE_DAYS, clock).expect("a certificate");
    dir
}

fn config(certificates: &Path) -> Config {
    Config {
        cluster: NodesConfig {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            certificates: Some(certificates.join(NODE.to_string())),
            ..NodesConfig::default()
        },
        ..Config::default()
    }
}

async fn place(config: &Config) -> Result<Option<Place>, StartError> {
    let clock = Arc::new(SystemClock) as Arc<dyn Clock>;
    Place::configured(config, &clock, &Tasks::new()).await
}

/// What an operator reads.
fn told(error: &StartError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

#[tokio::test]
async fn a_node_is_who_its_certificate_says_and_tells_where_it_is() {
    let dir = issued(&SystemClock);
    let place = place(&config(dir.path())).await.expect("a place");
    let place = place.expect("among others");
    assert_eq!(place.node, NODE);
    let port = place.addresses.cluster.strip_prefix("127.0.0.1:");
    assert_ne!(port.expect("where it listens"), "0");
    assert_eq!(place.addresses.public, "127.0.0.1:7443");
}

#[tokio::test]
async fn without_a_word_a_server_is_alone() {
    let place = place(&Config::default()).await.expect("nothing is wrong");
    assert!(place.is_none());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_with_what_to_do() {
    let old = ManualClock::at(UnixMillis(1_000_000_000_000));
    let dir = issued(&old);
    let error = place(&config(dir.path())).await.expect_err("expired");
    assert!(
        told(&error).contains("has expired: issue a new one"),
        "{}",
        told(&error)
    );
    assert_eq!(code(&error), crate::cli::EXIT_IO);

    let (dir, other) = (issued(&SystemClock), issued(&SystemClock));
    let of_node = |of: &TempDir, file: &str| of.path().join(NODE.to_string()).join(file);
    std::fs::copy(of_node(&other, "ca.pem"), of_node(&dir, "ca.pem")).expect("copies");
    let error = place(&config(dir.path()))
        .await
        .expect_err("of another cluster");
    assert!(
        told(&error).contains("belongs to another cluster"),
        "{}",
        told(&error)
    );

    std::fs::copy(of_node(&other, "ca.pem"), of_node(&other, "node.pem")).expect("copies");
    let error = place(&config(other.path())).await.expect_err("of no node");
    assert!(told(&error).contains("of no node"), "{}", told(&error));

    let error = place(&config(Path::new("nowhere")))
        .await
        .expect_err("not there");
    assert!(
        told(&error).contains("cannot read nowhere"),
        "{}",
        told(&error)
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_by_its_address() {
    let dir = issued(&SystemClock);
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut config = config(dir.path());
    config.cluster.listen = taken.local_addr().ok();
    let error = place(&config).await.expect_err("taken");
    assert!(told(&error).contains("cluster.listen"), "{}", told(&error));
    assert_eq!(code(&error), crate::cli::EXIT_UNAVAILABLE);
}
