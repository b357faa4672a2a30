//! Servers as processes of their own, and what the kernel says about them.
//!
//! Invariant: a process is killed and reaped when its handle goes, whatever ended the run. One that ended
//! by itself never counts as killed.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Lines of a process's own words that an error quotes.
const LOG_LINES_QUOTED: usize = 15;

/// What resets the peak of a process's memory (proc_pid_clear_refs(5)).
const FORGET_PEAK: &str = "5";

/// What begins a variable that would configure the server behind our back.
const SERVER_VARIABLES: &str = "ROOKERY_";

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// What a process has used up to now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Usage {
    /// Time on processors, its threads together.
    pub(crate) processor: Duration,
    /// Memory that is in use now.
    pub(crate) resident_bytes: u64,
    /// The most that was in use at a time since it began, or since its peak was forgotten.
    pub(crate) peak_bytes: u64,
}

impl Process {
    /// Starts `command`. What it writes to standard error goes to `log`, standard output too unless the
    /// command says otherwise.
    ///
    /// # Errors
    /// If the log cannot be written, or there is no such program.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(SERVER_VARIABLES) {
                command.env_remove(name);
            }
        }
        let child = command
            .stderr(log_file(log)?)
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    /// Its standard input, once, if it was piped.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, once, if it was piped.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Makes sure that it has not ended by itself.
    ///
    /// # Errors
    /// If it has: how, and its last words.
    pub(crate) fn lives(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait();
        match ended.context("a process cannot be watched")? {
            None => Ok(()),
            Some(status) => bail!("the process ended by itself ({status})\n{}", self.log_end()),
        }
    }

    /// Kills it with signal 9, and waits until it is gone.
    ///
    /// # Errors
    /// If it had ended by itself, or cannot be waited for.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.lives()?;
        // It may end by itself in this very moment: how it ended says so.
        let _ = self.child.kill();
        let status = self.child.wait();
        let status = status.context("a killed process cannot be waited for")?;
        ensure!(
            status.signal() == Some(Signal::KILL.as_raw()),
            "the process ended by itself ({status})\n{}",
            self.log_end()
        );
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is gone.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // It was not waited for, so its number is not somebody else's.
        let id = Pid::from_child(&self.child);
        kill_process(id, signal)
            .with_context(|| format!("the process has ended\n{}", self.log_end()))
    }

    /// What it has used.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let read = |file: &str| {
            let text = fs::read_to_string(folder.join(file));
            text.with_context(|| format!("the process has ended\n{}", self.log_end()))
        };
        let ticks = rustix::param::clock_ticks_per_second();
        let processor = processor_time(&read("stat")?, ticks).context("no times of a process")?;
        let status = read("status")?;
        let bytes = |line| bytes_at(&status, line).context("no memory of a process");
        Ok(Usage {
            processor,
            resident_bytes: bytes("VmRSS:")?,
            peak_bytes: bytes("VmHWM:")?,
        })
    }

    /// From here on, its peak is that of what follows.
    ///
    /// # Errors
    /// If it has ended, or the kernel does not let go of it.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        fs::write(path, FORGET_PEAK).context("the peak of a process cannot be reset")
    }

    /// All that it wrote.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines that it wrote.
    pub(crate) fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_QUOTED)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What has ended by itself is gone already.
        let _ = self.kill();
    }
}

/// Where a process writes to, after what earlier ones wrote.
///
/// # Errors
/// If it cannot be opened.
pub(crate) fn log_file(log: &Path) -> anyhow::Result<Stdio> {
    let file = File::options().create(true).append(true).open(log);
    file.map(Stdio::from)
        .with_context(|| format!("cannot write {}", log.display()))
}

/// The time on processors, out of `/proc/PID/stat`: fields 14 and 15, in ticks.
fn processor_time(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    // The second field is the name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    let millis = ticks.checked_mul(1_000)?.checked_div(ticks_per_second)?;
    Some(Duration::from_millis(millis))
}

/// What a line of `/proc/PID/status` says.
fn bytes_at(status: &str, line: &str) -> Option<u64> {
    let line = status.lines().find_map(|found| found.strip_prefix(line))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_a_name_with_blanks_and_parentheses() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 8 0 100 1 1";
        assert_eq!(processor_time(stat, 100), Some(Duration::from_secs(3)));
        assert_eq!(processor_time("42 (x", 100), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t  100 kB\nVmRSS:\t   34 kB\n";
        assert_eq!(bytes_at(status, "VmRSS:"), Some(34 * 1024));
        assert_eq!(bytes_at(status, "VmHWM:"), Some(100 * 1024));
        assert_eq!(bytes_at("Name:\tx\n", "VmRSS:"), None);
    }

    #[test]
    fn a_peak_is_forgotten_when_it_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        // A shell that holds a megabyte or more, and lets go of it.
        let script = "x=$(head -c 3000000 /dev/zero | tr '\\0' x); x=; echo; read y";
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(command, &folder.path().join("log")).expect("a shell");
        let mut line = [0];
        let mut output = process.take_stdout().expect("piped");
        std::io::Read::read_exact(&mut output, &mut line).expect("it says so");
        let before = process.usage().expect("it lives");
        assert!(before.peak_bytes > before.resident_bytes);
        process.forget_peak().expect("Linux lets go of it");
        let after = process.usage().expect("it lives");
        assert!(after.peak_bytes < before.peak_bytes);
    }

    #[test]
    fn a_process_is_gone_with_its_handle() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let mut command = Command::new("sleep");
        command.arg("600");
        let process = Process::start(command, &log).expect("sleep is everywhere");
        let own = PathBuf::from(format!("/proc/{}", process.child.id()));
        assert!(own.exists() && process.usage().is_ok());
        drop(process);
        assert!(!own.exists());
    }

    #[test]
    fn a_process_that_ended_by_itself_was_not_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let start = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Process::start(command, &folder.path().join("log")).expect("sh is everywhere")
        };
        let mut living = start("exec sleep 600");
        living.lives().expect("it sleeps");
        living.kill().expect("it was alive");
        for script in ["echo the last words >&2; exit 3", "kill -9 $$"] {
            let mut dead = start(script);
            dead.child.wait().expect("it ends");
            let error = dead.kill().expect_err("it was dead").to_string();
            assert!(error.contains("by itself"), "{error}");
            assert!(error.contains("the last words"), "{error}");
            assert!(dead.lives().is_err());
        }
    }

    #[test]
    fn what_a_process_said_last_is_quoted() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "seq 100 >&2"]);
        let mut process = Process::start(command, &log).expect("sh is everywhere");
        process.child.wait().expect("it ends");
        let end = process.log_end();
        assert!(end.starts_with("86") && end.ends_with("100"), "{end}");
        assert!(process.usage().is_err());
    }
}
