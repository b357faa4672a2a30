//! TLS: which versions are spoken, with which certificate, and the stream on top.
//!
//! Invariant: rustls on aws-lc-rs and nothing else; TLS 1.3 unless 1.2 is asked for. No session is
//! resumed: tickets let an observer link the connections of one person, the keys that seal them would
//! weaken forward secrecy, and a full handshake costs a server one signature more.
//!
//! Leaves out: client certificates, and which port speaks TLS (all of them).

mod accept;
mod buffers;
mod certificates;
mod fingerprint;
mod generated;
mod key;
mod pair;
mod session;
mod stream;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use serde::{Deserialize, Serialize};

pub(crate) use accept::accept;
pub use certificates::{Certificates, Reloaded};
pub use fingerprint::Fingerprint;
pub use key::KeyError;
pub use pair::{CertificateError, CertificateSource};
pub(crate) use stream::TlsStream;

/// The name of HTTP/2 in a handshake.
pub(crate) const ALPN_H2: &[u8] = b"h2";
/// The name of HTTP/1.1 in a handshake.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum TlsVersion {
    /// TLS 1.2 with forward secrecy, for clients that cannot do better.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[default]
    #[serde(rename = "1.3")]
    V1_3,
}

/// How this server speaks TLS, with whatever `certificates` hold at the time of each handshake.
pub(crate) fn server_config(
    certificates: &Arc<Certificates>,
    oldest: TlsVersion,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let versions: &[_] = match oldest {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(certificates) as _);
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
