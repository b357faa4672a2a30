//! Becoming a member, or the only node that there may be: at the beginning, and again after an eviction.
//!
//! Leaves out: who is in the way, and whether it is alive (`entrance`).

use cluster_types::NodeId;
use tokio::time::sleep;

use super::Inner;
use crate::algorithm::Round;
use crate::entrance::Entrance;
use crate::error::JoinError;
use crate::store::{self, Entered};

/// What came of trying to enter.
pub(super) enum Attempt {
    In,
    /// Somebody is in the way who may be dead.
    Waiting,
    /// Somebody is in the way who is alive.
    Taken(NodeId),
}

impl Inner {
    /// Enters for the first time.
    pub(super) async fn enter(&self) -> Result<(), JoinError> {
        let mut entrance = Entrance::default();
        loop {
            let node = match self.try_enter(&mut entrance).await? {
                Attempt::In => return Ok(()),
                Attempt::Waiting => {
                    sleep(self.parts.timing.heartbeat_every).await;
                    continue;
                }
                Attempt::Taken(node) => node,
            };
            return Err(if self.alone {
                JoinError::Cluster { node }
            } else {
                JoinError::InUse { node }
            });
        }
    }

    /// Enters, if nobody who may be alive is in the way.
    pub(super) async fn try_enter(&self, entrance: &mut Entrance) -> Result<Attempt, JoinError> {
        let (begun, member) = (self.now(), self.member());
        let store = &self.parts.store;
        let entered = if self.alone {
            store::enter_alone(store, &member, entrance.silent()).await?
        } else {
            store::enter(store, &member, entrance.silent()).await?
        };
        let ended = self.now();
        let occupants = match entered {
            Entered::Yes => {
                if !self.alone {
                    tracing::info!(node = %member.life.node, "joined the cluster");
                }
                return Ok(Attempt::In);
            }
            Entered::Occupied(occupants) => occupants,
        };
        let alive = entrance.see(&occupants, Round { begun, ended }, &self.parts.timing);
        Ok(alive.map_or(Attempt::Waiting, Attempt::Taken))
    }
}
