//! Transfers, done: one file up or down, until it is there, refused, or given up.
//!
//! Invariant: a transfer that may still succeed is not ended but by whoever asked for it. One that was given
//! up leaves nothing on the server, and nothing of it on this machine.

use std::path::{Path, PathBuf};

use rookery_client::v1::StartUploadRequest;
use rookery_client::{Attached, Client, Error, Existing, Progress, discard_part, new_request_id};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::model::{Carried, Msg};
use super::paths;
use super::perform::Happened;
use super::transfers::Errand;
use crate::limits;

/// Ends when the other half is dropped: the transfer is given up.
pub(super) type GivenUp = oneshot::Receiver<std::convert::Infallible>;

/// Carries a file, and says how far it is and what came of it.
pub(super) async fn carry(
    client: Client,
    id: u64,
    errand: Errand,
    given_up: GivenUp,
    out: mpsc::Sender<Happened>,
) {
    let began = Instant::now();
    let mut told_at = None;
    let progress = |progress: Progress| {
        let is_due = told_at.is_none_or(|at: Instant| at.elapsed() >= limits::PROGRESS_EVERY);
        if is_due || progress.bytes == progress.total {
            told_at = Some(Instant::now());
            let moved = Msg::Moved(id, began.elapsed(), progress);
            // A screen that has so much to take in is told the next time.
            let _ = out.try_send(Happened::Msg(Box::new(moved)));
        }
    };
    let done = match errand {
        Errand::Send { room, path, .. } => {
            let sent = send(&client, &room, &paths::expanded(&path), given_up, progress).await;
            sent.map(Carried::Up)
        }
        Errand::Save { of, to } => match save(&client, &of, to, given_up, progress).await {
            // Whoever gave it up knows.
            Err(Error::Ended) => return,
            saved => saved.map(Carried::Down),
        },
    };
    // When the screen is gone, nobody wants to know.
    let _ = out
        .send(Happened::Msg(Box::new(Msg::Carried(id, done))))
        .await;
}

/// Sends a file up. Its name there.
async fn send(
    client: &Client,
    room: &str,
    path: &Path,
    given_up: GivenUp,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<String, Error> {
    let (display_name, size) = rookery_client::name_and_size(path).await?;
    let started = client.start_upload(StartUploadRequest {
        room: room.to_owned(),
        display_name,
        size,
        sha256: Vec::new(),
        request_id: new_request_id(),
    });
    let name = started.await?.name;
    let sent = async {
        loop {
            let sent = client.continue_upload_file(&name, path, &mut progress);
            match sent.await {
                Err(error) if error.is_transient() => sleep(limits::TICK).await,
                other => return other,
            }
        }
    };
    let sent = tokio::select! {
        biased;
        _ = given_up => Err(Error::Ended),
        sent = sent => sent,
    };
    if sent.is_err() {
        // What stays there all the same is swept a day later.
        let _ = client.delete_upload(&name).await;
    }
    sent.map(|_| name)
}

/// Saves a file under the first name that is free. Where.
async fn save(
    client: &Client,
    of: &Attached,
    to: Option<PathBuf>,
    mut given_up: GivenUp,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<PathBuf, Error> {
    let display_name = of.file.display_name.clone();
    let target = spawn_blocking(move || paths::target(to.as_deref(), &display_name)).await;
    // The runtime is going away.
    let target = target.map_err(|_| Error::Ended)?;
    let mut number = 1;
    loop {
        let path = paths::numbered(&target, number);
        let saved = async {
            let saved = client.save(of, &path, Existing::Keep, &mut progress).await;
            if saved.as_ref().is_err_and(Error::is_transient) {
                sleep(limits::TICK).await;
            }
            saved
        };
        let saved = tokio::select! {
            biased;
            _ = &mut given_up => {
                // What cannot be removed harms nobody, and is gone on with if the file is saved there again.
                let _ = discard_part(of, &path).await;
                return Err(Error::Ended);
            }
            saved = saved => saved,
        };
        match saved {
            Ok(()) => return Ok(path),
            Err(Error::Exists { .. }) if number < limits::NUMBERED_MAX => number += 1,
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error),
        }
    }
}
