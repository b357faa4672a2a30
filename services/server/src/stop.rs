//! The order of a stop: not ready, no new connections, rooms handed over, clients told, rooms finished, cluster left,
//! store closed.

use std::time::Duration;

use services_gateway::Drained;
use tokio::time::timeout;

use crate::app::App;

/// What sessions and rooms get to end, once no client is there any more. A room ends after the write at
/// hand; one that does not is left to the end of the process, which loses nothing acknowledged.
const SERVICES_WITHIN: Duration = Duration::from_secs(5);

/// The part of the time to stop that other nodes get to take this node's rooms over, while clients are still served:
/// the rest is for clients to hear where to go, and to go. What was not taken by then is claimed once this node has left.
const HAND_OVER_PART: u32 = 2;

/// What background tasks get to end once everything else has.
const TASKS_WITHIN: Duration = Duration::from_secs(2);

/// How a stop went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stopped {
    /// Connections that did not go by themselves in time.
    pub connections_cut: u64,
    /// Whether sessions or rooms did not end in time.
    pub services_late: bool,
    /// Tasks that did not end in time.
    pub tasks_left: usize,
}

impl App {
    /// Stops everything, each step by a deadline. What has been acknowledged is durable before this, so a stop that is cut short
    /// loses nothing; a stop that is not lets clients finish what they have under way.
    pub async fn stop(&self) -> Stopped {
        let within = self.config.stop_within.duration();
        let tell = async {
            let _late = timeout(within / HAND_OVER_PART, self.node.hand_over()).await;
            self.node.drain();
        };
        let Drained { connections_cut } = self.gateway.shutdown(within, tell).await;
        let in_time = timeout(SERVICES_WITHIN, self.node.stop()).await;
        self.node.leave().await;
        self.tasks.stop();
        let tasks_left = self.tasks.ended(TASKS_WITHIN).await;
        if !self.is_store_shared {
            self.store.close().await;
        }
        Stopped {
            connections_cut,
            services_late: in_time.is_err(),
            tasks_left,
        }
    }
}
