//! TLS: version, key exchange, and the check of a server's certificate.
//!
//! Invariant: TLS 1.3 only, and no verifier leaves out the signature that proves the server's key.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, aws_lc_rs};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Fingerprint, Kind, KnownServers, Trust};
use crate::Error;

/// The TLS settings with which `server` (`host:port`) is checked.
pub(crate) fn tls_config(trust: &Trust, server: &str) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Error::Certificates(error.to_string()))?;
    let pinned = |pins| {
        Arc::new(PinVerifier {
            pins,
            server: server.to_owned(),
            provider,
        })
    };
    let builder = match &trust.0 {
        Kind::Pinned(fingerprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(pinned(Pins::One(*fingerprint))),
        Kind::Known(servers, _) => builder
            .dangerous()
            .with_custom_certificate_verifier(pinned(Pins::Known(servers.clone()))),
        Kind::Authorities(all) => {
            let mut roots = RootCertStore::empty();
            let (taken, _) = roots.add_parsable_certificates(all.iter().cloned());
            if taken == 0 {
                return Err(Error::Certificates("none of them can be parsed".to_owned()));
            }
            builder.with_root_certificates(roots)
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// The one provider of this workspace, with the post-quantum key exchange first: what is recorded
/// today must not be read in twenty years.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let hybrid = aws_lc_rs::kx_group::X25519MLKEM768;
    provider
        .kx_groups
        .retain(|group| group.name() != hybrid.name());
    provider.kx_groups.insert(0, hybrid);
    provider
}

/// Why a pinned check failed. Travels through the TLS library and back.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum PinFailure {
    #[error("not known yet, fingerprint {0}")]
    Unknown(Fingerprint),
    #[error("fingerprint {found} instead of {expected}")]
    Wrong {
        expected: Fingerprint,
        found: Fingerprint,
    },
}

enum Pins {
    One(Fingerprint),
    Known(KnownServers),
}

/// Believes one certificate per server, whatever is written in it.
struct PinVerifier {
    pins: Pins,
    server: String,
    provider: Arc<CryptoProvider>,
}

impl PinVerifier {
    fn check(&self, certificate: &[u8]) -> Result<(), PinFailure> {
        let found = Fingerprint::of(certificate);
        let expected = match &self.pins {
            Pins::One(fingerprint) => Some(*fingerprint),
            Pins::Known(servers) => servers.fingerprint_of(&self.server),
        };
        match expected {
            Some(expected) if expected == found => Ok(()),
            Some(expected) => Err(PinFailure::Wrong { expected, found }),
            None => Err(PinFailure::Unknown(found)),
        }
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = |failure| CertificateError::Other(OtherError(Arc::new(failure)));
        self.check(end_entity).map_err(refused)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl fmt::Debug for PinVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinVerifier")
    }
}
