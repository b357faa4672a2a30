//! How long a call may take: what we allow, or less if the client says so.

use std::time::Duration;

use http::HeaderMap;

/// The header in which a gRPC client says how long it waits.
const TIMEOUT: &str = "grpc-timeout";

/// The shorter of `allowed` and what the client asks for. What is no time is not obeyed.
pub(super) fn of(headers: &HeaderMap, allowed: Duration) -> Duration {
    let asked = headers
        .get(TIMEOUT)
        .and_then(|value| parse(value.to_str().ok()?));
    asked.map_or(allowed, |asked| asked.min(allowed))
}

/// At most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(number * 60 * 60),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Duration = Duration::from_secs(10);

    fn asked(text: &'static str) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert(TIMEOUT, http::HeaderValue::from_static(text));
        of(&headers, ALLOWED)
    }

    #[test]
    fn the_shorter_time_counts() {
        assert_eq!(of(&HeaderMap::new(), ALLOWED), ALLOWED);
        assert_eq!(asked("250m"), Duration::from_millis(250));
        assert_eq!(asked("9S"), Duration::from_secs(9));
        assert_eq!(asked("11S"), ALLOWED);
        assert_eq!(asked("99999999H"), ALLOWED);
        assert_eq!(asked("0n"), Duration::ZERO);
    }

    #[test]
    fn what_is_no_time_is_not_obeyed() {
        for text in [
            "",
            "S",
            "10",
            "1s",
            "-1S",
            "+1S",
            "1.5S",
            "123456789S",
            "1Sé",
            "é",
        ] {
            let mut headers = HeaderMap::new();
            let value = http::HeaderValue::from_bytes(text.as_bytes()).expect("bytes");
            headers.insert(TIMEOUT, value);
            assert_eq!(of(&headers, ALLOWED), ALLOWED, "{text}");
        }
    }
}
