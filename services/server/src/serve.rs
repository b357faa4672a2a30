//! `rookery serve`: from flags to a server that runs, until somebody asks it to stop.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use cluster_runtime::TaskKind;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, StartError};
use crate::cli::{EXIT_IO, EXIT_SOFTWARE, EXIT_UNAVAILABLE, EXIT_USAGE, ServeOptions};
use crate::config::Config;
use crate::greeting::Greeting;
use crate::{descriptors, logging};

/// How often what is over is removed from the store. Nothing depends on it but size.
const UPKEEP_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the store gets to let go where the server is to end at once.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Runs the server until SIGTERM or ctrl-c; a second one ends it at once. Returns the code to exit with.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what a person reads"
)]
pub fn serve(options: ServeOptions) -> ExitCode {
    let config = match Config::load(&options) {
        Ok(config) => config,
        Err(mistakes) => {
            eprintln!("rookery: {mistakes}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if options.dump_config {
        return match config.to_toml() {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error, EXIT_SOFTWARE),
        };
    }
    logging::start(&config);
    descriptors::raise(config.limits.connections.count_max);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, EXIT_SOFTWARE),
    };
    let ended = runtime.block_on(run(config));
    // What still runs was asked to end, and waiting for it would not be "at once".
    runtime.shutdown_background();
    match ended {
        Ok(Ended::Asked) => ExitCode::SUCCESS,
        Ok(ended @ (Ended::TaskFailed | Ended::AtOnce)) => {
            eprintln!("rookery: {ended}");
            ExitCode::from(ended.code())
        }
        Err(error) => fail(&error, code(&error)),
    }
}

/// How a server that had started came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    /// It was asked to stop, and did so in order.
    Asked,
    /// It was asked again before it had stopped.
    AtOnce,
    /// It could not do its work any more.
    TaskFailed,
}

impl Ended {
    fn code(self) -> u8 {
        match self {
            Self::Asked | Self::AtOnce => 0,
            Self::TaskFailed => EXIT_SOFTWARE,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "stopped",
            Self::AtOnce => "stopped at once, as asked twice; all that was acknowledged is kept",
            Self::TaskFailed => {
                "stopped, since a task that the server needs has failed; the log above says which"
            }
        })
    }
}

pub(crate) fn code(error: &StartError) -> u8 {
    match error {
        StartError::Listen { .. } | StartError::ListenForNodes { .. } | StartError::Join(_) => {
            EXIT_UNAVAILABLE
        }
        StartError::DataDir { .. }
        | StartError::Open(_)
        | StartError::Store(_)
        | StartError::Passphrase(_)
        | StartError::Vault(_)
        | StartError::Files(_)
        | StartError::Place(_)
        | StartError::Links(_)
        | StartError::Certificate(_) => EXIT_IO,
        #[cfg(feature = "foundationdb")]
        StartError::Cluster(_) => EXIT_IO,
        #[cfg(feature = "foundationdb")]
        StartError::Prefix(_) => EXIT_USAGE,
        StartError::Signals(_)
        | StartError::Hash(_)
        | StartError::Gateway(_)
        | StartError::Sessions(_) => EXIT_SOFTWARE,
    }
}

#[expect(clippy::print_stderr, reason = "this is what a person reads")]
pub(crate) fn fail(error: &dyn Error, code: u8) -> ExitCode {
    eprintln!("rookery: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::from(code)
}

async fn run(config: Config) -> Result<Ended, StartError> {
    // First, so that whoever asks during the start is heard.
    let mut signals = Signals::new().map_err(StartError::Signals)?;
    let app = tokio::select! {
        biased;
        // A start may wait, for a cluster that does not answer yet.
        () = signals.stop() => return Ok(Ended::Asked),
        app = App::start(config) => app?,
    };
    greet(&app).await?;
    keep_up(&app);
    let ended = serve_until_stop(&app, &mut signals).await;
    tracing::info!("stopping; ctrl-c or SIGTERM once more ends it at once");
    let stopped = tokio::select! {
        stopped = app.stop() => stopped,
        () = signals.stop() => {
            // A cluster's client must not be running when the process ends. What waits for the cluster
            // itself is not waited for.
            let _closed = tokio::time::timeout(CLOSE_WITHIN, app.store.close()).await;
            return Ok(Ended::AtOnce);
        }
    };
    tracing::info!(
        connections_cut = stopped.connections_cut,
        services_late = stopped.services_late,
        tasks_left = stopped.tasks_left,
        "stopped"
    );
    Ok(ended)
}

#[expect(clippy::print_stdout, reason = "this is what a person reads")]
async fn greet(app: &App) -> Result<(), StartError> {
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "rookery".to_owned());
    let invitation = app.first_invitation().await?;
    let greeting = Greeting {
        program: &program,
        address: app.gateway().local_addr(),
        data_dir: &app.config.data_dir,
        key_file_made: app.key_file_made.as_deref(),
        fingerprint: app.gateway().certificates().fingerprint().to_string(),
        generated: app.config.tls_cert.is_none(),
        invitation: invitation.map(|secret| secret.reveal()),
    };
    println!("{greeting}");
    Ok(())
}

/// Removes what is over, now and then.
fn keep_up(app: &App) {
    let (accounts, membership) = (app.node.accounts.clone(), app.node.membership.clone());
    let keep_up = async move {
        loop {
            membership.until_caretaker().await;
            if let Err(error) = accounts.remove_expired().await {
                tracing::warn!(%error, "what is over could not be removed; tried again tomorrow");
            }
            tokio::time::sleep(UPKEEP_EVERY).await;
        }
    };
    let stopping = app.tasks.stopping().clone();
    let until_stop = async move {
        let _stopped: Option<()> = stopping.run_until_cancelled(keep_up).await;
    };
    app.tasks
        .spawn(TaskKind::Housekeeping, "accounts: upkeep", until_stop);
}

/// What the system and the operator have to say.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for ctrl-c or SIGTERM.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for a reason to stop: ctrl-c, SIGTERM, or a vital task that failed. SIGHUP reloads the
/// certificate meanwhile.
async fn serve_until_stop(app: &App, signals: &mut Signals) -> Ended {
    loop {
        tokio::select! {
            biased;
            () = app.tasks.stopping().cancelled() => return Ended::TaskFailed,
            _ = signals.terminate.recv() => return Ended::Asked,
            _ = signals.interrupt.recv() => return Ended::Asked,
            _ = signals.hangup.recv() => reload(app).await,
        }
    }
}

async fn reload(app: &App) {
    let certificates = Arc::clone(app.gateway().certificates());
    match tokio::task::spawn_blocking(move || certificates.reload()).await {
        Ok(Ok(reloaded)) => tracing::info!(?reloaded, "looked at the certificate"),
        Ok(Err(error)) => {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, "keeping the old certificate");
        }
        Err(panic) => tracing::error!(%panic, "looking at the certificate failed"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_vital_task_that_fails_ends_the_server_with_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: dir.path().join("data"),
            ..Config::default()
        };
        let app = App::start(config).await.expect("starts");
        let mut signals = Signals::new().expect("a system that has them");
        app.tasks.spawn(TaskKind::Relay, "a test", async {
            panic!("as a defect would")
        });
        let ended = serve_until_stop(&app, &mut signals).await;
        assert_eq!(ended, Ended::TaskFailed);
        assert_eq!(ended.code(), EXIT_SOFTWARE);
        app.stop().await;
    }
}
