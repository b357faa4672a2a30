//! Where the key lies, and what is said when it does not fit: the program as an operator meets it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use crate::backups;
use crate::process::{Process, refused};

/// `EX_IOERR`: a store or key that cannot be used.
const EXIT_IO: Option<i32> = Some(74);

/// Makes a store, and says what was printed.
async fn made(dir: &Path, flags: &[&str]) -> String {
    Process::start(dir, flags).await.kill();
    std::fs::read_to_string(dir.join("stdout")).expect("reads")
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).expect("writes");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, private).expect("sets");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_makes_a_key_file_for_its_owner_and_says_once_to_copy_it() {
    let dir = TempDir::new().expect("a folder");
    let first = made(dir.path(), &[]).await;
    let file = dir.path().join("data/rookery.keys");
    let mode = std::fs::metadata(&file).expect("is there").permissions();
    assert_eq!(mode.mode() & 0o7777, 0o600);
    let advice = format!("{}: keep a copy elsewhere", file.display());
    assert!(first.contains(&advice), "{first}");
    let second = made(dir.path(), &[]).await;
    assert!(!second.contains("keep a copy"), "{second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_its_key_or_with_another_does_not_start() {
    let (dir, other) = (TempDir::new(), TempDir::new());
    let (dir, other) = (dir.expect("a folder"), other.expect("a folder"));
    let keys = dir.path().join("elsewhere.keys");
    let keys = keys.to_str().expect("a path that is text");
    made(dir.path(), &["--key-file", keys]).await;
    made(other.path(), &[]).await;
    let foreign = other.path().join("data/rookery.keys");
    let foreign = foreign.to_str().expect("a path that is text");
    let cases: [(&[&str], &str); 3] = [
        (&[], "is missing, and what is stored opens with it only"),
        (&["--key-file", foreign], "belongs to deployment"),
        (&["--unsealed"], "sealed with a key file (--key-file)"),
    ];
    for (flags, told) in cases {
        let (code, said) = refused(dir.path(), flags, &[]);
        assert_eq!(code, EXIT_IO, "{said}");
        assert!(said.contains(told), "{said}");
    }
    std::fs::set_permissions(keys, std::fs::Permissions::from_mode(0o644)).expect("sets");
    let (code, said) = refused(dir.path(), &["--key-file", keys], &[]);
    assert_eq!(code, EXIT_IO, "{said}");
    assert!(said.contains(&format!("run `chmod 600 {keys}`")), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passphrase_from_a_file_opens_what_it_sealed_and_another_does_not() {
    let dir = TempDir::new().expect("a folder");
    let file = dir.path().join("passphrase.txt");
    let flags = ["--key-passphrase-file", file.to_str().expect("text")];
    write_private(&file, "a long walk by the river\n");
    made(dir.path(), &flags).await;
    assert!(!dir.path().join("data/rookery.keys").exists());
    write_private(&file, "a long walk by the river");
    made(dir.path(), &flags).await;
    write_private(&file, "a long walk by the lake\n");
    let (code, said) = refused(dir.path(), &flags, &[]);
    assert_eq!(code, EXIT_IO, "{said}");
    assert!(
        said.contains("is not the one that this store was sealed with"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_seals_nothing_says_so_at_each_start() {
    let dir = TempDir::new().expect("a folder");
    for _ in 0..2 {
        made(dir.path(), &["--unsealed"]).await;
        let said = std::fs::read_to_string(dir.path().join("stderr")).expect("reads");
        assert!(said.contains("nothing is sealed (--unsealed)"), "{said}");
    }
    let (code, said) = refused(dir.path(), &[], &[]);
    assert_eq!(code, EXIT_IO, "{said}");
    assert!(said.contains("is not sealed (--unsealed)"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_key_file_comes_back_and_opens_the_store() {
    let dir = TempDir::new().expect("a folder");
    let folder = dir.path();
    made(folder, &[]).await;
    let keygen = |file: &str| {
        let made = backups::done(folder, &format!("backup keygen --to {file}"));
        made["recipient"].as_str().expect("a recipient").to_owned()
    };
    let (ours, _others) = (keygen("ours.key"), keygen("others.key"));
    let export = format!("keys export --data-dir data --to keys.age --recipient {ours}");
    backups::done(folder, &export);
    let (code, said) = backups::refused(folder, &export);
    assert_eq!(code, 73, "what is there stays: {said}");

    let key_file = folder.join("data/rookery.keys");
    let before = std::fs::read(&key_file).expect("reads");
    let exported = std::fs::read(folder.join("keys.age")).expect("reads");
    let key = before.rsplit(|byte| *byte == b' ').next().expect("a key");
    let key = key.trim_ascii_end();
    assert!(key.len() == 43 && !exported.windows(43).any(|window| window == key));

    std::fs::remove_file(&key_file).expect("is lost");
    let import = "keys import --from keys.age --identity";
    let (code, said) = backups::refused(folder, &format!("{import} others.key --to back.keys"));
    assert_eq!(code, 65, "{said}");
    assert!(said.contains("encrypted to other recipients"), "{said}");
    backups::done(folder, &format!("{import} ours.key --to back.keys"));
    let back = folder.join("back.keys");
    assert_eq!(std::fs::read(&back).expect("reads"), before);
    let back = back.to_str().expect("a path that is text");
    made(folder, &["--key-file", back]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_that_is_none_is_not_exported() {
    let dir = TempDir::new().expect("a folder");
    let folder = dir.path();
    let recipient = backups::done(folder, "backup keygen --to ours.key")["recipient"].clone();
    let recipient = recipient.as_str().expect("a recipient");
    let export = format!("keys export --to keys.age --recipient {recipient} --key-file");
    let (code, said) = backups::refused(folder, &format!("{export} no.keys"));
    assert_eq!(code, 74, "{said}");
    let (code, said) = backups::refused(folder, &format!("{export} ours.key"));
    assert_eq!(code, 65, "another kind of key: {said}");
    assert!(!folder.join("keys.age").exists());
    let (code, said) = backups::refused(folder, "keys export --to keys.age --recipient me");
    assert_eq!(code, 64, "{said}");
}
