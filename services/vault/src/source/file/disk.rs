//! A key file on its disk: who may read it, and how it is written so that it is whole at any moment.
//!
//! Invariant: the file under its name is one that was synced; what a crash leaves behind has another
//! name, and the next writer removes it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::format::{Contents, Malformed};
use crate::error::OpenError;
use crate::limits::KEY_FILE_BYTES_MAX;

/// For the owner alone.
const MODE: u32 = 0o600;

/// What others must not have.
const OTHERS: u32 = 0o077;

/// What the file says; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Contents>, OpenError> {
    let failed = |source| io(path, source);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Asked of the open file: under its name another one may lie by now.
    let about = file.metadata().map_err(failed)?;
    let mode = about.mode() & 0o7777;
    if mode & OTHERS != 0 {
        let path = path.to_owned();
        return Err(OpenError::KeyFileOpenToOthers { path, mode });
    }
    if about.len() > KEY_FILE_BYTES_MAX {
        let what = "makes it longer than any key file";
        return Err(malformed(path, Malformed { line: 1, what }));
    }
    let length = usize::try_from(about.len()).unwrap_or_default();
    // One byte more than there is, so that reading to the end does not grow it and leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(length + 64));
    match (&file).take(KEY_FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            let what = "is not text";
            return Err(malformed(path, Malformed { line: 1, what }));
        }
        Err(error) => return Err(failed(error)),
    }
    let contents = Contents::parse(&text).map_err(|wrong| malformed(path, wrong))?;
    Ok(Some(contents))
}

/// Makes the file. One that is there already stays, and this fails.
pub(crate) fn create(path: &Path, contents: &Contents) -> Result<(), OpenError> {
    let failed = |source| io(path, source);
    let new = written(path, contents).map_err(failed)?;
    // A link and not a renaming: that would take the place of a file that somebody else has just made.
    std::fs::hard_link(&new, path).map_err(failed)?;
    std::fs::remove_file(&new).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

/// Puts another file in its place. Where the name is a link, in the place of what it leads to: keys that were
/// put on another disk stay on it, and the link stays one.
pub(crate) fn replace(path: &Path, contents: &Contents) -> Result<(), OpenError> {
    let failed = |source| io(path, source);
    let path = &std::fs::canonicalize(path).map_err(failed)?;
    let new = written(path, contents).map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

/// The same name with `.new` behind it, written and synced.
fn written(path: &Path, contents: &Contents) -> std::io::Result<PathBuf> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let options = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&new);
    let mut file = options?;
    file.write_all(contents.text().as_bytes())?;
    file.sync_all()?;
    Ok(new)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

pub(crate) fn malformed(path: &Path, Malformed { line, what }: Malformed) -> OpenError {
    let path = path.to_owned();
    OpenError::KeyFileMalformed { path, line, what }
}

fn io(path: &Path, source: std::io::Error) -> OpenError {
    let path = path.to_owned();
    OpenError::KeyFileIo { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use cluster_types::{DeploymentId, Rng};

    use super::*;
    use crate::secret::{Generation, KeyBytes};

    fn contents() -> Contents {
        let mut contents = Contents::new(DeploymentId::from_bytes([1; 16]));
        let key = KeyBytes::random(&Rng::seeded(1));
        contents.keys.insert(Generation::FIRST, key);
        contents
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone_and_reads_back() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("keys");
        assert!(read(&path).expect("no file").is_none());
        create(&path, &contents()).expect("is made");
        let mode = std::fs::metadata(&path).expect("is there").mode();
        assert_eq!(mode & 0o7777, MODE);
        let found = read(&path).expect("reads").expect("is there");
        assert_eq!(found.keys.len(), 1);
        let left = std::fs::read_dir(folder.path()).expect("lists").count();
        assert_eq!(left, 1, "nothing else is left in the folder");
    }

    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let [path, link] = ["keys", "link"].map(|name| folder.path().join(name));
        create(&path, &contents()).expect("is made");
        std::os::unix::fs::symlink("keys", &link).expect("is made");
        let mut next = contents();
        let key = KeyBytes::random(&Rng::seeded(2));
        next.keys.insert(Generation::FIRST.next(), key);
        replace(&link, &next).expect("is replaced");
        let link = std::fs::symlink_metadata(&link).expect("is there");
        assert!(link.is_symlink());
        let found = read(&path).expect("reads").expect("is there");
        assert_eq!(found.keys.len(), 2);
        let left = std::fs::read_dir(folder.path()).expect("lists").count();
        assert_eq!(left, 2, "nothing else is left in the folder");
    }

    #[test]
    fn a_file_that_is_there_is_never_overwritten_by_a_first_one() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("keys");
        create(&path, &contents()).expect("is made");
        let before = std::fs::read(&path).expect("reads");
        let other = Contents::new(DeploymentId::from_bytes([2; 16]));
        create(&path, &other).expect_err("is refused");
        assert_eq!(std::fs::read(&path).expect("reads"), before);
        replace(&path, &contents()).expect("what a crash left behind is in nobody's way");
    }

    #[test]
    fn a_file_that_others_may_use_is_refused_with_the_command_that_helps() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("keys");
        create(&path, &contents()).expect("is made");
        for mode in [0o640, 0o604, 0o620, 0o601] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).expect("sets");
            let refused = read(&path).expect_err("is refused").to_string();
            let name = path.display();
            assert_eq!(
                refused,
                format!(
                    "the key file {name} is open to others (mode {mode:04o}): \
                     run `chmod 600 {name}`"
                )
            );
        }
    }
}
