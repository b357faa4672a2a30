//! What can be wrong with a certificate, each with what to do about it.

use std::io;
use std::path::PathBuf;

use cluster_types::NodeId;

/// Why a certificate cannot be used, or made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file that does not read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificate in a file, or a damaged one.
    #[error(
        "{path} holds no certificate that reads; it should have a line `-----BEGIN CERTIFICATE-----`"
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// No key in a file, or a damaged one.
    #[error(
        "{path} holds no private key that reads; it should have a line `-----BEGIN PRIVATE KEY-----`"
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate and a key that do not belong together.
    #[error("{key} is not the key of {certificate}: put both of one issue in their place")]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// An authority that is none.
    #[error("{path} holds a certificate that is no authority: put the cluster's ca.pem there")]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The certificate of somebody else.
    #[error("{path} is the certificate of {holder}, and this is node {myself}: issue one for it")]
    OtherNode {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        holder: String,
        /// Who is here.
        myself: NodeId,
    },
    /// The certificate of nobody in particular.
    #[error("{path} is the certificate of no node: issue one by `rookery cluster issue`")]
    NoNode {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that is over.
    #[error("{path} has expired: issue a new one in its place")]
    Expired {
        /// The file.
        path: PathBuf,
    },
    /// A certificate of later.
    #[error("{path} is not valid yet: set this machine's clock, or the one where it was issued")]
    NotYet {
        /// The file.
        path: PathBuf,
    },
    /// A certificate of another authority.
    #[error(
        "{path} was not issued by {authority}: it belongs to another cluster; issue one in this one"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The authority.
        authority: PathBuf,
    },
    /// A certificate with something else wrong with it.
    #[error("{path} is of no use between nodes: issue one for both server and client")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// There is an authority.
    #[error(
        "{path} exists: the nodes of this cluster have certificates of it; to make another cluster, use another folder"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A life of a certificate that is none.
    #[error("a certificate is issued for 1 to {max} days")]
    Days {
        /// At most.
        max: u16,
    },
    /// Making one failed.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// A file that does not write.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
