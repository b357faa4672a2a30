//! The stream against another implementation of TLS, over transports that are slow and small.

use std::sync::Arc;

use cluster_types::SystemClock;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as ClientStream;

use super::*;
use crate::tls::{CertificateSource, Certificates, TlsVersion, accept, server_config};

/// Settings for a server whose certificate lies in `dir`, and for a client that trusts it.
fn settings(
    dir: &tempfile::TempDir,
    version: &'static SupportedProtocolVersion,
) -> (Arc<rustls::ServerConfig>, ClientConfig) {
    let source = CertificateSource::Generated {
        dir: dir.path().to_owned(),
        names: Vec::new(),
    };
    let certificates = Certificates::load(source, Arc::new(SystemClock)).expect("made");
    let config = server_config(&Arc::new(certificates), TlsVersion::V1_2).expect("settings");
    let mut roots = RootCertStore::empty();
    let pem = dir.path().join("certificate.pem");
    roots
        .add(CertificateDer::from_pem_file(pem).expect("a certificate"))
        .expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (config, client)
}

/// Both ends of a connection whose transport holds `transport_bytes` in either direction.
async fn pair(
    transport_bytes: usize,
    version: &'static SupportedProtocolVersion,
) -> (TlsStream<DuplexStream>, ClientStream<DuplexStream>) {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, client) = settings(&dir, version);
    let (ours, theirs) = duplex(transport_bytes);
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(Arc::new(client));
    let (server, client) = tokio::join!(accept(ours, config), connector.connect(name, theirs));
    (server.expect("accepted"), client.expect("connected"))
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|index| u8::try_from(index % 251).expect("small"))
        .collect()
}

#[tokio::test]
async fn what_goes_in_comes_out_both_ways_at_once() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for transport_bytes in [7, 1_000, 1 << 20] {
            let bytes = if transport_bytes == 7 {
                20_000
            } else {
                300_000
            };
            let (server, client) = pair(transport_bytes, version).await;
            let (sent, mut got, mut echoed) = (pattern(bytes), vec![0; bytes], vec![0; bytes]);
            let (mut server_in, mut server_out) = tokio::io::split(server);
            let (mut client_in, mut client_out) = tokio::io::split(client);
            let write = async |out: &mut (dyn AsyncWrite + Unpin + Send)| {
                out.write_all(&sent).await.expect("writes");
                out.flush().await.expect("flushes");
            };
            tokio::join!(
                async { server_in.read_exact(&mut got).await.expect("reads") },
                async { client_in.read_exact(&mut echoed).await.expect("reads") },
                write(&mut server_out),
                write(&mut client_out),
            );
            assert!(
                got == sent && echoed == sent,
                "{version:?} {transport_bytes}"
            );
        }
    }
}

#[tokio::test]
async fn a_quiet_stream_holds_no_buffer() {
    let (mut server, mut client) = pair(1 << 20, &rustls::version::TLS13).await;
    client.write_all(&pattern(50_000)).await.expect("writes");
    client.flush().await.expect("flushes");
    server
        .read_exact(&mut vec![0; 50_000])
        .await
        .expect("reads");
    server.write_all(&pattern(50_000)).await.expect("writes");
    server.flush().await.expect("flushes");
    assert!(server.incoming.is_empty());
    assert!(server.session.plaintext.is_empty());
    assert!(server.session.outgoing.is_empty());
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_owed_one_record_at_most() {
    let (mut server, _client) = pair(1_000, &rustls::version::TLS13).await;
    let piece = pattern(100_000);
    let mut accepted = 0;
    while let Poll::Ready(written) =
        poll_once(|cx| Pin::new(&mut server).poll_write(cx, &piece)).await
    {
        accepted += written.expect("writes");
        assert!(accepted <= PLAINTEXT_BYTES_MAX, "{accepted}");
    }
    assert_eq!(accepted, PLAINTEXT_BYTES_MAX);
}

async fn poll_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    std::future::poll_fn(|cx| Poll::Ready(poll(cx))).await
}

#[tokio::test]
async fn small_pieces_become_one_record() {
    let (mut server, mut client) = pair(1 << 20, &rustls::version::TLS13).await;
    let pieces = [
        IoSlice::new(b""),
        IoSlice::new(b"head "),
        IoSlice::new(b""),
        IoSlice::new(b"body"),
    ];
    let written = std::future::poll_fn(|cx| Pin::new(&mut server).poll_write_vectored(cx, &pieces));
    assert_eq!(written.await.expect("writes"), 9);
    server.flush().await.expect("flushes");
    let mut got = [0; 64];
    let read = client.read(&mut got).await.expect("reads");
    assert_eq!(&got[..read], b"head body");
}

#[tokio::test]
async fn many_pieces_are_written_in_order_over_several_records() {
    let (mut server, mut client) = pair(1 << 20, &rustls::version::TLS13).await;
    let sent = pattern(60_000);
    let write = async {
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            let pieces: Vec<_> = rest.chunks(4_999).map(IoSlice::new).collect();
            let written =
                std::future::poll_fn(|cx| Pin::new(&mut server).poll_write_vectored(cx, &pieces));
            rest = &rest[written.await.expect("writes")..];
        }
        server.flush().await.expect("flushes");
    };
    let mut got = vec![0; sent.len()];
    tokio::join!(write, async {
        client.read_exact(&mut got).await.expect("reads")
    });
    assert!(got == sent);
}

#[tokio::test]
async fn a_client_may_renew_its_keys_and_ask_for_ours() {
    let (mut server, mut client) = pair(1 << 20, &rustls::version::TLS13).await;
    for round in 0..5_u8 {
        client.get_mut().1.refresh_traffic_keys().expect("renews");
        client.write_all(&[round]).await.expect("writes");
        client.flush().await.expect("flushes");
        let mut got = [0];
        server.read_exact(&mut got).await.expect("reads");
        assert_eq!(got, [round]);
        server.write_all(&[round]).await.expect("writes");
        server.flush().await.expect("flushes");
        client.read_exact(&mut got).await.expect("reads");
        assert_eq!(got, [round]);
    }
}

#[tokio::test]
async fn an_end_that_was_announced_is_an_end() {
    let (mut server, mut client) = pair(1 << 20, &rustls::version::TLS13).await;
    client.write_all(b"last words").await.expect("writes");
    client.shutdown().await.expect("says goodbye");
    let mut got = Vec::new();
    server
        .read_to_end(&mut got)
        .await
        .expect("reads to the end");
    assert_eq!(got, b"last words");
    server.shutdown().await.expect("says goodbye");
    assert_eq!(client.read(&mut [0; 1]).await.expect("hears it"), 0);
}

#[tokio::test]
async fn an_end_that_was_not_announced_is_an_error() {
    let (mut server, client) = pair(1 << 20, &rustls::version::TLS13).await;
    drop(client);
    let error = server.read(&mut [0; 1]).await.expect_err("cut off");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_record_that_was_tampered_with_ends_the_stream() {
    let (mut server, mut client) = pair(1 << 20, &rustls::version::TLS13).await;
    let (transport, _) = client.get_mut();
    let forged = [&[23, 3, 3, 0, 32][..], &[0; 32]].concat();
    transport.write_all(&forged).await.expect("writes");
    let error = server.read(&mut [0; 1]).await.expect_err("not authentic");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    server.flush().await.expect("sends the alert");
    let error = client.read(&mut [0; 1]).await.expect_err("hears of it");
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
}

#[tokio::test]
async fn records_without_content_do_not_keep_the_stream_busy_forever() {
    let (mut server, mut client) = pair(1 << 20, &rustls::version::TLS13).await;
    for _ in 0..100 {
        client.write_all(b"").await.expect("writes");
        client.get_mut().1.refresh_traffic_keys().expect("renews");
        client.flush().await.expect("flushes");
    }
    let error = server.read(&mut [0; 1]).await.expect_err("too many");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

/// What `client` has to say now.
fn said(client: &mut rustls::ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).expect("writes");
    }
    bytes
}

#[tokio::test]
async fn a_hello_in_two_parts_and_a_burst_after_it_are_taken() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, mut client) = settings(&dir, &rustls::version::TLS13);
    // A hello that just fits: names of protocols are as good as any padding.
    client.alpn_protocols = (0..54).map(|n| vec![n; 250]).collect();
    client.alpn_protocols.push(b"h2".to_vec());
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(client), name).expect("settings");
    let (ours, mut theirs) = duplex(1 << 20);
    let sent = pattern(29_000);
    let talk = async {
        let hello = said(&mut client);
        assert!((15_000..16_384).contains(&hello.len()), "{}", hello.len());
        theirs.write_all(&hello[..15_000]).await.expect("writes");
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        theirs.write_all(&hello[15_000..]).await.expect("writes");
        while client.is_handshaking() {
            let mut flight = vec![0; 16 * 1024];
            let read = theirs.read(&mut flight).await.expect("reads");
            client.read_tls(&mut &flight[..read]).expect("takes it");
            client.process_new_packets().expect("a good flight");
        }
        io::Write::write_all(&mut client.writer(), &sent).expect("room");
        theirs.write_all(&said(&mut client)).await.expect("writes");
    };
    let (accepted, ()) = tokio::join!(accept(ours, config), talk);
    let mut got = vec![0; sent.len()];
    let mut server = accepted.expect("a handshake");
    server.read_exact(&mut got).await.expect("reads");
    assert!(got == sent);
}

#[tokio::test]
async fn what_has_no_end_ends_the_stream() {
    let (mut server, mut client) = pair(1 << 20, &rustls::version::TLS13).await;
    client.write_all(b"more").await.expect("writes");
    // As rustls leaves behind a message of the handshake's kind that is spread over records.
    for kept in [24 * 1024, 30_000] {
        server.incoming = Queue::default();
        server.incoming.push(&vec![0; kept]);
        let error = server.read(&mut [0; 1]).await.expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{kept}");
    }
}
