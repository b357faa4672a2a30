//! What operators set, and what they are told about it.

use figment::providers::Serialized;
use figment::value::Dict;

use super::*;

fn flags(set: impl FnOnce(&mut ServeOptions)) -> ServeOptions {
    let mut options = ServeOptions::default();
    set(&mut options);
    options
}

fn nothing() -> Serialized<Dict> {
    Serialized::globals(Dict::new())
}

fn mistakes(options: &ServeOptions) -> String {
    Config::from_sources(options, nothing())
        .expect_err("mistakes")
        .to_string()
}

#[test]
fn without_a_word_the_defaults_hold() {
    let config = Config::from_sources(&ServeOptions::default(), nothing()).expect("defaults work");
    assert_eq!(config, Config::default());
    assert!(
        config.listen.ip().is_loopback(),
        "reachable from outside only on purpose"
    );
}

#[test]
fn what_is_dumped_reads_back() {
    let mut config = Config::default();
    config.limits.http2.streams_max = 7;
    config.tls_names = vec!["chat.example.org".to_owned()];
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), config.to_toml().expect("TOML")).expect("written");
    let options = flags(|options| options.config = Some(file.path().to_owned()));
    assert_eq!(
        Config::from_sources(&options, nothing()).expect("reads"),
        config
    );
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = "listen = '127.0.0.1:1'\ndata_dir = 'file'\nlog = 'warn'\n";
    std::fs::write(file.path(), text).expect("written");
    let environment = Serialized::globals(Dict::from([
        ("listen".to_owned(), "127.0.0.1:2".into()),
        ("data_dir".to_owned(), "environment".into()),
    ]));
    let options = flags(|options| {
        options.config = Some(file.path().to_owned());
        options.listen = Some("127.0.0.1:3".to_owned());
    });
    let config = Config::from_sources(&options, environment).expect("works");
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data_dir, PathBuf::from("environment"));
    assert_eq!(config.log, "warn");
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = "password_policy = 'lax'\nnope = 1\n[limits.http2]\nstreams_max = 'many'\n";
    std::fs::write(file.path(), text).expect("written");
    let told = mistakes(&flags(|options| {
        options.config = Some(file.path().to_owned());
        options.listen = Some("nowhere".to_owned());
        options.tls_min = Some("1.1".to_owned());
    }));
    for part in [
        "5 mistakes",
        "--listen: ",
        "--tls-min: `1.1` is none of 1.2, 1.3",
        "password_policy in ",
        "`lax` is none of composed, nist",
        "nope in ",
        "there is no such key",
        "limits.http2.streams_max in ",
    ] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
}

#[test]
fn what_only_makes_sense_together_is_checked_together() {
    let told = mistakes(&flags(|options| {
        options.tls_cert = Some("certificate.pem".to_owned());
        options.tls_names = vec!["chat.example.org".to_owned()];
        options.log = Some("loud=very=much".to_owned());
    }));
    for part in ["tls_key: is missing", "tls_names: are for", "log: "] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
}

#[test]
fn a_file_that_is_not_there_or_does_not_read_is_named() {
    let told = mistakes(&flags(|options| {
        options.config = Some(PathBuf::from("no/such.toml"))
    }));
    assert!(told.contains("no/such.toml"), "{told}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "listen = ").expect("written");
    let told = mistakes(&flags(|options| {
        options.config = Some(file.path().to_owned())
    }));
    assert!(told.contains("line 1"), "{told}");
}
