//! What is wrong with a set of limits: all of it at once, each with the fix.

use super::{ByteCount, Limits, Rate, Span};

/// HTTP/2 allows frames from 16 KiB to 16 MiB - 1 byte (RFC 9113, 6.5.2).
const FRAME_BYTES: (u64, u64) = (16 * 1024, 16 * 1024 * 1024 - 1);
/// HTTP/2 allows windows up to 2 GiB - 1 byte (RFC 9113, 6.9.1).
const WINDOW_BYTES_MAX: u64 = (1 << 31) - 1;
/// Less does not hold the headers of an honest call.
const HEADER_BYTES_MIN: u64 = 1024;
/// What the HTTP/1.1 library needs at least.
const HTTP1_BUFFER_BYTES_MIN: u64 = 8 * 1024;

/// A value that cannot work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// Path of the field: `http2.frame_bytes_max`.
    pub field: &'static str,
    /// What would work.
    pub fix: String,
}

impl Limits {
    /// Every value that cannot work; empty if all can.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut found = Found(Vec::new());
        self.check_connections(&mut found);
        self.check_http(&mut found);
        self.check_calls(&mut found);
        found.0
    }

    fn check_connections(&self, found: &mut Found) {
        let limits = &self.connections;
        found.count("connections.count_max", limits.count_max);
        found.count(
            "connections.unauthenticated_max",
            limits.unauthenticated_max,
        );
        found.count(
            "connections.unauthenticated_per_address_max",
            limits.unauthenticated_per_address_max,
        );
        found.count(
            "connections.unauthenticated_calls_max",
            limits.unauthenticated_calls_max,
        );
        found.count(
            "connections.authenticated_per_account_max",
            limits.authenticated_per_account_max,
        );
        found.count("connections.backlog_max", limits.backlog_max);
        found.span("connections.handshake_within", limits.handshake_within);
        found.span(
            "connections.authenticate_within",
            limits.authenticate_within,
        );
        found.span("connections.age_max", limits.age_max);
        found.rate("connections.cancelled_calls", limits.cancelled_calls);
        if limits.age_jitter_max > limits.age_max {
            found.add(
                "connections.age_jitter_max",
                format!("at most connections.age_max, which is {}", limits.age_max),
            );
        }
    }

    fn check_http(&self, found: &mut Found) {
        let limits = &self.http2;
        let (frame_min, frame_max) = FRAME_BYTES;
        found.count("http2.streams_max", limits.streams_max);
        found.count("http2.pending_resets_max", limits.pending_resets_max);
        found.count("http2.error_resets_max", limits.error_resets_max);
        found.bytes(
            "http2.header_bytes_max",
            limits.header_bytes_max,
            HEADER_BYTES_MIN,
            u64::from(u32::MAX),
        );
        found.bytes(
            "http2.header_table_bytes_max",
            limits.header_table_bytes_max,
            0,
            64 * 1024,
        );
        found.bytes(
            "http2.frame_bytes_max",
            limits.frame_bytes_max,
            frame_min,
            frame_max,
        );
        found.bytes(
            "http2.stream_window_bytes",
            limits.stream_window_bytes,
            1,
            WINDOW_BYTES_MAX,
        );
        found.bytes(
            "http2.connection_window_bytes",
            limits.connection_window_bytes,
            65_535,
            WINDOW_BYTES_MAX,
        );
        found.bytes(
            "http2.send_buffer_bytes_max",
            limits.send_buffer_bytes_max,
            1,
            WINDOW_BYTES_MAX,
        );
        found.span("http2.keepalive_every", limits.keepalive_every);
        found.span("http2.keepalive_within", limits.keepalive_within);

        let limits = &self.http1;
        found.count("http1.headers_max", limits.headers_max);
        found.bytes(
            "http1.header_bytes_max",
            limits.header_bytes_max,
            HTTP1_BUFFER_BYTES_MIN,
            1 << 20,
        );
        found.span("http1.header_within", limits.header_within);
        found.span("http1.write_stalled_max", limits.write_stalled_max);
    }

    fn check_calls(&self, found: &mut Found) {
        let limits = &self.calls;
        found.span("calls.unary_within", limits.unary_within);
        found.span("calls.fetched_within", limits.fetched_within);
        found.count(
            "calls.handlers_per_connection_max",
            limits.handlers_per_connection_max,
        );
        found.count("calls.account_calls_max", limits.account_calls_max);
        found.count("calls.handlers_max", limits.handlers_max);
        found.count("calls.rated_accounts_max", limits.rated_accounts_max);
        found.rate("calls.account_rate", limits.account_rate);
        found.rate("calls.address_rate", limits.address_rate);
        let messages = &self.messages;
        found.bytes(
            "messages.request_bytes_max",
            messages.request_bytes_max,
            1024,
            u64::MAX,
        );
        found.bytes(
            "messages.response_bytes_max",
            messages.response_bytes_max,
            1024,
            u64::MAX,
        );
    }
}

struct Found(Vec<Mistake>);

impl Found {
    fn add(&mut self, field: &'static str, fix: String) {
        self.0.push(Mistake { field, fix });
    }

    fn count(&mut self, field: &'static str, value: u32) {
        if value == 0 {
            self.add(field, "at least 1".to_owned());
        }
    }

    fn span(&mut self, field: &'static str, value: Span) {
        if value.is_zero() {
            self.add(field, "more than no time, as in `10s`".to_owned());
        }
    }

    fn rate(&mut self, field: &'static str, value: Rate) {
        if value.per_second == 0 || value.burst == 0 {
            self.add(field, "at least 1 for both per_second and burst".to_owned());
        }
    }

    fn bytes(&mut self, field: &'static str, value: ByteCount, min: u64, max: u64) {
        let (min, max) = (ByteCount::bytes(min), ByteCount::bytes(max));
        if value < min {
            self.add(field, format!("at least {min}"));
        } else if value > max {
            self.add(field, format!("at most {max}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work() {
        assert_eq!(Limits::default().mistakes(), []);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let mut limits = Limits::default();
        limits.connections.count_max = 0;
        limits.connections.age_jitter_max = Span::hours(25);
        limits.http2.frame_bytes_max = ByteCount::kib(1);
        limits.http2.keepalive_every = Span::millis(0);
        limits.http1.header_bytes_max = ByteCount::kib(4);
        limits.calls.account_rate.burst = 0;
        limits.messages.request_bytes_max = ByteCount::bytes(1);
        let mistakes = limits.mistakes();
        let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field).collect();
        assert_eq!(
            fields,
            [
                "connections.count_max",
                "connections.age_jitter_max",
                "http2.frame_bytes_max",
                "http2.keepalive_every",
                "http1.header_bytes_max",
                "calls.account_rate",
                "messages.request_bytes_max",
            ]
        );
        assert_eq!(mistakes[2].fix, "at least 16KiB");
    }

    #[test]
    fn a_file_names_only_what_it_changes() {
        let text = "[http2]\nkeepalive_every = \"1m\"\n[calls]\naccount_rate = { per_second = 7, burst = 9 }\n";
        let limits: Limits = toml::from_str(text).expect("valid");
        assert_eq!(limits.http2.keepalive_every, Span::minutes(1));
        assert_eq!(
            limits.calls.account_rate,
            Rate {
                per_second: 7,
                burst: 9
            }
        );
        assert_eq!(
            limits.http2.streams_max,
            Limits::default().http2.streams_max
        );
    }

    #[test]
    fn a_misspelt_limit_is_refused() {
        let refused = toml::from_str::<Limits>("[http2]\nstreams = 1\n").expect_err("unknown");
        assert!(refused.to_string().contains("streams"), "{refused}");
    }

    #[test]
    fn all_limits_survive_being_written_and_read() {
        let text = toml::to_string(&Limits::default()).expect("writes");
        assert_eq!(
            toml::from_str::<Limits>(&text).expect("reads"),
            Limits::default()
        );
    }
}
