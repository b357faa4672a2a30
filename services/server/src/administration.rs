//! The Administration service: what administrators may do, about accounts, rooms and the node.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_rpc::{name, page, status};
use cluster_types::{Caller, NodeId, RoomId, Shard};
use proto::v1;
use proto::v1::administration_server::Administration as Service;
use proto::v1::list_server_nodes_request::View;
use services_accounts::{AdministerError, administration};
use services_gateway::Certificates;
use services_node::Node;
use services_rooms::{Action, Command, wire};
use tonic::{Request, Response, Status};

use crate::rotation::Rotations;
use crate::upgrade::Upgrading;

/// Rooms or nodes in one page.
const PAGE_MAX: usize = 1_000;

/// Rooms or nodes in one page where the call names no number.
const PAGE_DEFAULT: usize = 100;

mod nodes;

type Answer<T> = Result<Response<T>, Status>;

/// What the service is about.
#[derive(Clone)]
pub(crate) struct Administration {
    pub(crate) node: Node,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) rotations: Rotations,
    pub(crate) upgrading: Upgrading,
}

#[tonic::async_trait]
impl Service for Administration {
    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Answer<v1::ListAccountsResponse> {
        administration::list_accounts(&self.node.accounts, request).await
    }

    async fn suspend_account(
        &self,
        request: Request<v1::SuspendAccountRequest>,
    ) -> Answer<v1::Account> {
        administration::suspend_account(&self.node.accounts, request).await
    }

    async fn resume_account(
        &self,
        request: Request<v1::ResumeAccountRequest>,
    ) -> Answer<v1::Account> {
        administration::resume_account(&self.node.accounts, request).await
    }

    async fn set_account_role(
        &self,
        request: Request<v1::SetAccountRoleRequest>,
    ) -> Answer<v1::Account> {
        administration::set_account_role(&self.node.accounts, request).await
    }

    async fn create_invitation(
        &self,
        request: Request<v1::CreateInvitationRequest>,
    ) -> Answer<v1::CreateInvitationResponse> {
        administration::create_invitation(&self.node.accounts, request).await
    }

    async fn list_invitations(
        &self,
        request: Request<v1::ListInvitationsRequest>,
    ) -> Answer<v1::ListInvitationsResponse> {
        administration::list_invitations(&self.node.accounts, request).await
    }

    async fn delete_invitation(&self, request: Request<v1::DeleteInvitationRequest>) -> Answer<()> {
        administration::delete_invitation(&self.node.accounts, request).await
    }

    async fn list_server_rooms(
        &self,
        request: Request<v1::ListServerRoomsRequest>,
    ) -> Answer<v1::ListServerRoomsResponse> {
        const CALL: &str = "ListServerRooms";
        administrator(&request)?;
        let request = request.into_inner();
        let limit = page::size(request.page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let after = page::fixed_cursor(CALL, b"", &request.page_token)?.map(RoomId::from_bytes);
        let found = self.node.rooms.list_server(after, limit).await;
        let (rooms, next) = found.map_err(|error| status(&error))?;
        Ok(Response::new(v1::ListServerRoomsResponse {
            rooms: rooms.into_iter().map(wire::server_room).collect(),
            next_page_token: next
                .map(|last| page::token(CALL, b"", last.as_bytes()))
                .unwrap_or_default(),
        }))
    }

    async fn delete_server_room(
        &self,
        request: Request<v1::DeleteServerRoomRequest>,
    ) -> Answer<()> {
        let caller = administrator(&request)?;
        let room = name::room(&request.get_ref().name, "name")?;
        let action = Action::DeleteRoom {
            by_administrator: true,
        };
        let command = Command {
            account: caller.account,
            action,
        };
        self.node
            .rooms
            .command(room, command)
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(()))
    }

    async fn list_server_nodes(
        &self,
        request: Request<v1::ListServerNodesRequest>,
    ) -> Answer<v1::ListServerNodesResponse> {
        const CALL: &str = "ListServerNodes";
        administrator(&request)?;
        let request = request.into_inner();
        let limit = page::size(request.page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let after = page::fixed_cursor(CALL, b"", &request.page_token)?.map(NodeId::from_bytes);
        let loads = match request.view() {
            View::Full => self.node.loads().await,
            View::Basic | View::Unspecified => BTreeMap::new(),
        };
        let (nodes, next) = nodes::page(&self.node.membership.view(), &loads, after, limit);
        Ok(Response::new(v1::ListServerNodesResponse {
            nodes,
            next_page_token: next
                .map(|last| page::token(CALL, b"", last.as_bytes()))
                .unwrap_or_default(),
        }))
    }

    async fn move_server_room(&self, request: Request<v1::MoveServerRoomRequest>) -> Answer<()> {
        let caller = administrator(&request)?;
        let request = request.into_inner();
        let room = name::room(&request.name, "name")?;
        let node = name::node(&request.node, "node")?;
        let moved = self.node.membership.move_shard(Shard::of_room(room), node);
        moved.await.map_err(|error| status(&error))?;
        tracing::info!(by = %caller.account, %room, %node, "a room was moved");
        Ok(Response::new(()))
    }

    async fn drain_server_node(&self, request: Request<v1::DrainServerNodeRequest>) -> Answer<()> {
        let caller = administrator(&request)?;
        let node = name::node(&request.into_inner().name, "name")?;
        let withdrawn = self.node.membership.withdraw(node, true).await;
        withdrawn.map_err(|error| status(&error))?;
        tracing::info!(by = %caller.account, %node, "a node drains");
        Ok(Response::new(()))
    }

    async fn resume_server_node(
        &self,
        request: Request<v1::ResumeServerNodeRequest>,
    ) -> Answer<()> {
        let caller = administrator(&request)?;
        let node = name::node(&request.into_inner().name, "name")?;
        let resumed = self.node.membership.withdraw(node, false).await;
        resumed.map_err(|error| status(&error))?;
        tracing::info!(by = %caller.account, %node, "a node takes part again");
        Ok(Response::new(()))
    }

    async fn rotate_keys(
        &self,
        request: Request<v1::RotateKeysRequest>,
    ) -> Answer<v1::KeyRotation> {
        let caller = administrator(&request)?;
        let begun = self.rotations.begin().await;
        let begun = begun.map_err(|error| status(&error))?;
        tracing::info!(by = %caller.account, generation = begun.generation, "the key is rotated");
        Ok(Response::new(begun))
    }

    async fn get_key_rotation(
        &self,
        request: Request<v1::GetKeyRotationRequest>,
    ) -> Answer<v1::KeyRotation> {
        administrator(&request)?;
        Ok(Response::new(self.rotations.state()))
    }

    async fn get_server_status(
        &self,
        request: Request<v1::GetServerStatusRequest>,
    ) -> Answer<v1::ServerStatus> {
        administrator(&request)?;
        Ok(Response::new(v1::ServerStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sessions: self.node.hub.count(),
            active_rooms: self.node.rooms.active() as u64,
            file_transfers: self.node.transfers.count(),
            certificate_sha256: self.certificates.fingerprint().to_string(),
            upgrading_from_schema: self.upgrading.from(),
            unreadable_rows: self.upgrading.unreadable(),
        }))
    }
}

/// The caller, before anything else of the request is looked at.
fn administrator<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = cluster_rpc::caller(request)?;
    if caller.administrator {
        Ok(caller)
    } else {
        Err(status(&AdministerError::NotAdministrator))
    }
}
