//! What is refused about a bucket, and who asks it.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn credentials(text: &str, mode: u32) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("writes");
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(file.path(), mode).expect("sets");
    file
}

fn bucket(file: &tempfile::NamedTempFile) -> S3Config {
    S3Config {
        bucket: Some("chat-files".to_owned()),
        endpoint: Some("http://127.0.0.1:9000".to_owned()),
        credentials_file: Some(file.path().to_owned()),
        ..S3Config::default()
    }
}

#[test]
fn every_mistake_about_a_bucket_is_found_at_once() {
    let keys = |config: &S3Config, has_folder| {
        let found = config.mistakes(has_folder).into_iter();
        found.map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&S3Config::default(), true), [""; 0]);
    let half = S3Config {
        endpoint: Some("http://s3.example.org".to_owned()),
        prefix: Some("/".to_owned()),
        ..S3Config::default()
    };
    assert_eq!(
        keys(&half, false),
        ["s3.bucket", "s3.endpoint", "s3.prefix"]
    );
    let file = credentials("", 0o600);
    assert_eq!(keys(&bucket(&file), false), [""; 0]);
    assert_eq!(keys(&bucket(&file), true), ["s3.bucket"]);
    let nobody = S3Config {
        credentials_file: None,
        ..bucket(&file)
    };
    assert_eq!(keys(&nobody, false), ["s3.credentials_file"]);
    for far in [
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "ftp://x",
    ] {
        let endpoint = Some(far.to_owned());
        let config = S3Config {
            endpoint,
            ..bucket(&file)
        };
        assert_eq!(keys(&config, false), ["s3.endpoint"], "{far}");
    }
}

#[test]
fn credentials_are_read_as_amazons_tools_have_them() {
    let text = "[default]\naws_access_key_id = ID\naws_secret_access_key=a/b+c=\n";
    assert_eq!(value(text, "aws_access_key_id"), Some("ID"));
    assert_eq!(value(text, "aws_secret_access_key"), Some("a/b+c="));
    assert_eq!(value(text, "aws_session_token"), None);
    let opened = bucket(&credentials(text, 0o600)).open().expect("opens");
    assert!(opened.is_some());
}

#[test]
fn credentials_that_lack_a_line_or_that_others_can_read_are_refused_by_name() {
    for (text, mode, told) in [
        ("aws_access_key_id = ID\n", 0o600, "aws_secret_access_key"),
        ("aws_access_key_id = \n", 0o600, "aws_access_key_id"),
        ("aws_access_key_id = ID\n", 0o644, "chmod 600"),
    ] {
        let file = credentials(text, mode);
        let error = bucket(&file).open().expect_err("is refused").to_string();
        assert!(error.contains(told), "{error}");
        assert!(
            error.contains(&file.path().display().to_string()),
            "{error}"
        );
        assert!(!error.contains("ID"), "{error}");
    }
    assert!(
        S3Config::default()
            .open()
            .expect("nothing to open")
            .is_none()
    );
}
