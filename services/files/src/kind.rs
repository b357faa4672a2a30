//! What a file is served as: what its first bytes show, and never what its sender says alone.
//!
//! Invariant: what a browser could run (a program, a page, a script, a drawing with scripts) is served as bytes
//! of no kind, whatever it was said to be.

/// Bytes of no kind.
pub(crate) const NO_KIND: &str = "application/octet-stream";

/// Bytes at the beginning of a text that are looked at.
const TEXT_BYTES_MAX: usize = 4_096;

/// What the bytes at the beginning of a file show; `None` if they show nothing that is known.
pub(crate) fn seen(beginning: &[u8]) -> Option<&'static str> {
    infer::get(beginning).map(|kind| kind.mime_type())
}

/// What a file with this beginning is served as.
pub(crate) fn served(beginning: &[u8]) -> &'static str {
    match infer::get(beginning) {
        Some(kind) if is_active(&kind) => NO_KIND,
        Some(kind) => kind.mime_type(),
        None if is_text(beginning) => "text/plain",
        None => NO_KIND,
    }
}

fn is_active(kind: &infer::Type) -> bool {
    let passive = [
        infer::MatcherType::Archive,
        infer::MatcherType::Audio,
        infer::MatcherType::Book,
        infer::MatcherType::Doc,
        infer::MatcherType::Font,
        infer::MatcherType::Image,
        infer::MatcherType::Video,
    ];
    !passive.contains(&kind.matcher_type()) || kind.mime_type().contains("svg")
}

/// Whether it begins as text that shows as it is: shown as plain text, a page or a script is harmless.
fn is_text(beginning: &[u8]) -> bool {
    let looked_at = &beginning[..beginning.len().min(TEXT_BYTES_MAX)];
    let text = match std::str::from_utf8(looked_at) {
        Ok(text) => text,
        // A character may be cut off where looking ends.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&looked_at[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_could_run_has_no_kind() {
        let elf = [&b"\x7fELF\x02\x01\x01"[..], &[0; 64]].concat();
        for active in [
            &elf[..],
            b"MZ\x90\0\x03\0\0\0",
            b"<!DOCTYPE html><script>1</script>",
            b"<html><body>",
            b"#!/bin/sh\nrm -rf /\n",
            b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        ] {
            assert_eq!(
                served(active),
                NO_KIND,
                "{:?}",
                String::from_utf8_lossy(active)
            );
        }
    }

    #[test]
    fn what_is_passive_has_the_kind_of_its_bytes() {
        assert_eq!(served(b"\x89PNG\r\n\x1a\n\0\0"), "image/png");
        assert_eq!(served(b"%PDF-1.7\n"), "application/pdf");
        assert_eq!(served("Gr\u{fc}\u{df}e,\n".as_bytes()), "text/plain");
        assert_eq!(served(&[0, 1, 2, 3]), NO_KIND);
        let cut = "\u{fc}".repeat(TEXT_BYTES_MAX);
        assert_eq!(served(&cut.as_bytes()[..TEXT_BYTES_MAX - 1]), "text/plain");
    }
}
