//! The rules, without I/O, clock or chance: what a stored account, sign-in or invitation means, and
//! what may be done with it.
//!
//! Days, not times: a token or an invitation is void from its expiry day on, in UTC. It is made to be
//! good for whole days, so one that is good for a day is good for between one and two.

use cluster_types::{AccountId, Caller, Day, InvitationId, SignInId};

use crate::limits::{SIGN_INS_MAX, TOKEN_DAYS, TOKEN_DAYS_KEPT};
use crate::secret::Digest;

/// What an account may do on the server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Role {
    /// Use it.
    #[default]
    Member,
    /// Administer it as well.
    Administrator,
}

/// Who an account is, and what it may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// Which account.
    pub account: AccountId,
    /// What the person signs in with.
    pub user_name: String,
    /// What others see.
    pub display_name: String,
    /// What it may do on the server.
    pub role: Role,
    /// Whether it may not sign in. For administrators and the account itself only.
    pub suspended: bool,
}

impl Profile {
    /// What `caller` may see of it.
    #[must_use]
    pub(crate) fn seen_by(mut self, caller: Caller) -> Self {
        self.suspended &= caller.administrator || caller.account == self.account;
        self
    }
}

/// A sign-in as stored, but for what its device is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SignIn {
    pub(crate) id: SignInId,
    pub(crate) token: Digest,
    pub(crate) expiry: Day,
    pub(crate) kept: bool,
}

/// An invitation as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Invitation {
    pub(crate) id: InvitationId,
    pub(crate) secret: Digest,
    pub(crate) role: Role,
    pub(crate) expiry: Day,
    /// Nobody for the server's own.
    pub(crate) created_by: Option<AccountId>,
    pub(crate) note: String,
}

/// Whether what expires on `expiry` is void today.
pub(crate) fn is_over(expiry: Day, today: Day) -> bool {
    today >= expiry
}

/// The day on which something made today is void, so that it is good for `days` whole days.
pub(crate) fn expiry_after(days: u32, today: Day) -> Day {
    today.plus(days).plus(1)
}

/// The day on which a token used today is void.
pub(crate) fn token_expiry(kept: bool, today: Day) -> Day {
    expiry_after(if kept { TOKEN_DAYS_KEPT } else { TOKEN_DAYS }, today)
}

/// Which sign-ins have to go when one more is added: those that are over, and those that would be over
/// first if there are too many.
pub(crate) fn displaced(mut sign_ins: Vec<SignIn>, today: Day) -> Vec<SignIn> {
    sign_ins.sort_by_key(|sign_in| sign_in.expiry);
    let over = sign_ins.partition_point(|sign_in| is_over(sign_in.expiry, today));
    let too_many = (sign_ins.len() + 1).saturating_sub(SIGN_INS_MAX);
    sign_ins.truncate(over.max(too_many));
    sign_ins
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Day = Day(100);

    fn sign_in(n: u8, expiry: u32) -> SignIn {
        SignIn {
            id: SignInId::from_bytes([n; 16]),
            token: [n; 32],
            expiry: Day(expiry),
            kept: false,
        }
    }

    #[test]
    fn a_token_is_good_for_whole_days() {
        for (kept, days) in [(false, 1), (true, 90)] {
            let expiry = token_expiry(kept, TODAY);
            assert!(
                !is_over(expiry, TODAY.plus(days)),
                "good until that day has passed"
            );
            assert!(is_over(expiry, TODAY.plus(days + 1)));
        }
    }

    #[test]
    fn sign_ins_that_are_over_go() {
        let gone = displaced(
            vec![sign_in(1, 101), sign_in(2, 100), sign_in(3, 99)],
            TODAY,
        );
        assert_eq!(gone, [sign_in(3, 99), sign_in(2, 100)]);
    }

    #[test]
    fn one_too_many_ends_the_one_that_would_end_first() {
        let mut all: Vec<_> = (0..100).map(|n| sign_in(n, 300 - u32::from(n))).collect();
        assert_eq!(displaced(all.clone(), TODAY), [sign_in(99, 201)]);
        all.pop();
        assert_eq!(displaced(all, TODAY), []);
    }

    #[test]
    fn suspension_is_for_the_account_itself_and_administrators() {
        let (mine, other) = (
            AccountId::from_bytes([1; 16]),
            AccountId::from_bytes([2; 16]),
        );
        let profile = Profile {
            account: mine,
            user_name: "ada".into(),
            display_name: "Ada".into(),
            role: Role::Member,
            suspended: true,
        };
        let sees = |account, administrator| {
            let caller = Caller {
                account,
                sign_in: SignInId::from_bytes([0; 16]),
                administrator,
            };
            profile.clone().seen_by(caller).suspended
        };
        assert!(sees(mine, false) && sees(other, true) && !sees(other, false));
    }
}
