//! What people write, one line for each field that holds any of it; and the forms in which such things
//! turn up in files.
//!
//! Each canary stands in one field only, so a hit says which.

use data_encoding::{BASE64_NOPAD, HEXLOWER, HEXUPPER};

/// A field, what somebody wrote into it, and whether it still says so at the end.
pub(crate) type Canary = (&'static str, &'static str, bool);

pub(crate) const USER_NAME: &str = "zebrafinch4711";
pub(crate) const DISPLAY_NAME: &str = "Canary Finch 5150";
pub(crate) const LABEL: &str = "canary device 1234";
pub(crate) const NOTE: &str = "canary note 8086";
pub(crate) const OLD_ROOM_NAME: &str = "canary aviary 2718";
pub(crate) const OLD_TOPIC: &str = "canary seeds 6502";
pub(crate) const ROOM_NAME: &str = "canary cage 3141";
pub(crate) const TOPIC: &str = "canary songs 9001";
pub(crate) const BODY: &str = "canary body 0815 plugh";
pub(crate) const REPLACED: &str = "canary slip 1729";
pub(crate) const EDITED: &str = "canary mended 1730";
pub(crate) const DELETED: &str = "canary regret 4104";
pub(crate) const DIRECT: &str = "canary whisper 6174";

pub(crate) const ALL: [Canary; 13] = [
    ("a user name", USER_NAME, true),
    ("a display name", DISPLAY_NAME, true),
    ("a device label", LABEL, true),
    ("the note of an invitation", NOTE, true),
    ("a room's first name", OLD_ROOM_NAME, false),
    ("a room's first topic", OLD_TOPIC, false),
    ("a room's name, and the event that says so", ROOM_NAME, true),
    ("a room's topic, and the event that says so", TOPIC, true),
    ("a body", BODY, true),
    ("a body before an edit", REPLACED, false),
    ("a body after an edit", EDITED, true),
    ("a deleted body", DELETED, false),
    ("a body that two share", DIRECT, true),
];

/// The bytes that a text can lie in a file as: raw, UTF-16 in both orders, hexadecimal in both cases, and
/// Base64 wherever in it the text begins.
pub(crate) fn forms(text: &str) -> Vec<Vec<u8>> {
    let wide = || text.encode_utf16();
    let mut forms = vec![
        text.as_bytes().to_vec(),
        wide().flat_map(u16::to_le_bytes).collect(),
        wide().flat_map(u16::to_be_bytes).collect(),
        HEXLOWER.encode(text.as_bytes()).into_bytes(),
        HEXUPPER.encode(text.as_bytes()).into_bytes(),
    ];
    forms.extend((0..3).map(|before| base64(text, before)));
    forms
}

/// Those characters of Base64 that say nothing but `text`, if so many bytes stand before it.
fn base64(text: &str, before: usize) -> Vec<u8> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text.as_bytes());
    let (begin, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    BASE64_NOPAD.encode(&bytes).as_bytes()[begin..end].to_vec()
}

pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_text_is_found_in_whatever_form_it_lies() {
    let found = |hay: &[u8]| forms(BODY).iter().any(|form| find(hay, form));
    for before in 0..6 {
        let text = format!("{}{BODY} and more", "~".repeat(before));
        let wide = || text.encode_utf16();
        for hay in [
            text.as_bytes().to_vec(),
            wide().flat_map(u16::to_le_bytes).collect(),
            wide().flat_map(u16::to_be_bytes).collect(),
            HEXLOWER.encode(text.as_bytes()).into_bytes(),
            HEXUPPER.encode(text.as_bytes()).into_bytes(),
            BASE64_NOPAD.encode(text.as_bytes()).into_bytes(),
        ] {
            assert!(found(&hay), "{before}: {}", String::from_utf8_lossy(&hay));
        }
    }
    assert!(!found(OLD_ROOM_NAME.as_bytes()));
}
