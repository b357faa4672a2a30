//! Who is who: names of accounts, who is online.
//!
//! Invariant: an account is asked for once. Names are made harmless on their way in.

use std::collections::{BTreeMap, BTreeSet};

use rookery_client::v1::Account;
use rookery_client::v1::presence::State;

use crate::text::clean_line;

/// The accounts that have come up so far.
#[derive(Debug, Default)]
pub(crate) struct People {
    known: BTreeMap<String, Person>,
    /// Came up, and not asked for yet.
    wanted: BTreeSet<String>,
    /// Asked for.
    asked: BTreeSet<String>,
    /// Asked for in vain.
    failed: BTreeSet<String>,
    presence: BTreeMap<String, State>,
}

/// What is shown of an account.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Person {
    pub(crate) user_name: String,
    pub(crate) display_name: String,
}

impl People {
    pub(crate) fn learn(&mut self, account: &Account) {
        let person = Person {
            user_name: clean_line(&account.user_name),
            display_name: clean_line(&account.display_name),
        };
        self.wanted.remove(&account.name);
        self.known.insert(account.name.clone(), person);
    }

    /// This account is going to be shown.
    pub(crate) fn want(&mut self, account: &str) {
        if !account.is_empty() && !self.known.contains_key(account) && !self.asked.contains(account)
        {
            self.wanted.insert(account.to_owned());
        }
    }

    /// Accounts to ask the server for.
    pub(crate) fn take_wanted(&mut self) -> Vec<String> {
        let wanted = std::mem::take(&mut self.wanted);
        self.asked.extend(wanted.iter().cloned());
        wanted.into_iter().collect()
    }

    /// What was asked for did not come.
    pub(crate) fn fail(&mut self, account: &str) {
        self.failed.insert(account.to_owned());
    }

    /// What did not come may be asked for again: the server is back.
    pub(crate) fn forgive(&mut self) {
        for account in std::mem::take(&mut self.failed) {
            self.asked.remove(&account);
        }
    }

    /// Whatever was asked for and has not come may be asked for again: it was on its way in a session
    /// that is over.
    pub(crate) fn rest(&mut self) {
        self.failed.clear();
        self.asked
            .retain(|account| self.known.contains_key(account));
    }

    /// The name that others see; until it is known, a short form of the id.
    pub(crate) fn name(&self, account: &str) -> String {
        self.known.get(account).map_or_else(
            || {
                let id = account.rsplit('/').next().unwrap_or_default();
                format!("…{}", &id[..id.len().min(6)])
            },
            |person| person.display_name.clone(),
        )
    }

    /// All user names that are known, for completion.
    pub(crate) fn user_names(&self) -> Vec<&str> {
        self.known.values().map(|p| p.user_name.as_str()).collect()
    }

    pub(crate) fn set_presence(&mut self, account: &str, state: State) {
        self.presence.insert(account.to_owned(), state);
    }

    pub(crate) fn presence(&self, account: &str) -> State {
        self.presence.get(account).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_asked_for_once() {
        let mut people = People::default();
        people.want("accounts/abcdefgh");
        people.want("accounts/abcdefgh");
        assert_eq!(people.take_wanted(), ["accounts/abcdefgh"]);
        people.want("accounts/abcdefgh");
        assert!(people.take_wanted().is_empty());
        assert_eq!(people.name("accounts/abcdefgh"), "…abcdef");
        people.fail("accounts/abcdefgh");
        people.want("accounts/abcdefgh");
        assert!(
            people.take_wanted().is_empty(),
            "not while the server is away"
        );
        people.forgive();
        people.want("accounts/abcdefgh");
        assert_eq!(people.take_wanted().len(), 1);
        people.rest();
        people.want("accounts/abcdefgh");
        assert_eq!(people.take_wanted().len(), 1, "its answer does not come");
    }

    #[test]
    fn names_are_harmless() {
        let mut people = People::default();
        people.learn(&Account {
            name: "accounts/a".to_owned(),
            display_name: "Ada\u{1b}[2J\n".to_owned(),
            ..Account::default()
        });
        assert_eq!(people.name("accounts/a"), "Ada␛[2J ");
    }
}
