//! What is refused about files, and what a folder is made of.

use std::fs::read_dir;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;

const FILE: &str = "00000000000000000000000000";

use super::*;

fn at(folder: PathBuf) -> Config {
    Config {
        files: FilesConfig {
            folder: Some(folder),
            ..FilesConfig::default()
        },
        ..Config::default()
    }
}

#[tokio::test]
async fn a_folder_is_made_for_its_owner_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = Config {
        data_dir: dir.path().join("data"),
        ..Config::default()
    };
    let objects = open(&config).await.expect("opens");
    let path = object_store::path::Path::from("file/0");
    let put = objects.put(&path, Bytes::from_static(b"sealed").into());
    put.await.expect("is put");
    let folder = dir.path().join("data/files");
    let mode = std::fs::metadata(&folder)
        .expect("is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(folder.join("file/0").is_file());
}

#[tokio::test]
async fn what_a_kill_left_half_written_is_removed_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let of_file = dir.path().join(FOLDER).join(FILE);
    let lost = dir.path().join(FOLDER).join("lost+found");
    for folder in [&of_file, &lost] {
        std::fs::create_dir_all(folder).expect("a folder");
        for name in ["0", "1#1", "12#30", "tail-9#2", "notes#1", "#"] {
            std::fs::write(folder.join(name), b"bytes").expect("writes");
        }
    }
    std::fs::write(dir.path().join(FOLDER).join("1#1"), b"somebody's").expect("writes");
    open(&at(dir.path().to_owned())).await.expect("opens");
    let left = |folder: &PathBuf| {
        let entries = read_dir(folder).expect("lists");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    assert_eq!(left(&of_file), ["#", "0", "notes#1"]);
    assert_eq!(left(&lost).len(), 6, "it is not ours to look into");
    assert!(dir.path().join(FOLDER).join("1#1").is_file());
}

/// The root of a file system has more in it than ours, which we may not even read.
#[tokio::test]
async fn files_lie_in_a_folder_of_their_own_and_nothing_else_is_listed() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("lost+found")).expect("a folder");
    let objects = open(&at(dir.path().to_owned())).await.expect("opens");
    for name in ["0", "17", "notes", "tail-65536"] {
        let path = object_store::path::Path::from(format!("{FILE}/{name}"));
        let put = objects.put(&path, Bytes::from_static(b"sealed").into());
        put.await.expect("is put");
    }
    let files = dir.path().join(FOLDER);
    std::fs::create_dir(files.join("lost+found")).expect("a folder");
    std::fs::write(files.join("lost+found/0"), b"found").expect("writes");
    let link = FILE.replace('0', "1").replacen('1', "0", 1);
    symlink(files.join(FILE), files.join(link)).expect("a link");
    for objects in [objects, look(&at(dir.path().to_owned())).expect("looks")] {
        let listed: Vec<_> = objects.list(None).try_collect().await.expect("lists");
        let mut names: Vec<_> = listed.iter().map(|o| o.location.to_string()).collect();
        names.sort();
        assert_eq!(
            names,
            ["0", "17", "tail-65536"].map(|name| format!("{FILE}/{name}"))
        );
        assert!(listed.iter().all(|object| object.size == 6));
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("taken");
    std::fs::write(&file, b"by a file").expect("writes");
    for folder in [file.clone(), file.join("below")] {
        let error = open(&at(folder.clone())).await.expect_err("is refused");
        let text = error.to_string();
        assert!(text.contains(&folder.display().to_string()), "{text}");
        assert!(text.contains("files.folder"), "{text}");
    }
}

#[test]
fn every_mistake_about_files_is_found_at_once() {
    let config = FilesConfig {
        size_max: ByteCount::bytes(0),
        refused_types: vec!["application/zip".to_owned(), "Program".to_owned()],
        ..FilesConfig::default()
    };
    let keys: Vec<_> = config.mistakes().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["size_max", "refused_types"]);
    let config = FilesConfig {
        size_max: ByteCount::bytes(FILE_BYTES_MAX + 1),
        ..config
    };
    let found = config.mistakes();
    let keys: Vec<_> = found.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["size_max", "account_quota", "refused_types"]);
    let text = &found[1].1;
    assert!(text.contains("20GiB"), "{text}");
    assert!(text.contains("files.size_max"), "{text}");
    let config = FilesConfig {
        account_quota: FilesConfig::default().size_max,
        ..FilesConfig::default()
    };
    assert_eq!(config.mistakes(), [], "one file of the largest size fits");
    assert_eq!(FilesConfig::default().mistakes(), []);
    for text in ["zip", "/zip", "a/", "a b/c", "Image/png", "a/b/c"] {
        assert!(!is_media_type(text), "{text}");
    }
    assert!(is_media_type("application/vnd.ms-excel"));
}
