//! The Rooms and Messages services: five lines a call.
//!
//! Who is asking comes from the gateway, what is asked from `wire`, what is answered from the handle.

use cluster_types::{Caller, RoomId};
use tonic::{Request, Response, Status};

use crate::{Action, Command, CommandError, Outcome, ReadError, Rooms};

mod messages;
mod rooms;
#[cfg(test)]
mod tests;

type Answer<T> = Result<Response<T>, Status>;

impl Rooms {
    /// Has `action` done on behalf of the caller.
    async fn act(&self, caller: Caller, room: RoomId, action: Action) -> Result<Outcome, Status> {
        let command = Command {
            account: caller.account,
            action,
        };
        self.command(room, command).await.map_err(refuse)
    }
}

fn refuse(error: CommandError) -> Status {
    cluster_rpc::status(&error)
}

fn unreadable(error: ReadError) -> Status {
    cluster_rpc::status(&error)
}

/// Who asks, and for what.
fn open<T>(request: Request<T>) -> Result<(Caller, T), Status> {
    Ok((cluster_rpc::caller(&request)?, request.into_inner()))
}
