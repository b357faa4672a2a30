//! A certificate and its key, checked as another node will check them, and TLS made of the two.
//!
//! Invariant: TLS 1.3 alone, both sides show a certificate, and nothing is resumed: each connection is checked in
//! full, at its time.

use std::sync::Arc;
use std::time::Duration;

use cluster_types::{Clock, NodeId, UnixMillis};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_cert::der::Decode as _;

use super::{CertificateError, NodeFiles, name, node_of};

/// The name of HTTP/2 in a handshake.
const ALPN: &[u8] = b"h2";

/// A certificate that works, and TLS with it.
#[derive(Debug)]
pub(in crate::link) struct Pair {
    /// For who dials.
    pub(in crate::link) client: Arc<ClientConfig>,
    /// For who accepts.
    pub(in crate::link) server: Arc<ServerConfig>,
    /// The last moment at which other nodes accept it.
    pub(super) expires: UnixMillis,
}

/// The node's clock, for TLS.
#[derive(Debug)]
struct WallClock(Arc<dyn Clock>);

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = Duration::from_millis(self.0.now().0);
        Some(UnixTime::since_unix_epoch(since_epoch))
    }
}

/// Both ends' way to check the other.
struct Checks {
    server: Arc<WebPkiServerVerifier>,
    client: Arc<dyn ClientCertVerifier>,
}

impl Pair {
    pub(super) fn new(
        files: &NodeFiles,
        authorities: Vec<CertificateDer<'static>>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        myself: NodeId,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, CertificateError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let time = Arc::new(WallClock(Arc::clone(clock)));
        let checks = Checks::new(files, authorities, &provider)?;
        checks.pass(files, &chain, myself, time.current_time())?;
        let expires = expiry(files, &chain[0])?;
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|_| {
            CertificateError::Mismatch {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
            }
        })?;
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        let unfit = |source| unfit(files, source);
        let mut client =
            ClientConfig::builder_with_details(Arc::clone(&provider), Arc::clone(&time) as _)
                .with_protocol_versions(&[&TLS13])
                .map_err(unfit)?
                .with_webpki_verifier(checks.server)
                .with_client_cert_resolver(Arc::clone(&resolver) as _);
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        let mut server = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&TLS13])
            .map_err(unfit)?
            .with_client_cert_verifier(checks.client)
            .with_cert_resolver(resolver);
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.send_tls13_tickets = 0;
        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
            expires,
        })
    }
}

impl Checks {
    fn new(
        files: &NodeFiles,
        authorities: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let no_authority = || CertificateError::NoAuthority {
            path: files.authority.clone(),
        };
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|_| no_authority())?;
        }
        let roots = Arc::new(roots);
        let server =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
        let client = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        Ok(Self {
            server: server.build().map_err(|_| no_authority())?,
            client: client.build().map_err(|_| no_authority())?,
        })
    }

    /// Whether another node would take this one for `myself`, whichever of the two dials.
    fn pass(
        &self,
        files: &NodeFiles,
        chain: &[CertificateDer<'static>],
        myself: NodeId,
        now: Option<UnixTime>,
    ) -> Result<(), CertificateError> {
        let path = || files.certificate.clone();
        let [own, others @ ..] = chain else {
            return Err(CertificateError::NoCertificate { path: path() });
        };
        let now = now.unwrap_or_else(|| UnixTime::since_unix_epoch(Duration::ZERO));
        let holder = node_of(own);
        let server_name = ServerName::try_from(name(myself));
        if holder != Some(myself) {
            return Err(CertificateError::OtherNode {
                path: path(),
                holder: holder.map_or_else(
                    || "no node, or of several".to_owned(),
                    |node| node.to_string(),
                ),
                myself,
            });
        }
        let refused = |error| refused(files, error);
        let server_name =
            server_name.map_err(|error| unfit(files, rustls::Error::General(error.to_string())))?;
        self.server
            .verify_server_cert(own, others, &server_name, &[], now)
            .map_err(refused)?;
        self.client
            .verify_client_cert(own, others, now)
            .map_err(refused)?;
        Ok(())
    }
}

fn refused(files: &NodeFiles, error: rustls::Error) -> CertificateError {
    use rustls::CertificateError as Wrong;
    let path = files.certificate.clone();
    let rustls::Error::InvalidCertificate(wrong) = &error else {
        return unfit(files, error);
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it has many more, and gets more"
    )]
    match wrong {
        Wrong::Expired | Wrong::ExpiredContext { .. } => CertificateError::Expired { path },
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => CertificateError::NotYet { path },
        Wrong::UnknownIssuer | Wrong::BadSignature => CertificateError::Foreign {
            path,
            authority: files.authority.clone(),
        },
        _ => unfit(files, error),
    }
}

fn unfit(files: &NodeFiles, source: rustls::Error) -> CertificateError {
    CertificateError::Unfit {
        path: files.certificate.clone(),
        source,
    }
}

fn expiry(
    files: &NodeFiles,
    certificate: &CertificateDer<'_>,
) -> Result<UnixMillis, CertificateError> {
    let certificate = x509_cert::Certificate::from_der(certificate).map_err(|_| {
        CertificateError::NoCertificate {
            path: files.certificate.clone(),
        }
    })?;
    let not_after = certificate.tbs_certificate().validity().not_after;
    Ok(UnixMillis::default().plus(not_after.to_unix_duration()))
}
