//! What operators set, and what they are told about it.

use super::*;

fn flags(set: impl FnOnce(&mut ServeOptions)) -> ServeOptions {
    let mut options = ServeOptions::default();
    set(&mut options);
    options
}

fn nothing() -> [(String, String); 0] {
    []
}

fn variables<const N: usize>(set: [(&str, &str); N]) -> [(String, String); N] {
    set.map(|(name, text)| (name.to_owned(), text.to_owned()))
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
    let environment = variables([
        ("ROOKERY_LISTEN", "127.0.0.1:2"),
        ("ROOKERY_DATA_DIR", "environment"),
    ]);
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
    for part in [
        "4 mistakes",
        "--tls-key: is missing",
        "--tls-name: are for",
        "--tls-cert: certificate.pem does not open",
        "--log: ",
    ] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
}

#[test]
fn one_key_is_named_and_no_two() {
    let told = mistakes(&flags(|options| {
        options.key_file = Some("a.keys".to_owned());
        options.key_passphrase_file = Some("no/such.txt".to_owned());
        options.unsealed = true;
    }));
    for part in [
        "3 mistakes",
        "--key-file: cannot be used with key_passphrase_file",
        "--key-passphrase-file: no/such.txt does not open",
        "--unsealed: needs no key",
    ] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
    let told = mistakes(&flags(|options| {
        options.key_passphrase_previous_file = Some("Cargo.toml".to_owned());
    }));
    let part = "--key-passphrase-previous-file: is what key_passphrase_file replaces";
    assert!(told.contains(part), "{told}");
}

#[test]
fn mistakes_of_every_kind_are_told_together() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = "sign_in_tries = 0\nnope = 1\n[limits.connections]\nage_max = '1h'\n";
    std::fs::write(file.path(), text).expect("written");
    let options = flags(|options| {
        options.mistakes = vec!["--lisen: there is no such flag".to_owned()];
        options.config = Some(file.path().to_owned());
        options.tls_key = Some("no/such.pem".to_owned());
        options.tls_names = vec!["not a name".to_owned(), "worse still".to_owned()];
        options.web_origins = vec!["chat.example.org".to_owned()];
        options.tls_min = Some("1.1".to_owned());
    });
    let environment = variables([
        ("ROOKERY_SIGN_IN_TRY_EVERY", "0s"),
        ("ROOKERY_LOG", "loud=very=much"),
        ("ROOKERY_LIMITS__HTTP2__STREAMS_MAX", "many"),
    ]);
    let told = Config::from_sources(&options, environment).expect_err("mistakes");
    let told = told.to_string();
    for part in [
        "13 mistakes",
        "--lisen: there is no such flag",
        "nope in ",
        "--tls-min: `1.1` is none of",
        "ROOKERY_LIMITS__HTTP2__STREAMS_MAX: is ",
        "--tls-cert: is missing",
        "--tls-key: no/such.pem does not open",
        "--tls-name: `not a name`",
        "--tls-name: `worse still`",
        "--web-origin: `chat.example.org`",
        "sign_in_tries in ",
        "ROOKERY_SIGN_IN_TRY_EVERY: is no time",
        "ROOKERY_LOG: ",
        "limits.connections.age_jitter_max: has to be ",
    ] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
}

#[test]
fn a_file_that_does_not_read_hides_no_other_mistake() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "listen = ").expect("written");
    for path in [PathBuf::from("no/such.toml"), file.path().to_owned()] {
        let told = mistakes(&flags(|options| {
            options.config = Some(path);
            options.listen = Some("nowhere".to_owned());
        }));
        for part in ["2 mistakes", "--config: ", "--listen: "] {
            assert!(told.contains(part), "{part} is missing in:\n{told}");
        }
    }
}

#[test]
fn a_variable_is_read_as_what_its_key_is() {
    let environment = variables([
        ("ROOKERY_TLS_MIN", "1.2"),
        ("ROOKERY_TLS_NAMES", "chat.example.org, 192.0.2.7"),
        ("ROOKERY_WEB_ORIGINS", "[\"https://chat.example.org\"]"),
        ("ROOKERY_REFLECTION", "true"),
        ("ROOKERY_SIGN_IN_TRIES", "7"),
        ("ROOKERY_DATA_DIR", "2026"),
        ("ROOKERY_LIMITS__HTTP2__KEEPALIVE_EVERY", "1m"),
        (
            "ROOKERY_LIMITS__CALLS__ACCOUNT_RATE",
            "{per_second=7, burst=9}",
        ),
    ]);
    let config = Config::from_sources(&ServeOptions::default(), environment).expect("reads");
    assert_eq!(config.tls_min, TlsVersion::V1_2);
    assert_eq!(config.tls_names, ["chat.example.org", "192.0.2.7"]);
    assert_eq!(config.web_origins, ["https://chat.example.org"]);
    assert_eq!((config.reflection, config.sign_in_tries), (true, 7));
    assert_eq!(config.data_dir, PathBuf::from("2026"));
    assert_eq!(config.limits.http2.keepalive_every, Span::minutes(1));
    assert_eq!(config.limits.calls.account_rate.burst, 9);
}

#[test]
fn variables_that_others_set_are_no_mistakes() {
    let environment = variables([
        ("ROOKERY_PORT", "tcp://10.0.0.7:7443"),
        ("ROOKERY_PORT_7443_TCP_ADDR", "10.0.0.7"),
        ("ROOKERY_SERVICE_HOST", "10.0.0.7"),
        ("ROOKERY_SERVICE_PORT", "7443"),
        ("ROOKERY_SERVICE_PORT_GRPC", "7443"),
        ("ROOKERY_CLIENT_SERVER", "https://chat.example.org"),
        ("ROOKERY_CONFIG", "rookery.toml"),
        ("PATH", "/bin"),
    ]);
    let config = Config::from_sources(&ServeOptions::default(), environment);
    assert_eq!(config, Ok(Config::default()));
    let misspelt = variables([("ROOKERY_LISTN", "127.0.0.1:1")]);
    let told = Config::from_sources(&ServeOptions::default(), misspelt).expect_err("no such key");
    assert!(
        told.to_string()
            .contains("ROOKERY_LISTN: there is no such key"),
        "{told}"
    );
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

#[test]
fn a_store_of_no_kind_is_a_mistake_with_its_fix() {
    let told = mistakes(&flags(|options| options.store = Some("redis".to_owned())));
    assert!(
        told.contains("--store: ") && told.contains("embedded"),
        "{told}"
    );
}

#[cfg(not(feature = "foundationdb"))]
#[test]
fn a_cluster_without_its_client_is_a_mistake_that_says_how_to_build_it() {
    let store = "fdb:/etc/foundationdb/fdb.cluster";
    let told = mistakes(&flags(|options| options.store = Some(store.to_owned())));
    assert!(told.contains("--features foundationdb"), "{told}");
}

#[test]
fn a_node_among_others_is_told_what_it_lacks_by_the_names_of_its_settings() {
    let environment = variables([("ROOKERY_CLUSTER__LISTEN", "0.0.0.0:7444")]);
    let told = Config::from_sources(&ServeOptions::default(), environment);
    let told = told.expect_err("mistakes").to_string();
    for part in [
        "3 mistakes",
        "ROOKERY_CLUSTER__LISTEN: cannot be used with an embedded store",
        "cluster.address: is missing",
        "cluster.certificates: is missing",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
