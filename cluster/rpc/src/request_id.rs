//! Ids that clients choose, so that what they ask for twice is done once.

use crate::InvalidRequest;

/// Reads a UUID in its form of 36 characters.
///
/// # Errors
/// If it is none, or all zero.
pub fn uuid(text: &str, field: &str) -> Result<[u8; 16], InvalidRequest> {
    // The library also reads other forms.
    let uuid = uuid::Uuid::try_parse(text).ok();
    uuid.filter(|uuid| text.len() == 36 && !uuid.is_nil())
        .map(uuid::Uuid::into_bytes)
        .ok_or_else(|| {
            let text = "must be a UUID in its form of 36 characters, not all zero";
            InvalidRequest::field(field, text)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_is_read_and_all_others_are_named() {
        let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        assert_eq!(uuid(id, "id").map(|id| id[0]), Ok(0x6b));
        for wrong in [
            "",
            "lobby",
            "6ba7b8109dad11d180b400c04fd430c8",
            "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(uuid(wrong, "id").is_err(), "{wrong}");
        }
    }
}
