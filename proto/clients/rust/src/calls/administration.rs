//! The service Administration. To all but administrators each call is PERMISSION_DENIED.

use proto::v1::account::Role;
use proto::v1::administration_client::AdministrationClient;
use proto::v1::list_server_nodes_request::View;
use proto::v1::{
    Account, CreateInvitationRequest, CreateInvitationResponse, DeleteInvitationRequest,
    DeleteServerRoomRequest, DrainServerNodeRequest, GetKeyRotationRequest, GetServerStatusRequest,
    Invitation, KeyRotation, ListAccountsRequest, ListAccountsResponse, ListInvitationsRequest,
    ListInvitationsResponse, ListServerNodesRequest, ListServerNodesResponse,
    ListServerRoomsRequest, ListServerRoomsResponse, MoveServerRoomRequest, ResumeAccountRequest,
    ResumeServerNodeRequest, RotateKeysRequest, ServerNode, ServerRoom, ServerStatus,
    SetAccountRoleRequest, SuspendAccountRequest,
};

use super::{call, pages};
use crate::{Client, Error};

/// Rows of a page where all are wanted: the largest that a server gives.
const PAGE_SIZE: i32 = 1_000;

impl Client {
    /// A page of the accounts.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn list_accounts(
        &self,
        request: ListAccountsRequest,
    ) -> Result<ListAccountsResponse, Error> {
        call!(self, again, AdministrationClient, list_accounts, request)
    }

    /// All accounts.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn all_accounts(&self) -> Result<Vec<Account>, Error> {
        pages::all(|page_token| async move {
            let request = ListAccountsRequest {
                page_size: PAGE_SIZE,
                page_token,
            };
            let page = self.list_accounts(request).await?;
            Ok((page.accounts, page.next_page_token))
        })
        .await
    }

    /// Keeps `accounts/{account}` from signing in, and ends its sessions.
    ///
    /// # Errors
    /// NOT_FOUND if there is none of this name.
    pub async fn suspend_account(&self, name: &str) -> Result<Account, Error> {
        let name = name.to_owned();
        let request = SuspendAccountRequest { name };
        call!(self, again, AdministrationClient, suspend_account, request)
    }

    /// Lets a suspended account sign in again.
    ///
    /// # Errors
    /// NOT_FOUND if there is none of this name.
    pub async fn resume_account(&self, name: &str) -> Result<Account, Error> {
        let name = name.to_owned();
        let request = ResumeAccountRequest { name };
        call!(self, again, AdministrationClient, resume_account, request)
    }

    /// Makes an account an administrator, or a member again.
    ///
    /// # Errors
    /// FAILED_PRECONDITION for the last administrator.
    pub async fn set_account_role(&self, name: &str, role: Role) -> Result<Account, Error> {
        let request = SetAccountRoleRequest {
            name: name.to_owned(),
            role: role.into(),
        };
        call!(self, again, AdministrationClient, set_account_role, request)
    }

    /// Makes an invitation for one registration. Its secret is shown this once.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for more than 90 days.
    pub async fn create_invitation(
        &self,
        request: CreateInvitationRequest,
    ) -> Result<CreateInvitationResponse, Error> {
        call!(self, once, AdministrationClient, create_invitation, request)
    }

    /// A page of the invitations that are open.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn list_invitations(
        &self,
        request: ListInvitationsRequest,
    ) -> Result<ListInvitationsResponse, Error> {
        call!(self, again, AdministrationClient, list_invitations, request)
    }

    /// All invitations that are open.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn all_invitations(&self) -> Result<Vec<Invitation>, Error> {
        pages::all(|page_token| async move {
            let request = ListInvitationsRequest {
                page_size: PAGE_SIZE,
                page_token,
            };
            let page = self.list_invitations(request).await?;
            Ok((page.invitations, page.next_page_token))
        })
        .await
    }

    /// Voids an invitation: `invitations/{invitation}`.
    ///
    /// # Errors
    /// NOT_FOUND if there is none of this name.
    pub async fn delete_invitation(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        let request = DeleteInvitationRequest { name };
        call!(self, once, AdministrationClient, delete_invitation, request)
    }

    /// A page of the rooms: ids, kinds and sizes.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn list_server_rooms(
        &self,
        request: ListServerRoomsRequest,
    ) -> Result<ListServerRoomsResponse, Error> {
        call!(
            self,
            again,
            AdministrationClient,
            list_server_rooms,
            request
        )
    }

    /// All rooms: ids, kinds and sizes.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn all_server_rooms(&self) -> Result<Vec<ServerRoom>, Error> {
        pages::all(|page_token| async move {
            let request = ListServerRoomsRequest {
                page_size: PAGE_SIZE,
                page_token,
            };
            let page = self.list_server_rooms(request).await?;
            Ok((page.rooms, page.next_page_token))
        })
        .await
    }

    /// Deletes any room, as its owner could.
    ///
    /// # Errors
    /// NOT_FOUND if there is none of this name.
    pub async fn delete_server_room(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        let request = DeleteServerRoomRequest { name };
        call!(
            self,
            once,
            AdministrationClient,
            delete_server_room,
            request
        )
    }

    /// Release, open sessions, rooms in memory, fingerprint.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn server_status(&self) -> Result<ServerStatus, Error> {
        let request = GetServerStatusRequest {};
        call!(
            self,
            again,
            AdministrationClient,
            get_server_status,
            request
        )
    }

    /// The nodes of the cluster.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn server_nodes(&self) -> Result<Vec<ServerNode>, Error> {
        self.nodes(View::Basic).await
    }

    /// The nodes of the cluster, and what each has to do, if it says so within a second.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn server_nodes_and_load(&self) -> Result<Vec<ServerNode>, Error> {
        self.nodes(View::Full).await
    }

    async fn nodes(&self, view: View) -> Result<Vec<ServerNode>, Error> {
        pages::all(|page_token| async move {
            let request = ListServerNodesRequest {
                page_size: PAGE_SIZE,
                page_token,
                view: view.into(),
            };
            let page: ListServerNodesResponse = call!(
                self,
                again,
                AdministrationClient,
                list_server_nodes,
                request
            )?;
            Ok((page.nodes, page.next_page_token))
        })
        .await
    }

    /// Takes a node out of service while it runs: its rooms and its clients go to the others.
    ///
    /// # Errors
    /// FAILED_PRECONDITION if there is no such node, or it is the only one that there may be.
    pub async fn drain_server_node(&self, name: &str) -> Result<(), Error> {
        let request = DrainServerNodeRequest {
            name: name.to_owned(),
        };
        call!(
            self,
            again,
            AdministrationClient,
            drain_server_node,
            request
        )
    }

    /// Has a drained node take its part again.
    ///
    /// # Errors
    /// As [`Client::drain_server_node`].
    pub async fn resume_server_node(&self, name: &str) -> Result<(), Error> {
        let request = ResumeServerNodeRequest {
            name: name.to_owned(),
        };
        call!(
            self,
            again,
            AdministrationClient,
            resume_server_node,
            request
        )
    }

    /// Moves a room to a node, with the part of all rooms that it belongs to.
    ///
    /// # Errors
    /// FAILED_PRECONDITION if the node is not there, or takes no rooms.
    pub async fn move_server_room(&self, name: &str, node: &str) -> Result<(), Error> {
        let request = MoveServerRoomRequest {
            name: name.to_owned(),
            node: node.to_owned(),
        };
        call!(self, again, AdministrationClient, move_server_room, request)
    }

    /// Begins to replace the key that all stored data is sealed under, or goes on with that.
    ///
    /// # Errors
    /// FAILED_PRECONDITION if nothing is sealed.
    pub async fn rotate_keys(&self) -> Result<KeyRotation, Error> {
        let request = RotateKeysRequest {};
        call!(self, once, AdministrationClient, rotate_keys, request)
    }

    /// How the rotation of the key stands.
    ///
    /// # Errors
    /// As any call of an administrator.
    pub async fn key_rotation(&self) -> Result<KeyRotation, Error> {
        let request = GetKeyRotationRequest {};
        call!(self, again, AdministrationClient, get_key_rotation, request)
    }
}
