//! What is refused about files, and what a folder is made of.

use std::os::unix::fs::PermissionsExt as _;

use bytes::Bytes;
use object_store::ObjectStoreExt as _;

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
    let of_file = dir.path().join("0123");
    std::fs::create_dir(&of_file).expect("a folder");
    for name in ["0", "1#1", "12#30", "notes#1", "#"] {
        std::fs::write(of_file.join(name), b"bytes").expect("writes");
    }
    std::fs::write(dir.path().join("1#1"), b"somebody's").expect("writes");
    open(&at(dir.path().to_owned())).await.expect("opens");
    let mut left: Vec<_> = read_dir(&of_file)
        .expect("lists")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["#", "0", "notes#1"]);
    assert!(dir.path().join("1#1").is_file());
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
    assert_eq!(FilesConfig::default().mistakes(), []);
    for text in ["zip", "/zip", "a/", "a b/c", "Image/png", "a/b/c"] {
        assert!(!is_media_type(text), "{text}");
    }
    assert!(is_media_type("application/vnd.ms-excel"));
}
