//! Between the wire and the domain: requests become commands that cannot be invalid, or an answer
//! that names every field at fault; what the domain says becomes messages.

pub(crate) mod administration;

use cluster_rpc::{InvalidRequest, name, page, time};
use cluster_types::{AccountId, Caller, FieldViolation, SignInId};
use proto::v1;

use crate::accounts::{ChangePassword, Device, Register, SignIn, SignedIn};
use crate::error::password_violations;
use crate::limits::{SIGN_INS_PAGE, SIGN_INS_PAGE_MAX};
use crate::password::{NewPassword, Password, PasswordPolicy};
use crate::secret::{InvitationSecret, Token};
use crate::state::{self, Profile, Role};
use crate::text::{DeviceLabel, DisplayName, UserName};

/// What is wrong with a request, gathered field by field.
#[derive(Default)]
struct Violations(Vec<FieldViolation>);

impl Violations {
    /// The value of a field, or a violation and no value.
    fn field<T, E: std::fmt::Display>(&mut self, field: &str, value: Result<T, E>) -> Option<T> {
        value
            .map_err(|wrong| {
                self.0.push(FieldViolation {
                    field: field.to_owned(),
                    description: wrong.to_string(),
                });
            })
            .ok()
    }

    /// The command made of the values, if all of them are there.
    fn command<T>(self, command: Option<T>) -> Result<T, InvalidRequest> {
        InvalidRequest::none_of(self.0)?;
        // Each value that is missing has left a violation.
        cluster_rpc::required(command, "request")
    }
}

const LIST_SIGN_INS: &str = "ListSignIns";

// --- Requests ---------------------------------------------------------------------------------------

pub(crate) fn sign_in(request: v1::SignInRequest) -> Result<SignIn, InvalidRequest> {
    let mut wrong = Violations::default();
    let user_name = wrong.field("user_name", UserName::parse(&request.user_name));
    let password = wrong.field("password", Password::parse(request.password));
    let device = device(&mut wrong, &request.device_label, request.keep_signed_in);
    let fields = user_name.zip(password).zip(device);
    wrong.command(fields.map(|((user_name, password), device)| SignIn {
        user_name,
        password,
        device,
    }))
}

pub(crate) fn register(
    request: v1::RegisterAccountRequest,
    policy: PasswordPolicy,
) -> Result<Register, InvalidRequest> {
    let mut wrong = Violations::default();
    let user_name = wrong.field("user_name", UserName::parse(&request.user_name));
    let display_name = match (request.display_name.as_str(), &user_name) {
        ("", user_name) => user_name.as_ref().map(DisplayName::from),
        (text, _) => wrong.field("display_name", DisplayName::parse(text)),
    };
    let password = new_password(&mut wrong, request.password, policy, user_name.as_ref());
    let invitation = match request.invitation.as_str() {
        "" => Some(None),
        text => wrong
            .field("invitation", InvitationSecret::parse(text))
            .map(Some),
    };
    let device = device(&mut wrong, &request.device_label, request.keep_signed_in);
    let who = user_name.zip(display_name).zip(password);
    let fields = who.zip(invitation.zip(device));
    wrong.command(fields.map(
        |(((user_name, display_name), password), (invitation, device))| Register {
            user_name,
            display_name,
            password,
            invitation,
            device,
        },
    ))
}

fn device(wrong: &mut Violations, label: &str, keep_signed_in: bool) -> Option<Device> {
    let label = wrong.field("device_label", DeviceLabel::parse(label));
    label.map(|label| Device {
        label,
        keep_signed_in,
    })
}

/// All rules that the password breaks, even if the user name is no good.
fn new_password(
    wrong: &mut Violations,
    password: String,
    policy: PasswordPolicy,
    user_name: Option<&UserName>,
) -> Option<NewPassword> {
    let password = wrong.field("password", Password::parse(password))?;
    let broken = match user_name {
        Some(user_name) => match NewPassword::choose(password, policy, user_name) {
            Ok(password) => return Some(password),
            Err(broken) => broken,
        },
        None => policy.broken_rules(&password, None),
    };
    wrong.0.extend(password_violations("password", &broken));
    None
}

pub(crate) fn list_sign_ins(
    caller: Caller,
    request: &v1::ListSignInsRequest,
) -> Result<(Option<SignInId>, usize), InvalidRequest> {
    let size = page::size(request.page_size, SIGN_INS_PAGE, SIGN_INS_PAGE_MAX)?;
    let scope = caller.account.as_bytes();
    let cursor = page::fixed_cursor(LIST_SIGN_INS, scope, &request.page_token)?;
    Ok((cursor.map(SignInId::from_bytes), size))
}

pub(crate) fn delete_sign_in(
    request: &v1::DeleteSignInRequest,
) -> Result<(AccountId, SignInId), InvalidRequest> {
    name::sign_in(&request.name, "name")
}

pub(crate) fn change_password(
    request: v1::ChangePasswordRequest,
) -> Result<ChangePassword, InvalidRequest> {
    let mut wrong = Violations::default();
    let current = wrong.field(
        "current_password",
        Password::parse(request.current_password),
    );
    let new = wrong.field("new_password", Password::parse(request.new_password));
    wrong.command(
        current
            .zip(new)
            .map(|(current, new)| ChangePassword { current, new }),
    )
}

pub(crate) fn get_account(
    caller: Caller,
    request: &v1::GetAccountRequest,
) -> Result<AccountId, InvalidRequest> {
    if request.name == "accounts/me" {
        return Ok(caller.account);
    }
    name::account(&request.name, "name")
}

pub(crate) fn look_up(request: &v1::LookUpAccountRequest) -> Result<UserName, InvalidRequest> {
    UserName::parse(&request.user_name)
        .map_err(|wrong| InvalidRequest::field("user_name", wrong.to_string()))
}

pub(crate) fn update(request: &v1::UpdateAccountRequest) -> Result<DisplayName, InvalidRequest> {
    DisplayName::parse(&request.display_name)
        .map_err(|wrong| InvalidRequest::field("display_name", wrong.to_string()))
}

// --- Answers ----------------------------------------------------------------------------------------

pub(crate) fn account(profile: Profile) -> v1::Account {
    v1::Account {
        name: name::of_account(profile.account),
        user_name: profile.user_name,
        display_name: profile.display_name,
        role: role_number(profile.role),
        suspended: profile.suspended,
    }
}

pub(crate) fn signed_in(signed_in: SignedIn) -> v1::SignInResponse {
    let SignedIn {
        profile,
        sign_in,
        device_label,
        token,
    } = signed_in;
    let of = profile.account;
    v1::SignInResponse {
        sign_in: Some(sign_in_of(of, sign_in.id, (sign_in, device_label))),
        account: Some(account(profile)),
        token: Token::reveal(&token),
    }
}

pub(crate) fn sign_ins(
    caller: Caller,
    page: Vec<(state::SignIn, String)>,
    next: Option<SignInId>,
) -> v1::ListSignInsResponse {
    let account = caller.account;
    let message = |sign_in| sign_in_of(account, caller.sign_in, sign_in);
    v1::ListSignInsResponse {
        sign_ins: page.into_iter().map(message).collect(),
        next_page_token: next_token(
            LIST_SIGN_INS,
            account.as_bytes(),
            next.as_ref().map(SignInId::as_bytes),
        ),
    }
}

fn sign_in_of(
    account: AccountId,
    current: SignInId,
    (sign_in, device_label): (state::SignIn, String),
) -> v1::SignIn {
    v1::SignIn {
        name: name::of_sign_in(account, sign_in.id),
        device_label,
        expiry_date: time::date(sign_in.expiry),
        current: sign_in.id == current,
    }
}

fn next_token(call: &str, scope: &[u8], next: Option<&[u8; 16]>) -> String {
    next.map(|cursor| page::token(call, scope, cursor))
        .unwrap_or_default()
}

fn role_number(role: Role) -> i32 {
    match role {
        Role::Member => v1::account::Role::Member.into(),
        Role::Administrator => v1::account::Role::Administrator.into(),
    }
}
