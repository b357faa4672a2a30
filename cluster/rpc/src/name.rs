//! Resource names (AIP-122): `rooms/{room}`, `rooms/{room}/members/{account}` and the like.

use std::fmt::{Display, Write as _};
use std::str::FromStr;

use cluster_types::{AccountId, FileId, InvitationId, NodeId, RoomId, SignInId};

use crate::InvalidRequest;

/// No name of two parts is longer.
const SHORT_NAME_BYTES: usize = 48;

/// `accounts/{account}`
pub fn of_account(account: AccountId) -> String {
    short("accounts/", account)
}

/// A name of two parts, in one piece of memory.
fn short(collection: &str, id: impl Display) -> String {
    let mut name = String::with_capacity(SHORT_NAME_BYTES);
    name.push_str(collection);
    // Writing into memory does not fail.
    let _written = write!(name, "{id}");
    name
}

/// `accounts/{account}/signIns/{sign_in}`
pub fn of_sign_in(account: AccountId, sign_in: SignInId) -> String {
    format!("accounts/{account}/signIns/{sign_in}")
}

/// `invitations/{invitation}`
pub fn of_invitation(invitation: InvitationId) -> String {
    short("invitations/", invitation)
}

/// `rooms/{room}`
pub fn of_room(room: RoomId) -> String {
    short("rooms/", room)
}

/// `rooms/{room}/members/{account}`
pub fn of_member(room: RoomId, account: AccountId) -> String {
    format!("rooms/{room}/members/{account}")
}

/// `files/{file}`
pub fn of_file(file: FileId) -> String {
    short("files/", file)
}

/// `nodes/{node}`
pub fn of_node(node: NodeId) -> String {
    short("nodes/", node)
}

/// Reads `nodes/{node}`.
///
/// # Errors
/// Names `field` if the text is anything else.
pub fn node(text: &str, field: &str) -> Result<NodeId, InvalidRequest> {
    one(text, "nodes", field, "nodes/{node}")
}

/// Reads `accounts/{account}`.
///
/// # Errors
/// Names `field` if the text is anything else.
pub fn account(text: &str, field: &str) -> Result<AccountId, InvalidRequest> {
    one(text, "accounts", field, "accounts/{account}")
}

/// Reads `rooms/{room}`.
///
/// # Errors
/// Names `field` if the text is anything else.
pub fn room(text: &str, field: &str) -> Result<RoomId, InvalidRequest> {
    one(text, "rooms", field, "rooms/{room}")
}

/// Reads `invitations/{invitation}`.
///
/// # Errors
/// Names `field` if the text is anything else.
pub fn invitation(text: &str, field: &str) -> Result<InvitationId, InvalidRequest> {
    one(text, "invitations", field, "invitations/{invitation}")
}

/// Reads `files/{file}`.
///
/// # Errors
/// Names `field` if the text is anything else.
pub fn file(text: &str, field: &str) -> Result<FileId, InvalidRequest> {
    one(text, "files", field, "files/{file}")
}

/// Reads `rooms/{room}/members/{account}`.
///
/// # Errors
/// Names `field` if the text is anything else.
pub fn member(text: &str, field: &str) -> Result<(RoomId, AccountId), InvalidRequest> {
    two(
        text,
        ["rooms", "members"],
        field,
        "rooms/{room}/members/{account}",
    )
}

/// Reads `accounts/{account}/signIns/{sign_in}`.
///
/// # Errors
/// Names `field` if the text is anything else.
pub fn sign_in(text: &str, field: &str) -> Result<(AccountId, SignInId), InvalidRequest> {
    two(
        text,
        ["accounts", "signIns"],
        field,
        "accounts/{account}/signIns/{sign_in}",
    )
}

fn one<T: FromStr>(
    text: &str,
    collection: &str,
    field: &str,
    pattern: &str,
) -> Result<T, InvalidRequest> {
    let id = text
        .split_once('/')
        .filter(|(prefix, _)| *prefix == collection);
    id.and_then(|(_, id)| id.parse().ok())
        .ok_or_else(|| wrong(field, pattern))
}

fn two<A: FromStr, B: FromStr>(
    text: &str,
    collections: [&str; 2],
    field: &str,
    pattern: &str,
) -> Result<(A, B), InvalidRequest> {
    let mut parts = text.split('/');
    let mut id_after = |collection| (parts.next() == Some(collection)).then(|| parts.next())?;
    let (first, second) = (id_after(collections[0]), id_after(collections[1]));
    let ended = parts.next().is_none();
    let ids = first.zip(second).filter(|_| ended);
    ids.and_then(|(a, b)| a.parse().ok().zip(b.parse().ok()))
        .ok_or_else(|| wrong(field, pattern))
}

fn wrong(field: &str, pattern: &str) -> InvalidRequest {
    InvalidRequest::field(field, format!("must have the form {pattern}"))
}

#[cfg(test)]
mod tests {
    use cluster_types::{Coded, Rng};

    use super::*;

    #[test]
    fn names_read_back() {
        let rng = Rng::seeded(1);
        let (room_id, account_id) = (RoomId::random(&rng), AccountId::random(&rng));
        let sign_in_id = SignInId::random(&rng);
        assert_eq!(room(&of_room(room_id), "name"), Ok(room_id));
        assert_eq!(account(&of_account(account_id), "name"), Ok(account_id));
        let file_id = FileId::random(&rng);
        assert_eq!(file(&of_file(file_id), "name"), Ok(file_id));
        assert_eq!(
            member(&of_member(room_id, account_id), "name"),
            Ok((room_id, account_id))
        );
        let node_id = NodeId::random(&rng);
        assert_eq!(node(&of_node(node_id), "node"), Ok(node_id));
        let name = of_sign_in(account_id, sign_in_id);
        assert_eq!(sign_in(&name, "name"), Ok((account_id, sign_in_id)));
    }

    #[test]
    fn other_texts_are_refused_by_field() {
        let id = RoomId::from_bytes([3; 16]);
        let bad = [
            "",
            "rooms",
            "rooms/",
            "rooms/x",
            &format!("accounts/{id}"),
            &format!("rooms/{id}/members"),
        ];
        for text in bad {
            let refused = room(text, "parent").expect_err(text);
            assert_eq!(refused.violations()[0].field, "parent");
        }
        assert!(member(&format!("rooms/{id}/members/{id}/more"), "name").is_err());
    }
}
