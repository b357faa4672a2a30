//! Making an authority, and certificates of nodes.
//!
//! Invariant: a key's file is readable by its owner alone from the moment it exists, and nobody ever reads a
//! part of a file. An authority is made once; a node's certificate as often as one likes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256};
use cluster_types::{Clock, NodeId, UnixMillis};
use data_encoding::HEXLOWER;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_cert::der::Decode as _;
use zeroize::Zeroizing;

use super::{CertificateError, NodeFiles, certificates, name, read};

/// Days for which a node's certificate is good unless asked otherwise. A month: short enough that one that got
/// lost is soon worth nothing, long enough that nobody has to do it on a Sunday.
pub const NODE_DAYS: u16 = 30;

/// Days for which a node's certificate can be issued, at most. Past that it is not short-lived.
const NODE_DAYS_MAX: u16 = 398;

/// Days for which an authority is good: ten years. Its key can lie in a safe.
const AUTHORITY_DAYS: u16 = 3_652;

/// So much before now a certificate is good already: machines whose clocks are a day behind take it.
const CLOCK_SLACK: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// Bytes of the digest of its key that an authority is called by: enough to tell the few that a person ever sees.
const AUTHORITY_NAME_BYTES: usize = 8;

const AUTHORITY_FILE: &str = "ca.pem";
const AUTHORITY_KEY_FILE: &str = "ca-key.pem";

/// Makes the authority of a new cluster in `dir`: `ca.pem`, which every node gets, and `ca-key.pem`, which none
/// does. The folder is made if it is not there. Writes files: not for a task that must not block.
///
/// # Errors
/// If there is an authority already, or it cannot be written.
pub fn init(dir: &Path, clock: &dyn Clock) -> Result<(), CertificateError> {
    let (path, key_path) = (dir.join(AUTHORITY_FILE), dir.join(AUTHORITY_KEY_FILE));
    if path.exists() {
        return Err(CertificateError::Exists { path });
    }
    make_dir(dir)?;
    let key = new_key()?;
    let certificate = authority(&key, clock.now())
        .self_signed(&key)
        .map_err(CertificateError::Make)?;
    // The key first: a certificate without its key would be found and be of no use.
    write_whole(
        &key_path,
        Zeroizing::new(key.serialize_pem()).as_bytes(),
        0o600,
    )?;
    write_whole(&path, certificate.pem().as_bytes(), 0o644)?;
    sync_dir(dir)
}

/// Issues a certificate for `node`, good for `days`, by the authority that [`init`] has made in `dir`. Writes it to a folder in `dir`
/// that is called like the node, with all that the node needs; an older one is replaced. Reads and writes
/// files: not for a task that must not block.
///
/// # Errors
/// If there is no authority in `dir`, for [`CertificateError::Days`], or if it cannot be written.
pub fn issue(
    dir: &Path,
    node: NodeId,
    days: u16,
    clock: &dyn Clock,
) -> Result<NodeFiles, CertificateError> {
    if days == 0 || days > NODE_DAYS_MAX {
        return Err(CertificateError::Days { max: NODE_DAYS_MAX });
    }
    let authority_path = dir.join(AUTHORITY_FILE);
    let key_path = dir.join(AUTHORITY_KEY_FILE);
    let authority_pem = read(&authority_path)?;
    let key_pem = read(&key_path).map(Zeroizing::new)?;
    let authority_key = KeyPair::from_pem(&key_pem).map_err(|_| CertificateError::NoKey {
        path: key_path.clone(),
    })?;
    let of_authority = certificates(&authority_path, &authority_pem)?;
    if !is_key_of(&authority_key, &of_authority[0]) {
        return Err(CertificateError::Mismatch {
            certificate: authority_path,
            key: key_path,
        });
    }
    let params = authority(&authority_key, clock.now());
    let issuer = Issuer::new(params, authority_key);
    let key = new_key()?;
    let certificate = of_node(node, days, clock.now())?
        .signed_by(&key, &issuer)
        .map_err(CertificateError::Make)?;
    let dir = dir.join(node.to_string());
    let files = NodeFiles::in_dir(&dir);
    make_dir(&dir)?;
    write_whole(&files.authority, authority_pem.as_bytes(), 0o644)?;
    write_whole(
        &files.key,
        Zeroizing::new(key.serialize_pem()).as_bytes(),
        0o600,
    )?;
    write_whole(&files.certificate, certificate.pem().as_bytes(), 0o644)?;
    sync_dir(&dir)?;
    Ok(files)
}

/// An authority is called by its key, so that nothing takes it for that of another cluster.
fn authority(key: &KeyPair, now: UnixMillis) -> CertificateParams {
    let digest = digest::digest(&SHA256, key.public_key_raw());
    let name = HEXLOWER.encode(&digest.as_ref()[..AUTHORITY_NAME_BYTES]);
    let mut params = params(&format!("Rookery cluster {name}"), AUTHORITY_DAYS, now);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn of_node(
    node: NodeId,
    days: u16,
    now: UnixMillis,
) -> Result<CertificateParams, CertificateError> {
    let name = name(node);
    let mut params = params(&name, days, now);
    let dns = name.as_str().try_into().map_err(CertificateError::Make)?;
    params.subject_alt_names = vec![SanType::DnsName(dns)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(common_name: &str, days: u16, now: UnixMillis) -> CertificateParams {
    let now = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(now.0);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = now - CLOCK_SLACK;
    params.not_after = now + Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    params
}

fn new_key() -> Result<KeyPair, CertificateError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Make)
}

fn is_key_of(key: &KeyPair, certificate: &CertificateDer<'_>) -> bool {
    x509_cert::Certificate::from_der(certificate).is_ok_and(|certificate| {
        let public = certificate.tbs_certificate().subject_public_key_info();
        public.subject_public_key.raw_bytes() == key.public_key_raw()
    })
}

fn make_dir(dir: &Path) -> Result<(), CertificateError> {
    fs::create_dir_all(dir).map_err(|source| CertificateError::Write {
        path: dir.to_owned(),
        source,
    })
}

/// Writes beside `path` and renames, so that nobody ever reads a part.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CertificateError> {
    let failed = |source| CertificateError::Write {
        path: path.to_owned(),
        source,
    };
    let partial = path.with_extension("new");
    let mut file = create(&partial, mode).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&partial, path).map_err(failed)
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    // What an earlier attempt left behind may have other permissions.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(mode);
    }
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

fn sync_dir(dir: &Path) -> Result<(), CertificateError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| CertificateError::Write {
            path: dir.to_owned(),
            source,
        })
}
