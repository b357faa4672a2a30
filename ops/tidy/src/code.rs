//! Rust source reduced to its code: comments, strings and character literals become blanks.
//!
//! Invariant: the result has as many lines as the text, and every kept token stands where it stood,
//! so a position found in it is a position in the file.
//!
//! Left out: parsing. Rules that need types belong to clippy.

/// Replaces comments and the contents of literals by spaces.
pub(crate) fn blank_non_code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment_end(&chars, at);
        if end > at {
            out.extend(
                chars[at..end]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Replaces inline test modules (`#[cfg(test)] mod tests { .. }`) in already blanked code by blanks.
pub(crate) fn blank_inline_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mut from = 0;
    while let Some(found) = out[from..].find("#[cfg(test)]") {
        let start = from + found;
        from = start + 1;
        let Some(length) = inline_module_length(&out[start..]) else {
            continue;
        };
        let blanked: String = out[start..start + length]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        out.replace_range(start..start + length, &blanked);
    }
    out
}

/// Whether `c` can be part of an identifier.
pub(crate) fn is_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The identifiers of blanked code with their line numbers, counted from 1.
pub(crate) fn identifiers(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(index, line)| {
        line.split(|c| !is_ident(c))
            .filter(|word| !word.is_empty())
            .map(move |word| (index + 1, word))
    })
}

/// The end of the comment or literal that starts at `at`, or `at` if none does.
fn literal_or_comment_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => line_end(chars, at),
        '/' if next == Some('*') => block_comment_end(chars, at),
        '"' => string_end(chars, at),
        '\'' => char_end(chars, at),
        'r' | 'b' | 'c' if at == 0 || !is_ident(chars[at - 1]) => raw_string_end(chars, at),
        _ => at,
    }
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..]
        .iter()
        .position(|c| *c == '\n')
        .map_or(chars.len(), |length| at + length)
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = at;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                i += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                i += 2;
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// A quote opens a character literal or a lifetime; only the literal is blanked.
fn char_end(chars: &[char], quote: usize) -> usize {
    match (chars.get(quote + 1), chars.get(quote + 2)) {
        (Some('\\'), Some(_)) => chars[quote + 3..]
            .iter()
            .position(|c| *c == '\'')
            .map_or(chars.len(), |length| quote + 3 + length + 1),
        (Some(_), Some('\'')) => quote + 3,
        _ => quote,
    }
}

/// `r".."`, `r#".."#` and their `b` and `c` forms; a raw identifier is left alone.
fn raw_string_end(chars: &[char], at: usize) -> usize {
    let mut i = at;
    while i < chars.len() && matches!(chars[i], 'r' | 'b' | 'c') && i < at + 2 {
        i += 1;
    }
    if chars[i - 1] != 'r' {
        return at;
    }
    let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
    if chars.get(i + hashes) != Some(&'"') {
        return at;
    }
    let mut end = i + hashes + 1;
    while end < chars.len() {
        let closed = chars[end] == '"'
            && chars[end + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
        if closed {
            return end + 1 + hashes;
        }
        end += 1;
    }
    chars.len()
}

/// How far the module behind a `#[cfg(test)]` reaches, if one with a body follows it.
fn inline_module_length(code: &str) -> Option<usize> {
    let open = code.find(['{', ';'])?;
    let head = &code[..open];
    if !code[open..].starts_with('{') || !head.split_whitespace().any(|word| word == "mod") {
        return None;
    }
    let mut depth = 0_usize;
    for (i, c) in code.char_indices().skip_while(|(i, _)| *i < open) {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    Some(code.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked_and_code_keeps_its_place() {
        let text = "let a = \"tokio::spawn\"; // tokio::spawn\n/* x /* y */ z */ b();";
        let code = blank_non_code(text);
        assert_eq!(code.len(), text.len());
        assert!(!code.contains("spawn"));
        assert_eq!(code.find("b();"), text.find("b();"));
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn escaped_quotes_do_not_end_a_string() {
        let code = blank_non_code(r#"f("\"x\\", y)"#);
        assert!(
            code.starts_with("f(") && code.ends_with(", y)") && !code.contains('x'),
            "{code}"
        );
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let code = blank_non_code("a(r#\"one \" two\"#); br\"three\"; r#type; b\"four\"; for_r");
        for blanked in ["one", "two", "three", "four"] {
            assert!(!code.contains(blanked), "{blanked} in {code}");
        }
        assert!(code.contains("r#type") && code.ends_with("for_r"), "{code}");
    }

    #[test]
    fn lifetimes_are_code_and_character_literals_are_not() {
        let code =
            blank_non_code("fn f<'a>(x: &'a str) -> bool { x.contains('\"') || '\\'' == 'q' }");
        assert!(code.contains("<'a>(x: &'a str)"));
        assert!(!code.contains('"') && !code.contains('q'));
        assert!(code.ends_with('}'));
    }

    #[test]
    fn an_inline_test_module_is_blanked_and_what_follows_is_kept() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}";
        let kept = blank_inline_tests(code);
        assert!(kept.contains("fn a") && kept.contains("fn c") && !kept.contains("fn b"));
    }

    #[test]
    fn a_test_module_in_its_own_file_hides_nothing() {
        let code = "#[cfg(test)]\nmod tests;\nfn kept() { x }";
        assert_eq!(blank_inline_tests(code), code);
    }

    #[test]
    fn identifiers_come_with_their_lines() {
        let found: Vec<_> = identifiers("use a_b::c;\n d()").collect();
        assert_eq!(found, [(1, "use"), (1, "a_b"), (1, "c"), (2, "d")]);
    }
}
