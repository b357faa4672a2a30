//! `Debug` of the messages that carry a password or a token: the name of the message, and nothing of
//! what is in it. A field that build.rs does not know to be secret would otherwise reach whatever
//! prints a request.

use std::fmt;

use crate::v1;

macro_rules! redacted {
    ($($message:ident),* $(,)?) => {$(
        impl fmt::Debug for v1::$message {
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
);

#[cfg(test)]
mod tests {
    use super::*;

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
