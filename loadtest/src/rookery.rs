//! A `rookery` server of our own: found beside this program, on a port and in a folder of its own,
//! killed and started again on demand.
//!
//! Invariant: the server runs with the limits of the edge raised to what one address with thousands of
//! clients needs, and otherwise as it is shipped. What is changed stands in [`LIMITS`].

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use cluster_types::Rng;
use rookery_client::{Client, KnownServers, Server, Trust, Tuning};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::folder;
use crate::limits::{START_MAX, START_POLL};
use crate::process::{Process, Usage, log_file};

/// The program, and the package that builds it.
const PROGRAM: &str = "rookery";

/// What there is to say where a server is asked for something between its kill and its next start.
const NOT_RUNNING: &str = "the server does not run";

/// What an invitation begins with.
const INVITATION: &str = "rk_i_";

/// Where servers listen. Linux gives clients ports from 32,768 on.
const SERVER_PORTS: Range<u16> = 20_000..32_000;

/// Ports that are tried before we believe that none is free.
const PORTS_TRIED: usize = 100;

/// A load generator is thousands of people behind one address, and sends faster than people type. These
/// are the limits that exist to stop exactly that; all others are as they are shipped.
pub(crate) const LIMITS: &str = "\
log = \"warn\"
sign_in_tries = 1000000

[limits.connections]
unauthenticated_max = 20000
unauthenticated_per_address_max = 20000
authenticated_per_account_max = 100000
unauthenticated_calls_max = 1000000
authenticate_within = \"10m\"

[limits.calls]
account_rate = { per_second = 10000000, burst = 10000000 }
address_rate = { per_second = 1000000, burst = 1000000 }
handlers_max = 20000
";

/// A running server and its folder.
#[derive(Debug)]
pub(crate) struct Rookery {
    // Before the folder, so that it is gone when the folder goes.
    process: Option<Process>,
    program: PathBuf,
    address: SocketAddr,
    invitation: String,
    folder: TempDir,
}

impl Rookery {
    /// Starts the server for the first time, and waits until it takes connections.
    ///
    /// # Errors
    /// If it is not there, ends early, or is not ready in time.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_with("").await
    }

    /// As [`Rookery::start`], with its history in `store` (`fdb:CLUSTER_FILE`), in a part of its own.
    ///
    /// # Errors
    /// As [`Rookery::start`].
    pub(crate) async fn start_on(store: Option<&str>) -> anyhow::Result<Self> {
        let settings = store.map_or_else(String::new, |store| {
            let part = u64::from_be_bytes(Rng::from_os().bytes());
            format!("store = \"{store}\"\nfdb = {{ prefix = \"load-{part:016x}\" }}\n")
        });
        Self::start_with(&settings).await
    }

    /// As [`Rookery::start`], of a server that seals nothing: what sealing costs is the difference.
    ///
    /// # Errors
    /// As [`Rookery::start`].
    pub(crate) async fn start_unsealed() -> anyhow::Result<Self> {
        Self::start_with("unsealed = true\n").await
    }

    async fn start_with(settings: &str) -> anyhow::Result<Self> {
        let mut rookery = Self::prepare(settings)?;
        rookery.launch().await?;
        rookery.invitation = rookery.first_invitation().await?;
        Ok(rookery)
    }

    /// A server that has its folder and its port, and does not run yet.
    ///
    /// # Errors
    /// If it is not there, or its configuration cannot be written.
    pub(crate) fn prepare(settings: &str) -> anyhow::Result<Self> {
        let folder = folder::new()?;
        fs::write(
            folder.path().join("limits.toml"),
            format!("{settings}{LIMITS}"),
        )
        .context("cannot write the server's configuration")?;
        Ok(Self {
            process: None,
            program: program()?,
            address: free_address()?,
            invitation: String::new(),
            folder,
        })
    }

    /// Kills the server with signal 9.
    ///
    /// # Errors
    /// If it does not run: what died by itself was not killed.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context(NOT_RUNNING)?;
        process.kill()
    }

    /// Has the server stand still where it is, as SIGSTOP does.
    ///
    /// # Errors
    /// If it does not run.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.process()?.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If it does not run.
    pub(crate) fn go_on(&mut self) -> anyhow::Result<()> {
        self.process()?.signal(Signal::CONT)
    }

    /// The last lines that it wrote.
    pub(crate) fn log_end(&self) -> String {
        let process = self.process.as_ref();
        process.map(Process::log_end).unwrap_or_default()
    }

    /// Kills the server and starts it again.
    ///
    /// # Errors
    /// As [`Rookery::kill`] and [`Rookery::start`].
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.launch().await
    }

    /// Makes sure that the server has not ended by itself.
    ///
    /// # Errors
    /// If it does not run: how it ended, and its last words.
    pub(crate) fn lives(&mut self) -> anyhow::Result<()> {
        self.process.as_mut().context(NOT_RUNNING)?.lives()
    }

    /// Starts the server again, on the port and the data that it had, and waits until it takes
    /// connections.
    ///
    /// # Errors
    /// As [`Rookery::start`].
    pub(crate) async fn launch(&mut self) -> anyhow::Result<()> {
        let log = self.folder.path().join("server.log");
        let mut command = Command::new(&self.program);
        command
            .arg("serve")
            .args(["--listen", &self.address.to_string(), "--data-dir"])
            .arg(self.folder.path().join("data"))
            .arg("--config")
            .arg(self.folder.path().join("limits.toml"))
            .stdin(Stdio::null())
            .stdout(log_file(&log)?);
        let mut process = Process::start(command, &log)?;
        let began = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            process.lives()?;
            ensure!(
                began.elapsed() < START_MAX,
                "the server takes no connections after {START_MAX:?}\n{}",
                process.log_end()
            );
            sleep(START_POLL).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// The first administrator's invitation, good once.
    pub(crate) fn invitation(&self) -> &str {
        &self.invitation
    }

    /// The server for the SDK, with connections as `tuning` says.
    ///
    /// # Errors
    /// If its certificate cannot be remembered.
    pub(crate) fn server(&self, tuning: Tuning) -> anyhow::Result<Server> {
        let known = KnownServers::open(self.folder.path().join("known_servers"))?;
        Ok(server(self.address, known, tuning)?)
    }

    /// The program, to run another command of it in the server's folder.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path());
        command
    }

    /// Where the server keeps its data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where the server listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From here on, the peak of the server's memory is that of what follows, until it is started again.
    ///
    /// # Errors
    /// If it does not run.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        self.process()?.forget_peak()
    }

    /// What the server has used.
    ///
    /// # Errors
    /// If it does not run.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        self.process()?.usage()
    }

    /// What the server prints a moment after it takes connections, while there is no administrator.
    ///
    /// # Errors
    /// If it does not.
    pub(crate) async fn first_invitation(&self) -> anyhow::Result<String> {
        let began = Instant::now();
        loop {
            let process = self.process()?;
            if let Some(invitation) = invitation_in(&process.log()) {
                return Ok(invitation);
            }
            ensure!(
                began.elapsed() < START_MAX,
                "the server printed no invitation for its first administrator\n{}",
                process.log_end()
            );
            sleep(START_POLL).await;
        }
    }

    fn process(&self) -> anyhow::Result<&Process> {
        self.process.as_ref().context(NOT_RUNNING)
    }
}

/// A server on this machine that is believed at first sight: we have just started it.
pub(crate) fn server(
    address: SocketAddr,
    known: KnownServers,
    tuning: Tuning,
) -> Result<Server, rookery_client::Error> {
    Client::builder(format!("https://{address}"))
        .trust(Trust::first_use(known, |_, _| true))
        .tuning(tuning)
        .build()
}

/// The server's program, beside our own.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let path = own.with_file_name(PROGRAM);
    ensure!(
        path.is_file(),
        "there is no {}: build it with `cargo build --release -p services-server`",
        path.display()
    );
    Ok(path)
}

/// A port that was free a moment ago, below those that the system gives to clients: while the server is
/// away, thousands of clients try to connect, and one whose own port is the server's would connect to
/// itself and keep the port from the server.
///
/// # Errors
/// If none is.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let rng = Rng::from_os();
    let ports = u64::from(SERVER_PORTS.end - SERVER_PORTS.start);
    let candidates = (0..PORTS_TRIED).map(|_| {
        let offset = u16::try_from(rng.below(ports)).unwrap_or(0);
        SocketAddr::from(([127, 0, 0, 1], SERVER_PORTS.start + offset))
    });
    let free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    candidates
        .into_iter()
        .find(free)
        .context("no free port on 127.0.0.1")
}

/// The first invitation in what the server printed, whatever stands around it.
pub(crate) fn invitation_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once(INVITATION)?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')?;
    Some(format!("{INVITATION}{}", &rest[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_is_given_the_port_of_a_server() {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
        let range = range.expect("Linux says which ports clients get");
        let first = range.split_ascii_whitespace().next();
        let first: u16 = first.and_then(|port| port.parse().ok()).expect("a port");
        assert!(SERVER_PORTS.end <= first);
        let port = free_address().expect("a free port").port();
        assert!(SERVER_PORTS.contains(&port));
    }

    #[test]
    fn the_invitation_is_found_in_any_sentence() {
        let log = "Be the first:\n\n  rookery chat --invitation rk_i_aB-9_x\n\nThen\n";
        assert_eq!(invitation_in(log).as_deref(), Some("rk_i_aB-9_x"));
        assert_eq!(invitation_in("Rookery serves https://127.0.0.1:1"), None);
    }
}
