//! `rookery serve`: from flags to a server that runs, until somebody asks it to stop.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use cluster_runtime::TaskKind;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, StartError};
use crate::cli::{EXIT_IO, EXIT_SOFTWARE, EXIT_UNAVAILABLE, EXIT_USAGE, ServeOptions};
use crate::config::Config;
use crate::greeting::Greeting;
use crate::logging;

/// How often what is over is removed from the store. Nothing depends on it but size.
const UPKEEP_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the server until SIGTERM or ctrl-c. Returns the code to exit with.
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
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, EXIT_SOFTWARE),
    };
    match runtime.block_on(run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = match error {
                StartError::Listen { .. } => EXIT_UNAVAILABLE,
                StartError::DataDir { .. }
                | StartError::Open(_)
                | StartError::Store(_)
                | StartError::Certificate(_) => EXIT_IO,
                StartError::Hash(_) | StartError::Gateway(_) | StartError::Sessions(_) => {
                    EXIT_SOFTWARE
                }
            };
            fail(&error, code)
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is what a person reads")]
fn fail(error: &dyn Error, code: u8) -> ExitCode {
    eprintln!("rookery: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::from(code)
}

async fn run(config: Config) -> Result<(), StartError> {
    let app = App::start(config).await?;
    greet(&app).await?;
    keep_up(&app);
    wait_for_stop(&app).await;
    let stopped = app.stop().await;
    tracing::info!(
        connections_cut = stopped.connections_cut,
        tasks_left = stopped.tasks_left,
        "stopped"
    );
    Ok(())
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
        fingerprint: app.gateway().certificates().fingerprint().to_string(),
        generated: app.config.tls_cert.is_none(),
        invitation: invitation.map(|secret| secret.reveal()),
    };
    println!("{greeting}");
    Ok(())
}

/// Removes what is over, now and then.
fn keep_up(app: &App) {
    let (accounts, stopping) = (app.accounts.clone(), app.tasks.stopping().clone());
    app.tasks.spawn(TaskKind::Housekeeping, "accounts: upkeep", async move {
        let pause = || tokio::time::sleep(UPKEEP_EVERY);
        loop {
            if let Err(error) = accounts.remove_expired().await {
                tracing::warn!(%error, "what is over could not be removed; tried again tomorrow");
            }
            if stopping.run_until_cancelled(pause()).await.is_none() {
                return;
            }
        }
    });
}

/// Waits for a reason to stop: ctrl-c, SIGTERM, or a vital task that failed. SIGHUP reloads the
/// certificate meanwhile.
async fn wait_for_stop(app: &App) {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        tracing::error!("signals cannot be received; only kill -9 stops this process");
        app.tasks.stopping().cancelled().await;
        return;
    };
    loop {
        tokio::select! {
            biased;
            () = app.tasks.stopping().cancelled() => {
                tracing::error!("stopping, since a vital task has failed");
                return;
            }
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            _ = hangup.recv() => reload(app).await,
        }
    }
}

async fn reload(app: &App) {
    let certificates = std::sync::Arc::clone(app.gateway().certificates());
    match tokio::task::spawn_blocking(move || certificates.reload()).await {
        Ok(Ok(reloaded)) => tracing::info!(?reloaded, "looked at the certificate"),
        Ok(Err(error)) => tracing::warn!(%error, "keeping the old certificate"),
        Err(panic) => tracing::error!(%panic, "looking at the certificate failed"),
    }
}
