//! Certificates of nodes, as they should be and in each way in which they are not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use cluster_types::ManualClock;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;

use super::*;

const A: NodeId = NodeId::from_bytes([1; 16]);
const B: NodeId = NodeId::from_bytes([2; 16]);
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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

    fn issue(&self, node: NodeId) -> NodeFiles {
        issue(self.dir.path(), node, NODE_DAYS, &self.clock).expect("a certificate")
    }

    fn load(&self, files: &NodeFiles, node: NodeId) -> Result<Certificates, CertificateError> {
        Certificates::load(files.clone(), node, Arc::new(self.clock.clone()))
    }
}

#[test]
fn an_issued_certificate_is_good_for_its_node_and_its_days() {
    let cluster = Cluster::new();
    let loaded = cluster.load(&cluster.issue(A), A).expect("as it should be");
    assert_eq!(loaded.expires(), NOW.plus(30 * DAY));
}

#[test]
fn a_clock_that_is_a_day_behind_takes_a_new_certificate() {
    let cluster = Cluster::new();
    let files = cluster.issue(A);
    cluster.clock.set(UnixMillis(NOW.0 - 86_400_000));
    cluster.load(&files, A).expect("taken");
}

#[test]
fn keys_are_readable_by_their_owner_alone() {
    let cluster = Cluster::new();
    let files = cluster.issue(A);
    for key in [cluster.dir.path().join("ca-key.pem"), files.key] {
        let mode = fs::metadata(&key).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key:?}");
    }
}

#[test]
fn an_authority_is_made_once() {
    let cluster = Cluster::new();
    let before = fs::read(cluster.dir.path().join("ca-key.pem")).expect("there");
    let again = init(cluster.dir.path(), &cluster.clock);
    assert!(matches!(again, Err(CertificateError::Exists { .. })));
    let after = fs::read(cluster.dir.path().join("ca-key.pem")).expect("there");
    assert_eq!(before, after);
}

#[test]
fn a_certificate_is_not_issued_for_ever() {
    let cluster = Cluster::new();
    for days in [0, 399] {
        let refused = issue(cluster.dir.path(), A, days, &cluster.clock);
        assert!(matches!(refused, Err(CertificateError::Days { max: 398 })));
    }
}

#[test]
fn an_authority_with_the_key_of_another_issues_nothing() {
    let (cluster, other) = (Cluster::new(), Cluster::new());
    let key = |cluster: &Cluster| cluster.dir.path().join("ca-key.pem");
    fs::copy(key(&other), key(&cluster)).expect("copied");
    let refused = issue(cluster.dir.path(), A, NODE_DAYS, &cluster.clock);
    assert!(matches!(refused, Err(CertificateError::Mismatch { .. })));
}

/// What loading says after `spoil` has had its way.
fn spoiled(spoil: impl FnOnce(&Cluster, &NodeFiles)) -> CertificateError {
    let cluster = Cluster::new();
    let files = cluster.issue(A);
    spoil(&cluster, &files);
    cluster.load(&files, A).expect_err("spoiled")
}

#[test]
fn each_wrong_certificate_is_refused_for_what_is_wrong_with_it() {
    let expired = spoiled(|cluster, _| cluster.clock.advance(31 * DAY));
    assert!(matches!(expired, CertificateError::Expired { .. }));
    let early = spoiled(|cluster, _| cluster.clock.set(UnixMillis(NOW.0 - 3 * 86_400_000)));
    assert!(matches!(early, CertificateError::NotYet { .. }));
    let foreign = spoiled(|_, files| {
        let other = Cluster::new().dir;
        init(&other.path().join("x"), &ManualClock::at(NOW)).expect("an authority");
        fs::copy(other.path().join("x/ca.pem"), &files.authority).expect("copied");
    });
    assert!(
        matches!(foreign, CertificateError::Foreign { .. }),
        "{foreign:?}"
    );
    let other_node = spoiled(|cluster, files| {
        let of_b = cluster.issue(B);
        fs::copy(of_b.certificate, &files.certificate).expect("copied");
    });
    let text = other_node.to_string();
    assert!(
        text.contains(&format!("certificate of {B}, and this is node {A}")),
        "{text}"
    );
    let mismatch = spoiled(|cluster, files| {
        let of_b = cluster.issue(B);
        fs::copy(of_b.key, &files.key).expect("copied");
    });
    assert!(matches!(mismatch, CertificateError::Mismatch { .. }));
    let no_key = spoiled(|_, files| fs::write(&files.key, "no key").expect("written"));
    assert!(matches!(no_key, CertificateError::NoKey { .. }));
    let nothing = spoiled(|_, files| fs::write(&files.certificate, "").expect("written"));
    assert!(matches!(nothing, CertificateError::NoCertificate { .. }));
    let gone = spoiled(|_, files| fs::remove_file(&files.authority).expect("removed"));
    assert!(matches!(gone, CertificateError::Read { .. }));
    let large = spoiled(|_, files| fs::write(&files.key, vec![b'x'; 300_000]).expect("written"));
    assert!(matches!(large, CertificateError::Read { .. }));
}

#[test]
fn a_certificate_of_two_nodes_is_that_of_none() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let of = |names: Vec<String>| {
        let params = CertificateParams::new(names).expect("names");
        params.self_signed(&key).expect("signed").der().clone()
    };
    assert_eq!(node_of(&of(vec![name(A)])), Some(A));
    assert_eq!(node_of(&of(vec![name(A), "localhost".to_owned()])), Some(A));
    assert_eq!(node_of(&of(vec![name(A), name(B)])), None);
    assert_eq!(node_of(&of(vec!["localhost".to_owned()])), None);
    assert_eq!(node_of(&of(vec![format!("x.{}", name(A))])), None);
}

#[test]
fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let cluster = Cluster::new();
    let files = cluster.issue(A);
    let loaded = cluster.load(&files, A).expect("as it should be");
    let reload = || loaded.reload_if_changed();
    assert_eq!(reload().expect("the same"), Reloaded::Unchanged);
    cluster.clock.advance(DAY);
    cluster.issue(A);
    assert_eq!(reload().expect("a new one"), Reloaded::Replaced);
    assert_eq!(loaded.expires(), NOW.plus(31 * DAY));
    fs::write(&files.key, "half a ke").expect("written");
    assert!(reload().is_err(), "said");
    assert_eq!(reload().expect("said once"), Reloaded::Unchanged);
    assert_eq!(loaded.expires(), NOW.plus(31 * DAY), "the old one stays");
}

#[test]
fn one_authority_can_follow_another() {
    let (old, new) = (Cluster::new(), Cluster::new());
    let files = old.issue(A);
    let of_new = fs::read(new.dir.path().join("ca.pem")).expect("there");
    let of_old = fs::read(&files.authority).expect("there");
    fs::write(&files.authority, [of_old, of_new].concat()).expect("written");
    let loaded = old.load(&files, A).expect("issued by the first of the two");
    let moved = new.issue(A);
    fs::copy(moved.certificate, &files.certificate).expect("copied");
    fs::copy(moved.key, &files.key).expect("copied");
    assert_eq!(
        loaded.reload_if_changed().expect("issued by the second"),
        Reloaded::Replaced
    );
}
