//! Certificates and keys as operators have them: good ones, and each way in which they are not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster_types::{ManualClock, UnixMillis};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tempfile::TempDir;

use super::*;

const PASSWORD: &str = "correct horse";
/// As printed by `openssl x509 -in ec.crt -noout -fingerprint -sha256`.
const EC_FINGERPRINT: &str = "9E:AA:56:0F:0E:49:F1:C8:7B:64:7A:21:CF:C2:FE:B5:AB:AD:3C:FC:B6:1B:95:EF:2B:EF:37:CD:BD:8D:7F:2B";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn files(chain: &str, key: &str, password: Option<PathBuf>) -> CertificateSource {
    CertificateSource::Files {
        chain: fixture(chain),
        key: fixture(key),
        password,
    }
}

fn load(source: CertificateSource) -> Result<Certificates, CertificateError> {
    Certificates::load(
        source,
        Arc::new(ManualClock::at(UnixMillis(1_800_000_000_000))),
    )
}

fn refused(source: CertificateSource) -> String {
    load(source).expect_err("not a pair that works").to_string()
}

fn password_file(dir: &TempDir, text: &str) -> Option<PathBuf> {
    let path = dir.path().join("password");
    fs::write(&path, text).expect("writes");
    Some(path)
}

#[test]
fn every_usual_form_of_a_key_is_read() {
    for (chain, key) in [
        ("ec.crt", "ec-sec1.key"),
        ("ec.crt", "ec-pkcs8.key"),
        ("rsa.crt", "rsa-pkcs1.key"),
    ] {
        let loaded = load(files(chain, key, None));
        assert!(loaded.is_ok(), "{key}: {loaded:?}");
    }
}

#[test]
fn the_fingerprint_is_the_one_that_openssl_prints() {
    let certificates = load(files("ec.crt", "ec-sec1.key", None)).expect("a pair");
    assert_eq!(certificates.fingerprint().to_string(), EC_FINGERPRINT);
}

#[test]
fn an_encrypted_key_opens_with_its_password_with_or_without_a_line_break() {
    let dir = tempfile::tempdir().expect("a folder");
    for key in ["ec-encrypted.key", "ec-encrypted-scrypt.key"] {
        for end in ["", "\n", "\r\n"] {
            let password = password_file(&dir, &format!("{PASSWORD}{end}"));
            let loaded = load(files("ec.crt", key, password));
            assert!(loaded.is_ok(), "{key} {end:?}: {loaded:?}");
        }
    }
}

#[test]
fn a_wrong_or_missing_password_is_named_and_not_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let missing = refused(files("ec.crt", "ec-encrypted.key", None));
    assert!(missing.contains("--tls-key-password-file"), "{missing}");
    for wrong in ["correct horsf", "", "correct horse\n\n"] {
        let password = password_file(&dir, wrong);
        let text = refused(files("ec.crt", "ec-encrypted.key", password));
        assert!(
            text.contains("does not open with the given password"),
            "{text}"
        );
        assert!(!text.contains("horse"), "{text}");
    }
}

#[test]
fn an_old_encryption_is_refused_with_the_command_that_converts_it() {
    let dir = tempfile::tempdir().expect("a folder");
    for key in ["ec-legacy.key", "ec-pbes1.key"] {
        let text = refused(files("ec.crt", key, password_file(&dir, PASSWORD)));
        let command = format!(
            "openssl pkcs8 -topk8 -v2 aes-256-cbc -in {}",
            fixture(key).display()
        );
        assert!(text.contains(&command), "{text}");
    }
}

#[test]
fn a_key_of_another_certificate_is_noticed() {
    let text = refused(files("rsa.crt", "ec-sec1.key", None));
    assert!(
        text.contains("is not the key of the first certificate in"),
        "{text}"
    );
}

#[test]
fn files_that_hold_something_else_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = refused(files("ec-sec1.key", "ec-sec1.key", None));
    assert!(text.contains("holds no certificate"), "{text}");
    let text = refused(files("ec.crt", "ec.crt", None));
    assert!(text.contains("holds no private key"), "{text}");
    let text = refused(files("ec.crt", "nowhere.key", None));
    assert!(
        text.contains("cannot read") && text.contains("nowhere.key"),
        "{text}"
    );

    let damaged = dir.path().join("damaged.crt");
    fs::write(
        &damaged,
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    )
    .expect("writes");
    let source = CertificateSource::Files {
        chain: damaged,
        key: fixture("ec-sec1.key"),
        password: None,
    };
    let text = refused(source);
    assert!(text.contains("holds a damaged certificate"), "{text}");

    let large = dir.path().join("large.crt");
    fs::write(&large, vec![b'a'; 1024 * 1024 + 1]).expect("writes");
    let source = CertificateSource::Files {
        chain: large,
        key: fixture("ec-sec1.key"),
        password: None,
    };
    assert!(refused(source).contains("larger than 1 MiB"));
}

fn generated(dir: &TempDir, names: &[&str]) -> CertificateSource {
    CertificateSource::Generated {
        dir: dir.path().to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn a_generated_certificate_is_made_once_and_its_key_is_private() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = load(generated(&dir, &[])).expect("made").fingerprint();
    let again = load(generated(&dir, &[])).expect("read").fingerprint();
    assert_eq!(first, again);
    let mode = |file: &str| {
        let metadata = fs::metadata(dir.path().join(file)).expect("there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!((mode("key.pem"), mode("certificate.pem")), (0o600, 0o644));
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 2);
}

#[test]
fn a_certificate_that_lost_its_key_is_made_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = load(generated(&dir, &[])).expect("made").fingerprint();
    fs::remove_file(dir.path().join("key.pem")).expect("removed");
    fs::write(dir.path().join("key.new"), "left behind by a crash").expect("writes");
    let second = load(generated(&dir, &[])).expect("made").fingerprint();
    assert_ne!(first, second);
}

#[test]
fn a_name_that_no_certificate_can_have_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = refused(generated(
        &dir,
        &["chat.example.org", "192.0.2.7", "not a name"],
    ));
    assert!(text.contains("`not a name`"), "{text}");
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
}

#[test]
fn a_name_that_a_kept_certificate_lacks_is_known() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = generated(&dir, &["chat.example.org", "192.0.2.7"]);
    load(source).expect("made");
    let pem = fs::read(dir.path().join("certificate.pem")).expect("reads");
    let certificate = CertificateDer::from_pem_slice(&pem).expect("a certificate");
    let names = [
        "chat.example.org",
        "localhost",
        "192.0.2.7",
        "new.example.org",
        "192.0.2.8",
    ];
    let names = names.map(str::to_owned);
    let missing = generated::missing_names(&certificate, &names);
    assert_eq!(missing, ["new.example.org", "192.0.2.8"]);
}

#[test]
fn a_server_that_runs_keeps_its_identity_when_its_files_are_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let certificates = load(generated(&dir, &[])).expect("made");
    let (fingerprint, key) = (certificates.fingerprint(), dir.path().join("key.pem"));
    let kept = fs::read(&key).expect("reads");
    fs::remove_file(&key).expect("removed");
    assert!(certificates.reload_if_changed().is_err(), "reported");
    for _ in 0..3 {
        let again = certificates.reload_if_changed().expect("reported once");
        assert_eq!(again, Reloaded::Unchanged);
    }
    assert!(certificates.reload().is_err(), "who asks is told again");
    assert!(!key.exists(), "nothing was made");
    fs::write(&key, kept).expect("writes");
    assert_eq!(
        certificates.reload_if_changed().expect("back"),
        Reloaded::Unchanged
    );
    fs::remove_file(&key).expect("removed");
    assert!(
        certificates.reload_if_changed().is_err(),
        "a new loss is news"
    );
    assert_eq!(certificates.fingerprint(), fingerprint);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = CertificateSource::Generated {
        dir: dir.path().join("missing"),
        names: Vec::new(),
    };
    assert!(refused(source).contains("cannot write"));
}

/// A pair in a folder, to be replaced.
struct Replaced {
    dir: TempDir,
    certificates: Certificates,
}

impl Replaced {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        copy(&dir, "ec.crt", "ec-sec1.key");
        let source = CertificateSource::Files {
            chain: dir.path().join("chain"),
            key: dir.path().join("key"),
            password: None,
        };
        let certificates = load(source).expect("a pair");
        Self { dir, certificates }
    }
}

fn copy(dir: &TempDir, chain: &str, key: &str) {
    fs::copy(fixture(chain), dir.path().join("chain")).expect("copies");
    fs::copy(fixture(key), dir.path().join("key")).expect("copies");
}

#[test]
fn a_new_pair_takes_the_place_of_the_old_one() {
    let Replaced { dir, certificates } = Replaced::new();
    assert_eq!(
        certificates.reload().expect("the same"),
        Reloaded::Unchanged
    );
    let old = certificates.fingerprint();
    copy(&dir, "rsa.crt", "rsa-pkcs1.key");
    let Reloaded::Replaced { fingerprint } = certificates.reload().expect("a pair") else {
        panic!("not noticed");
    };
    assert_ne!(fingerprint, old);
    assert_eq!(certificates.fingerprint(), fingerprint);
}

#[test]
fn a_chain_that_was_mended_is_taken_although_its_first_certificate_is_the_same() {
    let Replaced { dir, certificates } = Replaced::new();
    let mended =
        ["ec.crt", "rsa.crt"].map(|name| fs::read_to_string(fixture(name)).expect("reads"));
    fs::write(dir.path().join("chain"), mended.concat()).expect("writes");
    let reloaded = certificates.reload_if_changed().expect("a pair");
    assert!(
        matches!(reloaded, Reloaded::Replaced { .. }),
        "{reloaded:?}"
    );
    assert_eq!(certificates.fingerprint().to_string(), EC_FINGERPRINT);
    assert_eq!(
        certificates.reload().expect("the same"),
        Reloaded::Unchanged
    );
}

#[test]
fn a_bad_pair_is_reported_and_the_old_one_stays() {
    let Replaced { dir, certificates } = Replaced::new();
    copy(&dir, "rsa.crt", "ec-sec1.key");
    assert!(certificates.reload().is_err());
    assert_eq!(certificates.fingerprint().to_string(), EC_FINGERPRINT);
    fs::remove_file(dir.path().join("chain")).expect("removed");
    assert!(certificates.reload().is_err());
    assert_eq!(certificates.fingerprint().to_string(), EC_FINGERPRINT);
}

#[test]
fn a_pair_that_arrives_in_two_steps_is_taken_with_the_second() {
    let Replaced { dir, certificates } = Replaced::new();
    fs::copy(fixture("rsa.crt"), dir.path().join("chain")).expect("copies");
    assert!(certificates.reload_if_changed().is_err());
    assert_eq!(
        certificates.reload_if_changed().expect("reported once"),
        Reloaded::Unchanged
    );
    fs::copy(fixture("rsa-pkcs1.key"), dir.path().join("key")).expect("copies");
    let reloaded = certificates.reload_if_changed().expect("a pair");
    assert!(matches!(reloaded, Reloaded::Replaced { .. }));
}

#[test]
fn an_expired_certificate_is_served_and_its_end_is_known() {
    let dir = tempfile::tempdir().expect("a folder");
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let certificate = params.self_signed(&key).expect("signed");
    fs::write(dir.path().join("chain"), certificate.pem()).expect("writes");
    fs::write(dir.path().join("key"), key.serialize_pem()).expect("writes");
    let source = CertificateSource::Files {
        chain: dir.path().join("chain"),
        key: dir.path().join("key"),
        password: None,
    };
    let certificates = load(source).expect("a pair");
    assert_eq!(certificates.expires(), UnixMillis(1_609_459_200_000));
}

#[test]
fn sessions_are_not_resumed() {
    let dir = tempfile::tempdir().expect("a folder");
    let certificates = Arc::new(load(generated(&dir, &[])).expect("made"));
    let config = server_config(&certificates, TlsVersion::V1_3).expect("settings");
    assert_eq!(config.send_tls13_tickets, 0);
    assert!(!config.session_storage.can_cache());
    assert!(!config.ticketer.enabled());
    assert_eq!(config.max_early_data_size, 0);
}
