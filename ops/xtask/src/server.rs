//! A server of our own, or several nodes in one process: on free ports of this machine, with a data directory
//! below `target/`, gone when the run is over.
//!
//! Invariant: the server is killed and its data removed however the run ends. What it said is quoted
//! when something fails.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
    /// `None`: what listens where is not known before it says so.
    address: Option<SocketAddr>,
    invitation: String,
}

impl Server {
    /// Starts `program` and waits until it takes connections and has printed its invitation.
    ///
    /// # Errors
    ///
    /// If it ends early, or is not ready in time.
    pub(crate) fn start(
        root: &Root,
        program: &Path,
        name: &str,
    ) -> anyhow::Result<(Self, SocketAddr)> {
        let [address] = free_addresses()?;
        let mut command = root.command(program);
        command.args(["serve", "--listen", &address.to_string()]);
        let server = Self::launch(root, command, name, Some(address))?;
        Ok((server, address))
    }

    /// Starts so many nodes on any ports, which take wishes on standard input.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub(crate) fn nodes(
        root: &Root,
        program: &Path,
        name: &str,
        count: usize,
    ) -> anyhow::Result<Self> {
        let mut command = root.command(program);
        command
            .args(["dev-cluster", "--listen", "127.0.0.1:0", "--nodes"])
            .arg(count.to_string())
            .stdin(Stdio::piped());
        Self::launch(root, command, name, None)
    }

    fn launch(
        root: &Root,
        mut command: Command,
        name: &str,
        address: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let folder = root.scratch(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let log =
            File::create(folder.join("server.log")).context("cannot write the server's log")?;
        if address.is_some() {
            command.stdin(Stdio::null());
        }
        let child = command
            .arg("--data-dir")
            .arg(folder.join("data"))
            .stderr(log.try_clone().context("cannot write the server's log")?)
            .stdout(log)
            .spawn()
            .context("the server cannot be started")?;
        let mut server = Self {
            child,
            folder,
            address,
            invitation: String::new(),
        };
        server.wait()?;
        Ok(server)
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    ///
    /// If it takes none.
    pub(crate) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.child.stdin.as_mut().context("it takes no wishes")?;
        writeln!(input, "{line}").context("the server has ended")
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

    /// All that it wrote.
    pub(crate) fn log(&self) -> String {
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
            let listens = |address| TcpStream::connect(address).is_ok();
            if let Some(invitation) = invitation_in(&self.log())
                && self.address.is_none_or(listens)
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

/// Ports that were free a moment ago, no two the same.
///
/// # Errors
///
/// If there are none.
pub(crate) fn free_addresses<const COUNT: usize>() -> anyhow::Result<[SocketAddr; COUNT]> {
    let mut held = Vec::new();
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); COUNT];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("no free port on 127.0.0.1")?;
        *address = listener
            .local_addr()
            .context("a bound socket has an address")?;
        held.push(listener);
    }
    Ok(addresses)
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
