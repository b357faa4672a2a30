//! Whom the client believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rookery_client::{Client, Error, Fingerprint, KnownServers, Trust, Tuning};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::fake::Fake;

async fn connect(fake: &Fake, trust: Trust) -> Result<Client, Error> {
    let address = format!("https://{}", fake.address);
    Client::builder(address).trust(trust).connect().await
}

#[tokio::test]
async fn the_pinned_server_is_believed_whatever_its_certificate_says() {
    let fake = Fake::start().await;
    let trust = Trust::fingerprint(fake.fingerprint);
    assert!(connect(&fake, trust).await.is_ok());
}

#[tokio::test]
async fn a_wrong_fingerprint_is_refused_and_both_are_named() {
    let fake = Fake::start().await;
    let other = Fingerprint::of(b"another certificate");
    let error = connect(&fake, Trust::fingerprint(other))
        .await
        .expect_err("not the pinned one");
    let Error::WrongFingerprint {
        expected, found, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!((*expected, *found), (other, fake.fingerprint));
    assert!(error.to_string().contains(&fake.fingerprint.to_string()));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn an_unknown_server_is_refused_until_it_is_remembered() {
    let fake = Fake::start().await;
    let known = KnownServers::in_memory();
    let error = connect(&fake, Trust::known(known.clone()))
        .await
        .expect_err("not known");
    let Error::UnknownServer {
        server,
        fingerprint,
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(fingerprint, fake.fingerprint);
    known.remember(&server, fingerprint).expect("in memory");
    assert!(connect(&fake, Trust::known(known)).await.is_ok());
}

#[tokio::test]
async fn the_first_use_is_asked_about_once() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("known_servers");
    let asked = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let counter = Arc::clone(&asked);
        let known = KnownServers::open(&path).expect("readable");
        let trust = Trust::first_use(known, move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            true
        });
        assert!(connect(&fake, trust).await.is_ok());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_no_at_first_use_connects_to_nobody() {
    let fake = Fake::start().await;
    let known = KnownServers::in_memory();
    let trust = Trust::first_use(known.clone(), |_, _| false);
    let error = connect(&fake, trust).await.expect_err("refused");
    assert!(matches!(error, Error::UnknownServer { .. }), "{error:?}");
    assert_eq!(known.fingerprint_of(&fake.address.to_string()), None);
}

#[tokio::test]
async fn an_authority_vouches_for_a_name() {
    let fake = Fake::start().await;
    let trust = Trust::ca_pem(fake.certificate_pem.as_bytes()).expect("PEM");
    let by_name = format!("https://localhost:{}", fake.address.port());
    let connected = Client::builder(by_name)
        .trust(trust.clone())
        .connect()
        .await;
    assert!(connected.is_ok(), "{connected:?}");
    let error = connect(&fake, trust).await.expect_err("another name");
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let trust = Trust::known(KnownServers::in_memory());
    let builder = Client::builder(format!("https://{address}")).trust(trust);
    let error = builder.connect().await.expect_err("nobody there");
    assert!(error.is_transient() && !error.may_have_happened());
    assert_eq!(
        error.to_string(),
        format!("{address} cannot be reached: nothing listens there")
    );
}

#[tokio::test]
async fn a_port_that_speaks_something_else_is_named_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tcp.write_all(b"220 mail.example.org ready\r\n").await;
        }
    });
    let trust = Trust::known(KnownServers::in_memory());
    let builder = Client::builder(format!("https://{address}")).trust(trust);
    let error = builder.connect().await.expect_err("no TLS");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let tuning = Tuning {
        connect_timeout: std::time::Duration::from_millis(50),
        ..Tuning::NORMAL
    };
    let builder = Client::builder(format!("https://{address}"))
        .trust(Trust::known(KnownServers::in_memory()))
        .tuning(tuning);
    let error = builder.connect().await.expect_err("silence");
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}
