//! The real HAProxy with the configuration that operators use (`ops/deploy/haproxy`), in front of our own nodes.
//!
//! Invariant: only addresses and what needs root are other than in that file: variables of the environment take
//! the place of the first, lines that begin with one of [`NEEDS_ROOT`] are left out.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::nodes::COUNT;
use crate::root::Root;
use crate::server::free_addresses;
use crate::stopwatch::Stopwatch;

/// What operators use.
const CONFIGURATION: &str = "ops/deploy/haproxy/haproxy.cfg";

/// What only the test adds.
const FOR_THE_LOAD: &str = "ops/xtask/src/balancer/load.cfg";

/// What HAProxy can do only as root. Tests run as anybody.
const NEEDS_ROOT: [&str; 3] = ["user ", "group ", "chroot "];

/// How long HAProxy may take to see what became of a node: it looks once a second, on a slow day less often.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// How long it may take to answer on its control port.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// How often we look at what it sees.
const POLL: Duration = Duration::from_millis(50);

/// A running HAProxy. It ends with this.
pub(super) struct Haproxy {
    child: Child,
    log: PathBuf,
    clients: SocketAddr,
    control: SocketAddr,
    goes_on: SocketAddr,
}

impl Haproxy {
    /// Starts it in front of `nodes`. The configuration has to be one that HAProxy takes as it is.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong, or HAProxy does not start.
    pub(super) fn start(
        root: &Root,
        folder: &Path,
        nodes: [SocketAddr; COUNT],
    ) -> anyhow::Result<Self> {
        accepted(root)?;
        let whole = root.join(CONFIGURATION);
        let whole = fs::read_to_string(&whole).context("no configuration of HAProxy's")?;
        let own = folder.join("haproxy.cfg");
        fs::write(&own, as_anybody(&whole)).context("cannot write HAProxy's configuration")?;
        let log_path = folder.join("haproxy.log");
        let log = File::create(&log_path).context("cannot write HAProxy's log")?;
        let [clients, control, goes_on] = free_addresses()?;
        let mut command = root.command("haproxy");
        command.arg("-db").arg("-f").arg(&own);
        command.arg("-f").arg(root.join(FOR_THE_LOAD));
        for (number, node) in nodes.iter().enumerate() {
            command.env(format!("ROOKERY_NODE{}", number + 1), node.to_string());
        }
        let child = command
            .env("ROOKERY_CLIENTS", clients.to_string())
            .env("ROOKERY_CONTROL", format!("ipv4@{control}"))
            .env("ROOKERY_GOES_ON", goes_on.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot write HAProxy's log")?)
            .stderr(log)
            .spawn()
            .context("haproxy cannot be started")?;
        Ok(Self {
            child,
            log: log_path,
            clients,
            control,
            goes_on,
        })
    }

    /// Where clients reach the nodes.
    pub(super) fn clients(&self) -> SocketAddr {
        self.clients
    }

    /// What says whether the load goes on.
    pub(super) fn goes_on(&self) -> String {
        format!("http://{}/", self.goes_on)
    }

    /// From here on it does not.
    ///
    /// # Errors
    ///
    /// If HAProxy does not do it.
    pub(super) fn end_load(&self) -> anyhow::Result<()> {
        let said = self.ask("disable server load/goes_on")?;
        ensure!(said.trim().is_empty(), "HAProxy ends no load: {said}");
        Ok(())
    }

    /// Waits until HAProxy sends clients to this node, or sends none.
    ///
    /// # Errors
    ///
    /// If it does not come to that.
    pub(super) fn until(&mut self, node: usize, takes: bool) -> anyhow::Result<()> {
        let name = format!("node{node}");
        self.wait(
            &format!("node {node} to be {}", if takes { "up" } else { "down" }),
            |stats| {
                let status = column(stats, &name, "status");
                status.is_some_and(|status| status.starts_with("UP") == takes)
            },
        )
    }

    /// Waits until so many clients are connected.
    ///
    /// # Errors
    ///
    /// If they do not come.
    pub(super) fn until_connected(&mut self, count: usize) -> anyhow::Result<()> {
        self.wait(&format!("{count} clients"), |stats| {
            let connected = column(stats, "FRONTEND", "scur");
            let connected = connected.and_then(|text| text.parse().ok());
            connected.is_some_and(|connected: usize| connected >= count)
        })
    }

    fn wait(&mut self, what: &str, is: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let watch = Stopwatch::start();
        loop {
            if let Some(status) = self.child.try_wait().context("HAProxy cannot be watched")? {
                bail!("HAProxy ended ({status})\n{}", self.said());
            }
            // It does not listen at once.
            if self
                .ask("show stat clients,nodes")
                .is_ok_and(|stats| is(&stats))
            {
                return Ok(());
            }
            ensure!(
                watch.elapsed() < SEEN_WITHIN,
                "HAProxy waits in vain for {what}\n{}",
                self.said()
            );
            thread::sleep(POLL);
        }
    }

    fn ask(&self, question: &str) -> anyhow::Result<String> {
        let mut control = TcpStream::connect(self.control).context("HAProxy is not there")?;
        control.set_read_timeout(Some(ANSWERS_WITHIN))?;
        writeln!(control, "{question}")?;
        let mut answer = String::new();
        control.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// All that it said: a line for each connection and for each change of a node.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes sure that HAProxy takes the configuration as it lies there.
fn accepted(root: &Root) -> anyhow::Result<()> {
    let mut check: Command = root.command("haproxy");
    let checked = check.args(["-c", "-f", CONFIGURATION]).output();
    let checked = checked.context("haproxy cannot be started")?;
    let said = String::from_utf8_lossy(&checked.stderr);
    ensure!(
        checked.status.success() && !said.contains("[WARNING]"),
        "HAProxy does not take {CONFIGURATION}:\n{said}"
    );
    Ok(())
}

/// A configuration without what needs root.
fn as_anybody(whole: &str) -> String {
    let needs_root = |line: &&str| {
        let line = line.trim_start();
        NEEDS_ROOT.iter().any(|word| line.starts_with(word))
    };
    let lines = whole.split_inclusive('\n');
    lines.filter(|line| !needs_root(line)).collect()
}

/// A column of the row of `name`, in what `show stat` answers.
fn column<'a>(stats: &'a str, name: &str, column: &str) -> Option<&'a str> {
    let mut lines = stats.lines();
    let titles: Vec<_> = lines.next()?.trim_start_matches("# ").split(',').collect();
    let place = |title| titles.iter().position(|found| *found == title);
    let (of_name, of_column) = (place("svname")?, place(column)?);
    let mut rows = lines.map(|line| line.split(',').collect::<Vec<_>>());
    let row = rows.find(|row| row.get(of_name) == Some(&name))?;
    row.get(of_column).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str =
        "# pxname,svname,scur,status,\nclients,FRONTEND,12,OPEN,\nnodes,node1,4,UP 1/2,\n";

    #[test]
    fn what_haproxy_sees_is_read_by_the_names_of_its_columns() {
        assert_eq!(column(STATS, "node1", "status"), Some("UP 1/2"));
        assert_eq!(column(STATS, "FRONTEND", "scur"), Some("12"));
        assert_eq!(column(STATS, "node2", "status"), None);
        assert_eq!(column(STATS, "node1", "colour"), None);
        assert_eq!(column("", "node1", "status"), None);
    }

    #[test]
    fn only_what_needs_root_is_left_out() {
        let whole = "global\n    user haproxy\n    log stderr\n    chroot /x\n    # user z\n";
        assert_eq!(as_anybody(whole), "global\n    log stderr\n    # user z\n");
    }
}
