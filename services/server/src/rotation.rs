//! The rotation of the key, as administrators begin and watch it.
//!
//! Invariant: a rotation runs in a task of its own, so that whoever began it can leave; and there is one.
//!
//! Leaves out: how keys are wrapped anew, and what goes on after a restart (`services-vault`, `keys`).

use cluster_runtime::{TaskKind, Tasks};
use proto::v1;
use services_vault::{OldGenerations, RotateError, Rotation, Vault};
use tokio::sync::oneshot;

/// Begins a rotation and watches it. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Rotations {
    vault: Vault,
    tasks: Tasks,
}

impl Rotations {
    pub(crate) const fn new(vault: Vault, tasks: Tasks) -> Self {
        Self { vault, tasks }
    }

    /// Begins a rotation, or finds that one is under way. Returns once the key is another one.
    pub(crate) async fn begin(&self) -> Result<v1::KeyRotation, RotateError> {
        let mut watched = self.vault.rotation();
        watched.mark_unchanged();
        let (vault, stopping) = (self.vault.clone(), self.tasks.stopping().clone());
        let (tell, ended) = oneshot::channel();
        self.tasks
            .spawn(TaskKind::KeyRotation, "keys: rotate", async move {
                let rotated = stopping.run_until_cancelled(vault.rotate()).await;
                let failed = rotated.and_then(Result::err);
                if let Some(failed) = &failed {
                    let error = failed as &dyn std::error::Error;
                    tracing::warn!(error, "the key was not rotated");
                }
                let _caller_may_have_left = tell.send(failed);
            });
        tokio::select! {
            biased;
            // A rotation that has ended at once has ended.
            failed = ended => match failed {
                Ok(Some(failed)) if !matches!(failed, RotateError::UnderWay) => return Err(failed),
                Ok(_) | Err(_) => {}
            },
            _ = watched.changed() => {}
        }
        Ok(self.state())
    }

    /// How it stands.
    pub(crate) fn state(&self) -> v1::KeyRotation {
        use v1::key_rotation::State;

        let rotation = *self.vault.rotation().borrow();
        let (state, done, total, old) = match rotation {
            Rotation::Idle => (State::Idle, 0, None, None),
            Rotation::Running { done, total, .. } => (State::Running, done, total, None),
            Rotation::Interrupted { .. } | Rotation::Stopped { .. } => {
                (State::Stopped, 0, None, None)
            }
            Rotation::Finished(rotated) => (State::Finished, 0, None, Some(rotated.old)),
        };
        v1::KeyRotation {
            state: state.into(),
            generation: self.vault.generation().0,
            done,
            total: total.unwrap_or_default(),
            old_kept: old == Some(OldGenerations::Kept),
        }
    }
}
