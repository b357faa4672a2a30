//! `rookery admin keys`: replacing the key that all stored data is sealed under, and watching that.

use indicatif::{ProgressBar, ProgressStyle};
use rookery_client::Client;
use rookery_client::v1::KeyRotation;
use rookery_client::v1::key_rotation::State;
use serde_json::{Value, json};

use super::Found;
use crate::args::KeysCommand;
use crate::exit::Failure;
use crate::limits::WATCH_EVERY;

/// Done, of how many, and how long it will take.
const BAR: &str = "{wide_bar} {pos}/{len} keys, {per_sec}, {eta} left";

/// The same where nobody knows of how many.
const SPINNER: &str = "{spinner} {pos} keys, {per_sec}";

pub(super) async fn keys(client: &Client, command: KeysCommand) -> Result<Found, Failure> {
    let mut rotation = match command {
        KeysCommand::Rotate { .. } => client.rotate_keys().await?,
        KeysCommand::Status => client.key_rotation().await?,
    };
    if let KeysCommand::Rotate { watch: true } = command {
        rotation = watched(client, rotation).await?;
    }
    Ok(Found {
        text: told(&rotation),
        json: rotation_json(&rotation),
    })
}

/// Asks until it is over. The bar is for people: where standard error is no terminal there is none.
async fn watched(client: &Client, mut rotation: KeyRotation) -> Result<KeyRotation, Failure> {
    let bar = ProgressBar::no_length();
    while rotation.state() == State::Running {
        if rotation.total > 0 && bar.length().is_none() {
            bar.set_length(rotation.total);
        }
        let template = bar.length().map_or(SPINNER, |_| BAR);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_position(rotation.done);
        tokio::time::sleep(WATCH_EVERY).await;
        rotation = client.key_rotation().await?;
    }
    bar.finish_and_clear();
    Ok(rotation)
}

/// What it means, and what to do next.
fn told(rotation: &KeyRotation) -> String {
    let generation = rotation.generation;
    match rotation.state() {
        State::Idle | State::Unspecified => {
            format!("key {generation} is in use; it was not rotated since the start of the server")
        }
        State::Running => format!(
            "key {generation} seals what is new; the rest follows: \
             `rookery admin keys status` tells how far it is"
        ),
        State::Stopped => {
            "the rotation has stopped, and the log of the server says why: mend that, and begin it \
             again with `rookery admin keys rotate`"
                .to_owned()
        }
        State::Finished if rotation.old_kept => {
            format!(
                "key {generation} seals everything; the old ones were kept, as the key file says"
            )
        }
        State::Finished => format!(
            "key {generation} seals everything, and the old ones are gone: \
             make another copy of the key file"
        ),
    }
}

fn rotation_json(rotation: &KeyRotation) -> Value {
    let state = match rotation.state() {
        State::Idle | State::Unspecified => "idle",
        State::Running => "running",
        State::Stopped => "stopped",
        State::Finished => "finished",
    };
    json!({
        "state": state,
        "generation": rotation.generation,
        "done": rotation.done,
        "total": rotation.total,
        "old_kept": rotation.old_kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_rotation_says_to_copy_the_key_file() {
        let rotation = KeyRotation {
            state: State::Finished.into(),
            generation: 3,
            ..KeyRotation::default()
        };
        assert_eq!(
            told(&rotation),
            "key 3 seals everything, and the old ones are gone: make another copy of the key file"
        );
        assert_eq!(rotation_json(&rotation)["state"], "finished");
    }
}
