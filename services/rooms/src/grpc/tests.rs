//! The two services as a client meets them: what is refused and which field is named, who may ask at
//! all, and answers as they are promised.

mod answers;
mod refusals;

use cluster_types::{AccountId, Caller, SignInId};
use proto::v1;
use proto::v1::messages_server::Messages as MessagesService;
use proto::v1::rooms_server::Rooms as RoomsService;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use crate::testing::{MEMBER, MODERATOR, OWNER, STRANGER, World};

const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// A request as the gateway hands it over.
fn by<T>(account: AccountId, request: T) -> Request<T> {
    let mut request = Request::new(request);
    request.extensions_mut().insert(Caller {
        account,
        sign_in: SignInId::from_bytes([9; 16]),
        administrator: false,
    });
    request
}

/// The code and the reason of a refusal.
fn refusal<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> (Code, String) {
    let status = answer.expect_err("is refused");
    let details = status.get_error_details();
    let info = details.error_info().expect("has a reason");
    (status.code(), info.reason.clone())
}
