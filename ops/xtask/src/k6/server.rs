//! A server of our own for a script: on a free port of this machine, with a data directory below
//! `target/`, gone when the script is over.
//!
//! Invariant: the server is killed and its data removed however the script ends. What it said is quoted
//! when something fails.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::root::Root;
use crate::stopwatch::Stopwatch;

/// How long a first start may take: it makes a key, a certificate and the store's file, in a debug build.
const START_MAX: Duration = Duration::from_secs(30);

/// How often the start is looked at.
const START_POLL: Duration = Duration::from_millis(50);

/// What an invitation begins with, and what it is made of.
const INVITATION: &str = "rk_i_";

/// Lines of the server's own words that an error quotes.
const LOG_LINES_QUOTED: usize = 15;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
    invitation: String,
}

impl Server {
    /// Starts `program` and waits until it takes connections and has printed its invitation.
    ///
    /// # Errors
    ///
    /// If it ends early, or is not ready in time.
    pub(crate) fn start(root: &Root, program: &Path, name: &str) -> anyhow::Result<Self> {
        let folder = root.scratch(&format!("k6-{name}"));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let address = free_address()?;
        let log =
            File::create(folder.join("server.log")).context("cannot write the server's log")?;
        let child = root
            .command(program)
            .args(["serve", "--listen", &address.to_string(), "--data-dir"])
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .stderr(log.try_clone().context("cannot write the server's log")?)
            .stdout(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut server = Self {
            child,
            folder,
            address,
            invitation: String::new(),
        };
        server.wait()?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The administrator's invitation, good once.
    pub(crate) fn invitation(&self) -> &str {
        &self.invitation
    }

    /// A folder that is removed with the server.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The last lines that the server wrote.
    pub(crate) fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_QUOTED)..].join("\n")
    }

    fn log(&self) -> String {
        fs::read(self.folder.join("server.log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let watch = Stopwatch::start();
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .context("the server cannot be watched")?
            {
                bail!("the server ended ({status})\n{}", self.log_end());
            }
            if let Some(invitation) = invitation_in(&self.log())
                && TcpStream::connect(self.address).is_ok()
            {
                self.invitation = invitation;
                return Ok(());
            }
            if watch.elapsed() > START_MAX {
                bail!(
                    "the server is not ready after {START_MAX:?}\n{}",
                    self.log_end()
                );
            }
            thread::sleep(START_POLL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port that was free a moment ago.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port on 127.0.0.1")?;
    listener
        .local_addr()
        .context("a bound socket has an address")
}

/// The first complete invitation in what the server printed, whatever stands around it.
fn invitation_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once(INVITATION)?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')?;
    Some(format!("{INVITATION}{}", &rest[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invitation_is_found_in_any_sentence() {
        let log = "listening\n  invitation: rk_i_aB-9_x  (once)\n";
        assert_eq!(invitation_in(log).as_deref(), Some("rk_i_aB-9_x"));
        assert_eq!(
            invitation_in("--invitation=rk_i_ab\n").as_deref(),
            Some("rk_i_ab")
        );
        assert_eq!(invitation_in("listening\n"), None);
    }

    #[test]
    fn a_line_that_is_still_being_written_is_not_taken() {
        assert_eq!(invitation_in("invitation: rk_i_aB"), None);
    }

    #[test]
    fn a_server_that_ends_at_once_is_quoted() {
        // A shell knows no script called `serve`, says so and ends.
        let error =
            Server::start(&Root::find(), Path::new("sh"), "ends-at-once").expect_err("no server");
        let text = error.to_string();
        assert!(
            text.contains("the server ended") && text.contains("serve"),
            "{text}"
        );
    }
}
