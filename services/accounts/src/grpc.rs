//! The Accounts service of the public API.
//!
//! SignIn and RegisterAccount need no token; the address of whoever asks comes in the extensions of
//! the request as a [`PeerAddr`]. All other calls find their caller there.

pub mod administration;

use cluster_rpc::{caller, status};
use cluster_types::PeerAddr;
use proto::v1;
use proto::v1::accounts_server;
use tonic::{Request, Response, Status};

use crate::{Accounts, wire};

#[tonic::async_trait]
impl accounts_server::Accounts for Accounts {
    async fn sign_in(
        &self,
        request: Request<v1::SignInRequest>,
    ) -> Result<Response<v1::SignInResponse>, Status> {
        let peer = peer(&request);
        let command = wire::sign_in(request.into_inner())?;
        let signed_in = Self::sign_in(self, command, peer)
            .await
            .map_err(|e| status(&e))?;
        Ok(Response::new(wire::signed_in(signed_in)))
    }

    async fn register_account(
        &self,
        request: Request<v1::RegisterAccountRequest>,
    ) -> Result<Response<v1::SignInResponse>, Status> {
        let peer = peer(&request);
        let command = wire::register(request.into_inner(), self.options().password_policy)?;
        let signed_in = self.register(command, peer).await.map_err(|e| status(&e))?;
        Ok(Response::new(wire::signed_in(signed_in)))
    }

    async fn sign_out(&self, request: Request<v1::SignOutRequest>) -> Result<Response<()>, Status> {
        let caller = caller(&request)?;
        Self::sign_out(self, caller).await.map_err(|e| status(&e))?;
        Ok(Response::new(()))
    }

    async fn list_sign_ins(
        &self,
        request: Request<v1::ListSignInsRequest>,
    ) -> Result<Response<v1::ListSignInsResponse>, Status> {
        let caller = caller(&request)?;
        let (after, limit) = wire::list_sign_ins(caller, request.get_ref())?;
        let (page, next) = self
            .sign_ins(caller, after, limit)
            .await
            .map_err(|e| status(&e))?;
        Ok(Response::new(wire::sign_ins(caller, page, next)))
    }

    async fn delete_sign_in(
        &self,
        request: Request<v1::DeleteSignInRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = caller(&request)?;
        let (account, sign_in) = wire::delete_sign_in(request.get_ref())?;
        self.end_sign_in(caller, account, sign_in)
            .await
            .map_err(|e| status(&e))?;
        Ok(Response::new(()))
    }

    async fn change_password(
        &self,
        request: Request<v1::ChangePasswordRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, peer) = (caller(&request)?, peer(&request));
        let command = wire::change_password(request.into_inner())?;
        Self::change_password(self, caller, command, peer)
            .await
            .map_err(|e| status(&e))?;
        Ok(Response::new(()))
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        let caller = caller(&request)?;
        let account = wire::get_account(caller, request.get_ref())?;
        let profile = self
            .profile(caller, account)
            .await
            .map_err(|e| status(&e))?;
        Ok(Response::new(wire::account(profile)))
    }

    async fn look_up_account(
        &self,
        request: Request<v1::LookUpAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        let caller = caller(&request)?;
        let name = wire::look_up(request.get_ref())?;
        let profile = self.look_up(caller, &name).await.map_err(|e| status(&e))?;
        Ok(Response::new(wire::account(profile)))
    }

    async fn update_account(
        &self,
        request: Request<v1::UpdateAccountRequest>,
    ) -> Result<Response<v1::Account>, Status> {
        let caller = caller(&request)?;
        let name = wire::update(request.get_ref())?;
        let profile = self.rename(caller, name).await.map_err(|e| status(&e))?;
        Ok(Response::new(wire::account(profile)))
    }
}

fn peer<T>(request: &Request<T>) -> Option<PeerAddr> {
    request.extensions().get().copied()
}
