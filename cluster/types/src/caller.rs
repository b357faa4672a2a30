//! [`Caller`]: on whose behalf something is done.

use crate::{AccountId, SignInId};

/// Who asks, as found out from the token of the request. Made by the gateway alone; every service
/// decides by this and by nothing that a request says of itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// The sign-in whose token was shown.
    pub sign_in: SignInId,
    /// Whether the account may use the Administration service. Gives no right in any room.
    pub administrator: bool,
}
