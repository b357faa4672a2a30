//! What kind of call a path is: who may make it, and whether it has an end of its own.
//!
//! Invariant: a path that is not named here needs a caller. Which methods are streams comes from the
//! descriptors of the API, so a new one needs no entry.

use std::collections::HashMap;
use std::sync::Arc;

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
    /// One request, and a stream that the client does nothing with but take.
    pub(crate) taken: bool,
}

impl CallKind {
    /// Whether it asks in one message. Then its answer begins within a deadline.
    pub(crate) const fn asks_once(self) -> bool {
        self.unary || self.taken
    }
}

/// All calls that are treated in a way of their own.
#[derive(Debug)]
pub(crate) struct Calls {
    methods: HashMap<String, Method>,
    reflection: bool,
}

/// What the descriptors say of a call.
#[derive(Debug, Default)]
struct Method {
    /// It streams in either direction.
    stream: bool,
    /// It streams to the client only, until there is no more.
    taken: bool,
    /// Of its request.
    fields: Arc<Fields>,
}

/// The fields of a message.
#[derive(Debug, Default)]
pub(crate) struct Fields(HashMap<i32, String>);

// === impl Calls ===

impl Calls {
    /// The calls of the public API; `reflection` if it is served.
    pub(crate) fn new(reflection: bool) -> Result<Self, prost::DecodeError> {
        let mut methods = methods()?;
        let streams = REFLECTION.into_iter().chain([HEALTH_WATCH]);
        methods.extend(streams.map(|path| {
            let method = Method {
                stream: true,
                ..Method::default()
            };
            (path.to_owned(), method)
        }));
        Ok(Self {
            methods,
            reflection,
        })
    }

    /// The fields of what `path` is called with; none if they are not known.
    pub(crate) fn fields(&self, path: &str) -> Arc<Fields> {
        let method = self.methods.get(path);
        method.map_or_else(Arc::default, |method| Arc::clone(&method.fields))
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
        let method = self.methods.get(path);
        CallKind {
            access,
            unary: !method.is_some_and(|method| method.stream),
            taken: method.is_some_and(|method| method.taken),
        }
    }
}

// === impl Fields ===

impl Fields {
    /// What the field with this number is called.
    pub(crate) fn name(&self, number: u32) -> Option<&str> {
        let number = i32::try_from(number).ok()?;
        self.0.get(&number).map(String::as_str)
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

/// Every method of the public API by its path.
fn methods() -> Result<HashMap<String, Method>, prost::DecodeError> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET)?.file;
    let mut messages = HashMap::new();
    for file in &files {
        for message in &file.message_type {
            let fields = message.field.iter();
            let fields = fields.map(|field| (field.number(), field.name().to_owned()));
            let name = format!(".{}.{}", file.package(), message.name());
            messages.insert(name, Arc::new(Fields(fields.collect())));
        }
    }
    let mut methods = HashMap::new();
    for file in &files {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let fields = messages.get(method.input_type());
                let method = Method {
                    stream: method.client_streaming() || method.server_streaming(),
                    taken: method.server_streaming() && !method.client_streaming(),
                    fields: fields.map(Arc::clone).unwrap_or_default(),
                };
                methods.insert(path, method);
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
        for (path, method) in methods().expect("descriptors") {
            let kind = calls.kind(&path);
            assert_eq!(kind.unary, !method.stream, "{path}");
            if kind.access != Access::Caller {
                anonymous.push(path);
            }
        }
        anonymous.sort_unstable();
        let mut expected = ANONYMOUS;
        expected.sort_unstable();
        assert_eq!(anonymous, expected);
    }

    #[test]
    fn the_session_is_a_stream_and_needs_a_caller() {
        let kind = Calls::new(false)
            .expect("descriptors")
            .kind("/rookery.v1.Sessions/Connect");
        assert_eq!((kind.access, kind.unary), (Access::Caller, false));
    }

    #[test]
    fn a_file_is_a_stream_that_is_only_taken() {
        let calls = Calls::new(true).expect("descriptors");
        let taken = methods().expect("descriptors").into_keys();
        let taken: Vec<_> = taken.filter(|path| calls.kind(path).taken).collect();
        assert_eq!(taken, ["/rookery.v1.Files/DownloadFile"]);
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
                        unary: false,
                        taken: false,
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
