//! `Debug` of the messages that carry a password, a token or the key of a file: the name of the message, and nothing of
//! what is in it. A field that build.rs does not know to be secret would otherwise reach whatever
//! prints a request.

use std::fmt;

use crate::storage::v1::{Attachment, Upload};
use crate::v1::{
    ChangePasswordRequest, CreateInvitationResponse, RegisterAccountRequest, SignInRequest,
    SignInResponse,
};

macro_rules! redacted {
    ($($message:ident),* $(,)?) => {$(
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message)).finish_non_exhaustive()
            }
        }
    )*};
}

redacted!(
    SignInRequest,
    SignInResponse,
    RegisterAccountRequest,
    ChangePasswordRequest,
    CreateInvitationResponse,
    Upload,
    Attachment,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    #[test]
    fn what_is_stored_of_a_file_does_not_print_its_key() {
        let attachment = Attachment {
            key: vec![7; 32].into(),
            ..Default::default()
        };
        assert_eq!(format!("{attachment:?}"), "Attachment { .. }");
    }

    #[test]
    fn a_request_does_not_print_its_password() {
        let request = v1::SignInRequest {
            user_name: "ada".into(),
            password: "Correct-Horse-7-Battery".into(),
            ..Default::default()
        };
        assert_eq!(format!("{request:?}"), "SignInRequest { .. }");
    }

    #[test]
    fn an_answer_does_not_print_its_token() {
        let answer = v1::SignInResponse {
            token: "rk_s_secret".into(),
            ..Default::default()
        };
        assert_eq!(format!("{answer:?}"), "SignInResponse { .. }");
    }
}
