//! The service Accounts: registering, signing in and out, one's own account.

use proto::v1::accounts_client::AccountsClient;
use proto::v1::{
    Account, ChangePasswordRequest, DeleteSignInRequest, GetAccountRequest, ListSignInsRequest,
    ListSignInsResponse, LookUpAccountRequest, RegisterAccountRequest, SignIn, SignInRequest,
    SignInResponse, SignOutRequest, UpdateAccountRequest,
};

use super::{call, pages};
use crate::{Client, Error, Token};

/// What registering needs.
pub type Registration = RegisterAccountRequest;

/// A sign-in that just began.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The same connection, now with the token.
    pub client: Client,
    /// Keep it where only its owner can read it. The server shows it this once.
    pub token: Token,
    /// Whose it is.
    pub account: Account,
    /// The sign-in itself.
    pub sign_in: SignIn,
}

impl Client {
    /// Trades a user name and a password for a token.
    ///
    /// # Errors
    /// UNAUTHENTICATED for an unknown name and for a wrong password alike.
    pub async fn sign_in(&self, request: SignInRequest) -> Result<SignedIn, Error> {
        let response = call!(self, once, AccountsClient, sign_in, request)?;
        self.signed_in(response)
    }

    /// Makes an account and signs in.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with one [violation](crate::Violation) for each rule that the password breaks;
    /// ALREADY_EXISTS for a name that is taken.
    pub async fn register(&self, registration: Registration) -> Result<SignedIn, Error> {
        let response = call!(self, once, AccountsClient, register_account, registration)?;
        self.signed_in(response)
    }

    /// Ends this client's sign-in, and its sessions with it.
    ///
    /// # Errors
    /// As any call.
    pub async fn sign_out(&self) -> Result<(), Error> {
        call!(self, once, AccountsClient, sign_out, SignOutRequest {})
    }

    /// A page of one's own sign-ins.
    ///
    /// # Errors
    /// As any call.
    pub async fn list_sign_ins(
        &self,
        request: ListSignInsRequest,
    ) -> Result<ListSignInsResponse, Error> {
        call!(self, again, AccountsClient, list_sign_ins, request)
    }

    /// One's own sign-ins, all of them.
    ///
    /// # Errors
    /// As any call.
    pub async fn all_sign_ins(&self) -> Result<Vec<SignIn>, Error> {
        pages::all(|page_token| async move {
            let request = ListSignInsRequest {
                page_size: 100,
                page_token,
            };
            let page = self.list_sign_ins(request).await?;
            Ok((page.sign_ins, page.next_page_token))
        })
        .await
    }

    /// Ends another sign-in of one's own: `accounts/{account}/signIns/{sign_in}`.
    ///
    /// # Errors
    /// NOT_FOUND if there is none of this name.
    pub async fn delete_sign_in(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        let request = DeleteSignInRequest { name };
        call!(self, once, AccountsClient, delete_sign_in, request)
    }

    /// Sets a new password and ends all other sign-ins.
    ///
    /// # Errors
    /// As [`Client::register`] about the new password; UNAUTHENTICATED or PERMISSION_DENIED about the
    /// current one.
    pub async fn change_password(&self, current: &str, new: &str) -> Result<(), Error> {
        let request = ChangePasswordRequest {
            current_password: current.to_owned(),
            new_password: new.to_owned(),
        };
        call!(self, once, AccountsClient, change_password, request)
    }

    /// What everybody may see of `accounts/{account}`; `accounts/me` is one's own.
    ///
    /// # Errors
    /// NOT_FOUND if there is none of this name.
    pub async fn account(&self, name: &str) -> Result<Account, Error> {
        let name = name.to_owned();
        let request = GetAccountRequest { name };
        call!(self, again, AccountsClient, get_account, request)
    }

    /// The account with this user name, in full.
    ///
    /// # Errors
    /// NOT_FOUND if there is none.
    pub async fn look_up_account(&self, user_name: &str) -> Result<Account, Error> {
        let user_name = user_name.to_owned();
        let request = LookUpAccountRequest { user_name };
        call!(self, again, AccountsClient, look_up_account, request)
    }

    /// Sets one's own display name.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if it is empty or too long.
    pub async fn set_display_name(&self, display_name: &str) -> Result<Account, Error> {
        let display_name = display_name.to_owned();
        let request = UpdateAccountRequest { display_name };
        call!(self, again, AccountsClient, update_account, request)
    }

    fn signed_in(&self, response: SignInResponse) -> Result<SignedIn, Error> {
        let token = Token::new(response.token);
        let (Some(account), Some(sign_in)) = (response.account, response.sign_in) else {
            return Err(Error::Nonsense("a sign-in without an account"));
        };
        Ok(SignedIn {
            client: self.with_token(token.clone())?,
            token,
            account,
            sign_in,
        })
    }
}
