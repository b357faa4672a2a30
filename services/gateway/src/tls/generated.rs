//! A certificate of our own making, for servers that were given none.
//!
//! Invariant: the key's file is readable by its owner alone from the moment it exists, and a pair is
//! made once: clients remember its fingerprint. It has no end that would make them ask again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName};

use super::pair::CertificateError;

const CHAIN_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "key.pem";
/// What every generated certificate is good for.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The files of the certificate in `dir`, made now unless both are there.
pub(super) fn ensure(dir: &Path, names: &[String]) -> Result<(PathBuf, PathBuf), CertificateError> {
    let (chain, key) = (dir.join(CHAIN_FILE), dir.join(KEY_FILE));
    if !(chain.exists() && key.exists()) {
        let (chain_pem, key_pem) = generate(names)?;
        // The key first: a certificate without its key would be found and fail, a key alone is made
        // anew.
        write_whole(&key, key_pem.as_bytes(), Readable::ByOwner)?;
        write_whole(&chain, chain_pem.as_bytes(), Readable::ByAll)?;
        sync_dir(dir)?;
    }
    Ok((chain, key))
}

fn generate(names: &[String]) -> Result<(String, zeroize::Zeroizing<String>), CertificateError> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = subject_names(names)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Rookery (self-signed)");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Generate)?;
    let certificate = params
        .self_signed(&key)
        .map_err(CertificateError::Generate)?;
    Ok((certificate.pem(), key.serialize_pem().into()))
}

/// Our own names, the machine's if it can stand in a certificate, and those asked for.
fn subject_names(names: &[String]) -> Result<Vec<SanType>, CertificateError> {
    let mut subjects = Vec::new();
    let mut add = |subject: SanType| {
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    };
    OWN_NAMES
        .into_iter()
        .filter_map(subject_name)
        .for_each(&mut add);
    gethostname::gethostname()
        .to_str()
        .and_then(subject_name)
        .into_iter()
        .for_each(&mut add);
    for name in names {
        add(subject(name)?);
    }
    Ok(subjects)
}

/// `name` as it stands in a certificate.
pub(super) fn subject(name: &str) -> Result<SanType, CertificateError> {
    subject_name(name).ok_or_else(|| CertificateError::Name {
        name: name.to_owned(),
    })
}

/// Those of `names` that `certificate` is not good for.
pub(super) fn missing_names<'a>(
    certificate: &CertificateDer<'_>,
    names: &'a [String],
) -> Vec<&'a str> {
    let Ok(certificate) = ParsedCertificate::try_from(certificate) else {
        return Vec::new();
    };
    let is_missing = |name: &&str| {
        ServerName::try_from(*name)
            .is_ok_and(|name| verify_server_name(&certificate, &name).is_err())
    };
    names
        .iter()
        .map(String::as_str)
        .filter(is_missing)
        .collect()
}

fn subject_name(name: &str) -> Option<SanType> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(SanType::IpAddress(address));
    }
    let dns = rustls_pki_types::DnsName::try_from(name).ok()?;
    Some(SanType::DnsName(dns.as_ref().try_into().ok()?))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Readable {
    ByOwner,
    ByAll,
}

/// Writes beside `path` and renames, so that nobody ever reads a part.
fn write_whole(path: &Path, bytes: &[u8], readable: Readable) -> Result<(), CertificateError> {
    let failed = |source| CertificateError::Write {
        path: path.to_owned(),
        source,
    };
    let partial = path.with_extension("new");
    let mut file = create(&partial, readable).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&partial, path).map_err(failed)
}

fn create(path: &Path, readable: Readable) -> io::Result<File> {
    // What an earlier start left behind may have other permissions.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(match readable {
            Readable::ByOwner => 0o600,
            Readable::ByAll => 0o644,
        });
    }
    #[cfg(not(unix))]
    let _ = readable;
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
