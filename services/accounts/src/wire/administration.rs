//! Requests and answers of Administration.

use cluster_rpc::{InvalidRequest, name, page, time};
use cluster_types::{AccountId, InvitationId};
use proto::v1;

use super::{Violations, account, next_token, role_number};
use crate::accounts::NewInvitation;
use crate::limits::{INVITATION_DAYS, INVITATION_DAYS_MAX, LIST_PAGE, LIST_PAGE_MAX};
use crate::secret::InvitationSecret;
use crate::state::{self, Profile, Role};
use crate::text::Note;

pub(crate) fn list_accounts(
    request: &v1::ListAccountsRequest,
) -> Result<(Option<AccountId>, usize), InvalidRequest> {
    let size = page::size(request.page_size, LIST_PAGE, LIST_PAGE_MAX)?;
    let cursor = page::fixed_cursor(LIST_ACCOUNTS, &[], &request.page_token)?;
    Ok((cursor.map(AccountId::from_bytes), size))
}

pub(crate) fn account_named(text: &str) -> Result<AccountId, InvalidRequest> {
    name::account(text, "name")
}

pub(crate) fn set_role(
    request: &v1::SetAccountRoleRequest,
) -> Result<(AccountId, Role), InvalidRequest> {
    let mut wrong = Violations::default();
    let account = wrong.field(
        "name",
        account_named(&request.name).map_err(|_| ACCOUNT_FORM),
    );
    let role = wrong.field(
        "role",
        role(request.role).and_then(|role| role.ok_or(ROLE_NEEDED)),
    );
    wrong.command(account.zip(role))
}

pub(crate) fn create_invitation(
    request: &v1::CreateInvitationRequest,
) -> Result<NewInvitation, InvalidRequest> {
    let mut wrong = Violations::default();
    let role = wrong
        .field("role", role(request.role))
        .map(Option::unwrap_or_default);
    let valid_days = match u32::try_from(request.valid_days) {
        Ok(0) => Ok(INVITATION_DAYS),
        Ok(days) if days <= INVITATION_DAYS_MAX => Ok(days),
        _ => Err(format!(
            "must be 1 to {INVITATION_DAYS_MAX}, or 0 for {INVITATION_DAYS}"
        )),
    };
    let valid_days = wrong.field("valid_days", valid_days);
    let note = wrong.field("note", Note::parse(&request.note));
    let fields = role.zip(valid_days).zip(note);
    wrong.command(fields.map(|((role, valid_days), note)| NewInvitation {
        role,
        valid_days,
        note,
    }))
}

pub(crate) fn list_invitations(
    request: &v1::ListInvitationsRequest,
) -> Result<(Option<InvitationId>, usize), InvalidRequest> {
    let size = page::size(request.page_size, LIST_PAGE, LIST_PAGE_MAX)?;
    let cursor = page::fixed_cursor(LIST_INVITATIONS, &[], &request.page_token)?;
    Ok((cursor.map(InvitationId::from_bytes), size))
}

pub(crate) fn delete_invitation(
    request: &v1::DeleteInvitationRequest,
) -> Result<InvitationId, InvalidRequest> {
    name::invitation(&request.name, "name")
}

const LIST_ACCOUNTS: &str = "ListAccounts";
const LIST_INVITATIONS: &str = "ListInvitations";
const ACCOUNT_FORM: &str = "must have the form accounts/{account}";
const ROLE_NEEDED: &str = "must be ROLE_MEMBER or ROLE_ADMINISTRATOR";

/// The role asked for; `None` where it was left open.
fn role(number: i32) -> Result<Option<Role>, &'static str> {
    match v1::account::Role::try_from(number) {
        Ok(v1::account::Role::Unspecified) => Ok(None),
        Ok(v1::account::Role::Member) => Ok(Some(Role::Member)),
        Ok(v1::account::Role::Administrator) => Ok(Some(Role::Administrator)),
        Err(_) => Err(ROLE_NEEDED),
    }
}

pub(crate) fn accounts(page: Vec<Profile>, next: Option<AccountId>) -> v1::ListAccountsResponse {
    v1::ListAccountsResponse {
        accounts: page.into_iter().map(account).collect(),
        next_page_token: next_token(LIST_ACCOUNTS, &[], next.as_ref().map(AccountId::as_bytes)),
    }
}

pub(crate) fn invitation(invitation: state::Invitation) -> v1::Invitation {
    v1::Invitation {
        name: name::of_invitation(invitation.id),
        role: role_number(invitation.role),
        expiry_date: time::date(invitation.expiry),
        note: invitation.note,
    }
}

pub(crate) fn invited(
    made: state::Invitation,
    secret: &InvitationSecret,
) -> v1::CreateInvitationResponse {
    v1::CreateInvitationResponse {
        invitation: Some(invitation(made)),
        secret: secret.reveal(),
    }
}

pub(crate) fn invitations(
    page: Vec<state::Invitation>,
    next: Option<InvitationId>,
) -> v1::ListInvitationsResponse {
    v1::ListInvitationsResponse {
        invitations: page.into_iter().map(invitation).collect(),
        next_page_token: next_token(
            LIST_INVITATIONS,
            &[],
            next.as_ref().map(InvitationId::as_bytes),
        ),
    }
}
