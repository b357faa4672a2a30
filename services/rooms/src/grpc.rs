//! The Rooms and Messages services: five lines a call.
//!
//! Who is asking comes from the gateway, what is asked from `wire`, what is answered from the handle.

use cluster_types::Caller;
use tonic::{Request, Response, Status};

use crate::{Action, Command, CommandError, Outcome, Rooms};

mod messages;
mod rooms;

type Answer<T> = Result<Response<T>, Status>;

impl Rooms {
    /// Has `action` done on behalf of the caller.
    async fn act(
        &self,
        caller: Caller,
        room: cluster_types::RoomId,
        action: Action,
    ) -> Result<Outcome, Status> {
        let command = Command {
            account: caller.account,
            action,
        };
        self.command(room, command)
            .await
            .map_err(|error| cluster_rpc::status(&error))
    }
}

fn refuse(error: CommandError) -> Status {
    cluster_rpc::status(&error)
}

fn unreadable(error: crate::ReadError) -> Status {
    cluster_rpc::status(&error)
}

/// Who asks, and for what.
fn open<T>(request: Request<T>) -> Result<(Caller, T), Status> {
    Ok((cluster_rpc::caller(&request)?, request.into_inner()))
}
