//! What people write, one line for each field that holds any of it; and the forms in which such things
//! turn up in files.
//!
//! Each canary stands in one field only, so a hit says which.

use std::collections::BTreeSet;

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

pub(crate) const FILE_NAME: &str = "canary flight 2998.txt";
pub(crate) const FILE: &str = "canary feathers 1618 xyzzy";
pub(crate) const HALF_NAME: &str = "canary moult 1048.txt";
pub(crate) const HALF: &str = "canary plumage 5772 plover";
pub(crate) const WHOLE_NAME: &str = "canary perch 2236.txt";
pub(crate) const WHOLE: &str = "canary beak 1414 y2";
pub(crate) const GONE_NAME: &str = "canary egg 3010.txt";
pub(crate) const GONE: &str = "canary shell 4669 plugh";

// Bytes of files are encrypted under keys of their own, whatever else is sealed: they are nowhere.
pub(crate) const ALL: [Canary; 21] = [
    ("the name of a file in a message", FILE_NAME, true),
    ("a file in a message", FILE, false),
    ("the name of a file that came by half", HALF_NAME, true),
    ("a file that came by half", HALF, false),
    (
        "the name of a file that waits for its message",
        WHOLE_NAME,
        true,
    ),
    ("a file that waits for its message", WHOLE, false),
    ("the name of a file in a deleted message", GONE_NAME, false),
    ("a file in a deleted message", GONE, false),
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

/// Which of `needles` stand in `bytes`, by their numbers, in one pass.
pub(crate) fn find_all(bytes: &[u8], needles: &[&[u8]]) -> BTreeSet<usize> {
    let begin = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let mut beginning = vec![Vec::new(); 1 << 16];
    for (number, needle) in needles.iter().enumerate() {
        beginning[begin(needle)].push(number);
    }
    let mut found = BTreeSet::new();
    for at in 0..bytes.len().saturating_sub(1) {
        let rest = &bytes[at..];
        let here = beginning[begin(rest)].iter();
        found.extend(here.filter(|number| rest.starts_with(needles[**number])));
    }
    found
}

#[test]
fn a_text_is_found_in_whatever_form_it_lies() {
    let forms_of_body = forms(BODY);
    let needles: Vec<&[u8]> = forms_of_body.iter().map(Vec::as_slice).collect();
    let found = |hay: &[u8]| {
        let all = find_all(hay, &needles);
        let one_by_one = (0..needles.len()).filter(|number| find(hay, needles[*number]));
        assert!(all.iter().copied().eq(one_by_one));
        !all.is_empty()
    };
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
