//! What kind of call a path is: who may make it, and whether it has an end of its own.
//!
//! Invariant: a path that is not named here needs a caller. Which methods are streams comes from the
//! descriptors of the API, so a new one needs no entry.

use std::collections::HashSet;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use proto::v1::FILE_DESCRIPTOR_SET;

/// Calls that are made before there is a caller.
const ANONYMOUS: [&str; 2] = [
    "/rookery.v1.Accounts/SignIn",
    "/rookery.v1.Accounts/RegisterAccount",
];

/// Whether the node is well is asked by load balancers, which have no account, and under load above all.
const HEALTH: [&str; 2] = [HEALTH_CHECK, HEALTH_WATCH];
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";

/// What the server can do is no secret: it is in the repository.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Who may make a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// Everybody, at the pace of their address.
    Anonymous,
    /// Everybody, also when the node has too much to do.
    Health,
    /// Whoever shows a token.
    Caller,
}

/// What is known of a call by its path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CallKind {
    pub(crate) access: Access,
    /// One request, one answer: it has a deadline.
    pub(crate) unary: bool,
}

/// All calls that are treated in a way of their own.
#[derive(Debug)]
pub(crate) struct Calls {
    streams: HashSet<String>,
    reflection: bool,
}

// === impl Calls ===

impl Calls {
    /// The calls of the public API; `reflection` if it is served.
    pub(crate) fn new(reflection: bool) -> Result<Self, prost::DecodeError> {
        let mut streams: HashSet<String> = methods()?
            .into_iter()
            .filter_map(|(path, stream)| stream.then_some(path))
            .collect();
        streams.insert(HEALTH_WATCH.to_owned());
        streams.extend(REFLECTION.map(str::to_owned));
        Ok(Self {
            streams,
            reflection,
        })
    }

    /// What kind of call `path` is.
    pub(crate) fn kind(&self, path: &str) -> CallKind {
        let access = if HEALTH.contains(&path) {
            Access::Health
        } else if ANONYMOUS.contains(&path) || (self.reflection && REFLECTION.contains(&path)) {
            Access::Anonymous
        } else {
            Access::Caller
        };
        CallKind {
            access,
            unary: !self.streams.contains(path),
        }
    }
}

/// The full names of the services of the public API.
pub(crate) fn services() -> Result<Vec<String>, prost::DecodeError> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET)?.file;
    let named = files.into_iter().flat_map(|file| {
        let package = file.package().to_owned();
        file.service
            .into_iter()
            .map(move |service| format!("{package}.{}", service.name()))
    });
    Ok(named.collect())
}

/// Every method of the public API by its path, and whether it streams in either direction.
fn methods() -> Result<Vec<(String, bool)>, prost::DecodeError> {
    let mut methods = Vec::new();
    for file in FileDescriptorSet::decode(FILE_DESCRIPTOR_SET)?.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                methods.push((path, method.client_streaming() || method.server_streaming()));
            }
        }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anonymous_call_exists_and_no_other_call_of_the_api_is_anonymous() {
        let calls = Calls::new(true).expect("descriptors");
        let mut anonymous = Vec::new();
        for (path, stream) in methods().expect("descriptors") {
            let kind = calls.kind(&path);
            assert_eq!(kind.unary, !stream, "{path}");
            if kind.access != Access::Caller {
                anonymous.push(path);
            }
        }
        assert_eq!(anonymous, ANONYMOUS);
    }

    #[test]
    fn the_session_is_a_stream_and_needs_a_caller() {
        let kind = Calls::new(false)
            .expect("descriptors")
            .kind("/rookery.v1.Sessions/Connect");
        assert_eq!((kind.access, kind.unary), (Access::Caller, false));
    }

    #[test]
    fn reflection_is_anonymous_only_where_it_is_served() {
        for (served, access) in [(true, Access::Anonymous), (false, Access::Caller)] {
            let calls = Calls::new(served).expect("descriptors");
            for path in REFLECTION {
                assert_eq!(
                    calls.kind(path),
                    CallKind {
                        access,
                        unary: false
                    }
                );
            }
        }
    }

    #[test]
    fn a_path_that_is_nearly_anonymous_needs_a_caller() {
        let calls = Calls::new(true).expect("descriptors");
        for path in [
            "/rookery.v1.Accounts/signin",
            "/rookery.v1.Accounts/SignIn/",
            "//rookery.v1.Accounts/SignIn",
            "/rookery.v1.Accounts/SignIn%20",
            "/grpc.health.v1.Health/",
            "",
        ] {
            assert_eq!(calls.kind(path).access, Access::Caller, "{path}");
        }
    }

    #[test]
    fn all_services_are_named() {
        let services = services().expect("descriptors");
        assert!(
            services.contains(&"rookery.v1.Sessions".to_owned()),
            "{services:?}"
        );
    }
}
