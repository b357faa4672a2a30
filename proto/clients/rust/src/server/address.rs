//! The address of a server: `https://host:port`.

use std::net::IpAddr;
use std::str::FromStr;

use rustls_pki_types::ServerName;

use crate::Error;

/// Where HTTPS is when nothing else is said.
const DEFAULT_PORT: u16 = 443;

/// A checked address.
#[derive(Clone, Debug)]
pub(super) struct Address {
    authority: String,
    host: String,
    port: u16,
    name: ServerName<'static>,
}

impl Address {
    /// `host:port`, with brackets around a version 6 address, in lower case.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// What to look up.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// What the certificate has to be for, where an authority vouches.
    pub(super) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    pub(super) fn invalid(&self, problem: &'static str) -> Error {
        invalid(&self.authority, problem)
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |problem| invalid(text, problem);
        let lower = text.trim().to_ascii_lowercase();
        let rest = match lower.split_once("://") {
            Some(("https", rest)) => rest,
            Some(("http", _)) => return Err(wrong("connections are encrypted: say https://")),
            Some(_) => return Err(wrong("it must begin with https://")),
            None => lower.as_str(),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(wrong("it must end after the port"));
        }
        let (host, port) = split(rest).ok_or_else(|| wrong("the port is not a number"))?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| wrong("the host is neither a name nor an address"))?;
        let authority = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        Ok(Self {
            authority,
            host: host.to_owned(),
            port,
            name,
        })
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split(rest: &str) -> Option<(&str, u16)> {
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']')?;
        host.parse::<IpAddr>().ok()?;
        let port = match after.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if after.is_empty() => DEFAULT_PORT,
            None => return None,
        };
        return Some((host, port));
    }
    match rest.rsplit_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((rest, DEFAULT_PORT)),
    }
}

fn invalid(address: &str, problem: &'static str) -> Error {
    Error::Address {
        address: address.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_addresses_are_read() {
        for (text, authority) in [
            ("https://chat.example.org", "chat.example.org:443"),
            ("https://Chat.Example.org:7443/", "chat.example.org:7443"),
            ("localhost:7443", "localhost:7443"),
            ("https://127.0.0.1:1", "127.0.0.1:1"),
            ("https://[::1]:7443", "[::1]:7443"),
            ("[::1]", "[::1]:443"),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.authority(), authority);
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_is_wrong() {
        for (text, problem) in [
            ("http://localhost:1", "https"),
            ("ftp://localhost", "https"),
            ("https://localhost:port", "port"),
            ("https://localhost:70000", "port"),
            ("https://a b", "host"),
            ("https://", "host"),
            ("https://localhost/chat", "end"),
            ("https://me@localhost", "end"),
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
