//! Where the repository is, and how a command is started in it.
//!
//! Invariant: children see the environment of the person who called, without what cargo added to
//! start this program; otherwise a nested cargo would take two different environments for a reason
//! to build twice.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, iter};

/// Variables that cargo sets for the program it runs, by their beginning.
const SET_BY_CARGO: [&str; 4] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_",
    "LD_LIBRARY_PATH",
];

/// The root of the repository.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    path: PathBuf,
    /// The folder in which this program lies, in a folder for its profile. Whatever says where cargo
    /// puts programs (a variable, a file of cargo's), it said so when this one was built.
    target: PathBuf,
    /// This program's path, as it was at the start: once the `build` step has put a new one there, the
    /// system calls the running one deleted.
    itself: Option<PathBuf>,
}

impl Root {
    /// The repository that this program was built from.
    pub(crate) fn find() -> Self {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let path = manifest.ancestors().nth(2).unwrap_or(&manifest).to_owned();
        let itself = env::current_exe().ok();
        let target = itself.as_deref().and_then(target_of);
        Self {
            itself,
            target: target.unwrap_or_else(|| path.join("target")),
            path,
        }
    }

    /// A file or folder of the repository.
    pub(crate) fn join(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.path.join(relative)
    }

    /// Where tools are installed that the machine does not have.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// A folder for something that is thrown away afterwards; no two runs share one.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.target
            .join("scratch")
            .join(format!("{name}-{}", std::process::id()))
    }

    /// A program of ours, built with `profile` (`debug` or `release`).
    pub(crate) fn program(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(name)
    }

    /// This program, or the one that was built in its place.
    pub(crate) fn itself(&self) -> PathBuf {
        let itself = self.itself.clone();
        itself.unwrap_or_else(|| self.program("debug", "xtask"))
    }

    /// A command in the root of the repository that finds the installed tools first.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.path);
        for (name, _) in env::vars_os() {
            if SET_BY_CARGO
                .iter()
                .any(|start| name.to_string_lossy().starts_with(start))
            {
                command.env_remove(name);
            }
        }
        if let Ok(path) = env::join_paths(self.search_path()) {
            command.env("PATH", path);
        }
        command
    }

    /// `cargo` with these arguments.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        command
    }

    fn search_path(&self) -> impl Iterator<Item = PathBuf> {
        let given = env::var_os("PATH").unwrap_or_default();
        let given: Vec<PathBuf> = env::split_paths(&given).collect();
        // Debian keeps daemons where only root looks.
        let daemons = PathBuf::from("/usr/sbin");
        iter::once(self.tools().join("bin"))
            .chain(given)
            .chain(iter::once(daemons))
    }
}

/// The target directory of a program in `target/PROFILE`, or of a test in `target/PROFILE/deps`.
fn target_of(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?;
    let profile = if folder.ends_with("deps") {
        folder.parent()?
    } else {
        folder
    };
    profile.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_where_this_one_was_built() {
        for program in ["/x/out/debug/xtask", "/x/out/debug/deps/xtask-0a1b"] {
            let target = target_of(Path::new(program));
            assert_eq!(target.as_deref(), Some(Path::new("/x/out")), "{program}");
        }
        let root = Root::find();
        let beside = root.itself().parent().map(Path::to_owned);
        let profile = root.program("debug", "x").parent().map(Path::to_owned);
        assert!(
            beside
                .zip(profile)
                .is_some_and(|(beside, profile)| beside.starts_with(profile))
        );
    }

    #[test]
    fn the_root_is_the_folder_of_the_workspace_manifest() {
        assert!(Root::find().join("ops/xtask/tools.txt").is_file());
    }

    #[test]
    fn children_do_not_see_what_cargo_set_for_this_program() {
        let command = Root::find().command("true");
        let removed: Vec<_> = command
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name)
            .collect();
        assert!(
            removed.iter().any(|name| *name == "CARGO_MANIFEST_DIR"),
            "{removed:?}"
        );
    }

    #[test]
    fn installed_tools_are_found_first() {
        let root = Root::find();
        assert_eq!(root.search_path().next(), Some(root.tools().join("bin")));
    }
}
