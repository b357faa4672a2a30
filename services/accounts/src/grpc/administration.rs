//! The calls of the Administration service that are about accounts and invitations.
//!
//! The service has calls about rooms and the node as well, so whoever puts the server together
//! implements the trait and hands these calls on to here.
//!
//! Every call is PERMISSION_DENIED to whoever is no administrator, whatever else is wrong with it.

use cluster_rpc::{caller, status};
use cluster_types::Caller;
use proto::v1;
use tonic::{Request, Response, Status};

use crate::Accounts;
use crate::accounts::require_administrator;
use crate::wire;

/// A page of all accounts.
///
/// # Errors
/// As the .proto file says, for this call and all below.
pub async fn list_accounts(
    accounts: &Accounts,
    request: Request<v1::ListAccountsRequest>,
) -> Result<Response<v1::ListAccountsResponse>, Status> {
    let caller = administrator(&request)?;
    let (after, limit) = wire::administration::list_accounts(request.get_ref())?;
    let (page, next) = accounts
        .list(caller, after, limit)
        .await
        .map_err(|e| status(&e))?;
    Ok(Response::new(wire::administration::accounts(page, next)))
}

/// Ends all sign-ins of an account and lets it make no more.
pub async fn suspend_account(
    accounts: &Accounts,
    request: Request<v1::SuspendAccountRequest>,
) -> Result<Response<v1::Account>, Status> {
    let caller = administrator(&request)?;
    let account = wire::administration::account_named(&request.get_ref().name)?;
    let profile = accounts
        .suspend(caller, account)
        .await
        .map_err(|e| status(&e))?;
    Ok(Response::new(wire::account(profile)))
}

/// Lets a suspended account sign in again.
pub async fn resume_account(
    accounts: &Accounts,
    request: Request<v1::ResumeAccountRequest>,
) -> Result<Response<v1::Account>, Status> {
    let caller = administrator(&request)?;
    let account = wire::administration::account_named(&request.get_ref().name)?;
    let profile = accounts
        .resume(caller, account)
        .await
        .map_err(|e| status(&e))?;
    Ok(Response::new(wire::account(profile)))
}

/// Makes an account an administrator, or a mere member.
pub async fn set_account_role(
    accounts: &Accounts,
    request: Request<v1::SetAccountRoleRequest>,
) -> Result<Response<v1::Account>, Status> {
    let caller = administrator(&request)?;
    let (account, role) = wire::administration::set_role(request.get_ref())?;
    let profile = accounts
        .set_role(caller, account, role)
        .await
        .map_err(|e| status(&e))?;
    Ok(Response::new(wire::account(profile)))
}

/// Makes a permission for one registration.
pub async fn create_invitation(
    accounts: &Accounts,
    request: Request<v1::CreateInvitationRequest>,
) -> Result<Response<v1::CreateInvitationResponse>, Status> {
    let caller = administrator(&request)?;
    let command = wire::administration::create_invitation(request.get_ref())?;
    let (made, secret) = accounts
        .invite(caller, command)
        .await
        .map_err(|e| status(&e))?;
    Ok(Response::new(wire::administration::invited(made, &secret)))
}

/// A page of the invitations that can still be used.
pub async fn list_invitations(
    accounts: &Accounts,
    request: Request<v1::ListInvitationsRequest>,
) -> Result<Response<v1::ListInvitationsResponse>, Status> {
    let caller = administrator(&request)?;
    let (after, limit) = wire::administration::list_invitations(request.get_ref())?;
    let (page, next) = accounts
        .invitations(caller, after, limit)
        .await
        .map_err(|e| status(&e))?;
    Ok(Response::new(wire::administration::invitations(page, next)))
}

/// Withdraws an invitation.
pub async fn delete_invitation(
    accounts: &Accounts,
    request: Request<v1::DeleteInvitationRequest>,
) -> Result<Response<()>, Status> {
    let caller = administrator(&request)?;
    let invitation = wire::administration::delete_invitation(request.get_ref())?;
    accounts
        .withdraw(caller, invitation)
        .await
        .map_err(|e| status(&e))?;
    Ok(Response::new(()))
}

/// The caller, before anything else of the request is looked at.
fn administrator<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = caller(request)?;
    require_administrator(caller).map_err(|e| status(&e))?;
    Ok(caller)
}
