//! What is in the way when opening: each answer names the path and the way out.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::embedded::open::refused;

fn refusal(path: &Path) -> OpenError {
    Embedded::open(path, options()).expect_err("it must not open")
}

fn names(error: &OpenError, path: &Path, fix: &str) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(text.contains(fix), "{text}");
}

#[tokio::test]
async fn only_the_owner_may_look_into_what_was_made() {
    let folder = folder();
    let data_dir = folder.path().join("deep/data");
    let store = Embedded::open(&data_dir, options()).expect("opens");
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&data_dir), 0o700);
    assert_eq!(mode(&data_dir.join(FILE_NAME)), 0o600);
    drop(store);
}

#[tokio::test]
async fn a_store_in_use_is_not_opened_twice() {
    let folder = folder();
    let first = open(&folder);
    let error = refusal(folder.path());
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    names(&error, &folder.path().join(FILE_NAME), "stop that one");
    first.close().await;
    open(&folder);
}

#[test]
fn a_file_in_place_of_the_folder_is_named() {
    let folder = folder();
    let path = folder.path().join("data");
    std::fs::write(&path, "not a folder").expect("writes");
    let error = refusal(&path);
    assert!(
        matches!(error, OpenError::NotADirectory { .. }),
        "{error:?}"
    );
    names(&error, &path, "choose another --data-dir");
    let error = refusal(&path.join("below"));
    assert!(
        matches!(error, OpenError::NotADirectory { .. }),
        "{error:?}"
    );
}

#[test]
fn a_foreign_file_is_left_as_it_is() {
    let folder = folder();
    let path = folder.path().join(FILE_NAME);
    for content in [&b"Dear diary, today"[..], &[0; 100_000], &[0xab; 70_000]] {
        std::fs::write(&path, content).expect("writes");
        let error = refusal(folder.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        names(&error, &path, "restore it from a backup");
        assert_eq!(std::fs::read(&path).expect("reads"), content);
    }
}

#[test]
fn a_file_that_was_cut_off_while_being_made_is_made_again() {
    let folder = folder();
    std::fs::write(folder.path().join("rookery.redb.unfinished"), [7; 5_000]).expect("writes");
    std::fs::write(folder.path().join(FILE_NAME), b"").expect("writes");
    let store = Embedded::open(folder.path(), options()).expect("opens");
    let names = std::fs::read_dir(folder.path()).expect("reads").count();
    assert_eq!(names, 1, "nothing is left behind");
    drop(store);
}

#[test]
fn two_first_starts_do_not_make_two_stores() {
    let folder = folder();
    let directory = std::fs::File::open(folder.path()).expect("opens");
    directory.lock().expect("as the other start does");
    let error = refusal(folder.path());
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    drop(directory);
    Embedded::open(folder.path(), options()).expect("opens");
}

#[tokio::test]
async fn a_store_cut_short_is_refused() {
    let folder = folder();
    let store = open(&folder);
    for key in 0..2_000_u32 {
        let tx = store.begin().await.expect("begins");
        for part in 0..20_u8 {
            tx.set(&[&key.to_be_bytes()[..], &[part]].concat(), &[7; 100])
                .expect("sets");
        }
        if key % 500 == 499 {
            tx.commit().await.expect("commits");
        }
    }
    store.close().await;
    let path = folder.path().join(FILE_NAME);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("opens");
    let length = file.metadata().expect("is there").len();
    file.set_len(length / 2).expect("cuts");
    let error = refusal(folder.path());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[test]
fn refusals_of_the_operating_system_say_what_to_do() {
    let path = Path::new("/somewhere/rookery.redb");
    for kind in [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
    ] {
        let error = refused(path, kind.into());
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
        names(&error, path, "make it writable");
    }
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let error = refused(path, kind.into());
        assert!(matches!(error, OpenError::Full { .. }), "{error:?}");
        names(&error, path, "free some");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    // The root user writes everywhere, except where the kernel itself refuses.
    let error = refusal(Path::new("/proc/rookery-data"));
    names(&error, Path::new("/proc/rookery-data"), "/proc");
}
