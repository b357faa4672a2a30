//! Who may call: every kind of token with every kind of call.

use proto::v1::RegisterAccountRequest;
use proto::v1::accounts_client::AccountsClient;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_types::StatusExt as _;

use crate::support::client::{Authorize, Client};
use crate::support::services::caller;
use crate::support::{Fixture, soon};

/// What a client may show.
const SHOWN: [(&str, Option<&str>); 9] = [
    ("no header", None),
    ("empty", Some("")),
    ("scheme alone", Some("Bearer")),
    ("no token", Some("Bearer ")),
    ("other scheme", Some("Basic alice")),
    ("bare token", Some("alice")),
    ("two tokens", Some("Bearer alice bob")),
    ("unknown token", Some("Bearer nobody-at-all")),
    ("valid token", Some("Bearer alice")),
];

fn authorize(shown: Option<&str>) -> Authorize {
    shown.map_or_else(|| Authorize::bearer(None), Authorize::raw)
}

/// The outcome of each kind of call.
async fn outcome(client: &Client, call: &str, shown: Option<&str>) -> Result<(), Status> {
    let (channel, authorize) = (client.channel(), authorize(shown));
    match call {
        "sign in" => {
            let mut accounts = AccountsClient::with_interceptor(channel, authorize);
            accounts
                .sign_in(proto::v1::SignInRequest::default())
                .await
                .map(drop)
        }
        "register" => {
            let mut accounts = AccountsClient::with_interceptor(channel, authorize);
            accounts
                .register_account(RegisterAccountRequest::default())
                .await
                .map(drop)
        }
        "health" => {
            let mut health = HealthClient::with_interceptor(channel, authorize);
            health.check(HealthCheckRequest::default()).await.map(drop)
        }
        "reflection" => {
            let mut reflection = ServerReflectionClient::with_interceptor(channel, authorize);
            let list = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let asked = futures::stream::iter([list]);
            let mut answers = reflection.server_reflection_info(asked).await?.into_inner();
            answers.message().await.map(drop)
        }
        "account" => {
            let mut accounts = AccountsClient::with_interceptor(channel, authorize);
            accounts
                .get_account(proto::v1::GetAccountRequest::default())
                .await
                .map(drop)
        }
        "session" => {
            let mut sessions =
                proto::v1::sessions_client::SessionsClient::with_interceptor(channel, authorize);
            sessions.connect(futures::stream::pending()).await.map(drop)
        }
        path => {
            let service = tonic::service::interceptor::InterceptedService::new(channel, authorize);
            let mut grpc = tonic::client::Grpc::new(service);
            grpc.ready()
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?;
            let codec = tonic_prost::ProstCodec::<(), ()>::default();
            let path = http::uri::PathAndQuery::try_from(path).expect("a path");
            grpc.unary(tonic::Request::new(()), path, codec)
                .await
                .map(drop)
        }
    }
}

/// What is expected of a call that needs a caller, by what was shown.
fn expected(what: &str) -> Option<&'static str> {
    match what {
        "no header" => Some("TOKEN_REQUIRED"),
        "unknown token" => Some("TOKEN_INVALID"),
        "valid token" => None,
        _ => Some("TOKEN_MALFORMED"),
    }
}

#[tokio::test]
async fn a_call_that_is_not_anonymous_needs_a_valid_token() {
    let fixture = Fixture::with(|limits, options| {
        options.reflection = true;
        limits.connections.unauthenticated_calls_max = 1_000;
    })
    .await;
    for (what, shown) in SHOWN {
        // A connection for each, so that none profits from what another has shown.
        let client = fixture.client().await;
        for open in ["sign in", "register", "health", "reflection"] {
            let outcome = soon(outcome(&client, open, shown)).await;
            assert!(outcome.is_ok(), "{open} with {what}: {outcome:?}");
        }
        for closed in ["account", "session"] {
            let before = fixture.services.calls();
            let outcome = soon(outcome(&client, closed, shown)).await;
            match expected(what) {
                None => assert!(outcome.is_ok(), "{closed} with {what}: {outcome:?}"),
                Some(reason) => {
                    let refused = outcome.expect_err(closed);
                    assert_eq!(
                        refused.code(),
                        Code::Unauthenticated,
                        "{closed} with {what}"
                    );
                    let details = refused.get_error_details();
                    let info = details.error_info().expect("one ErrorInfo");
                    assert_eq!(
                        (info.reason.as_str(), info.domain.as_str()),
                        (reason, "rookery.v1")
                    );
                    assert_eq!(fixture.services.calls(), before, "{closed} with {what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_does_not_exist_is_unimplemented_for_callers_and_nothing_for_others() {
    let fixture = Fixture::new().await;
    let client = fixture.client().await;
    let absent = [
        "/rookery.v1.Accounts/NoSuchMethod",
        "/rookery.v1.NoSuchService/SignIn",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/",
    ];
    for path in absent {
        let refused = soon(outcome(&client, path, None)).await.expect_err(path);
        assert_eq!(refused.code(), Code::Unauthenticated, "{path}");
        let refused = soon(outcome(&client, path, Some("Bearer alice")))
            .await
            .expect_err(path);
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn a_service_learns_who_calls_and_not_with_what() {
    let fixture = Fixture::new().await;
    let client = fixture.client().await;
    client
        .account("alice", "accounts/me")
        .await
        .expect("served");
    let seen = fixture.services.last();
    assert_eq!(seen.caller, Some(caller("alice")));
    assert!(seen.peer.is_some());
    assert!(seen.leaving.is_none(), "a unary call has no time to leave");
    for unwanted in ["authorization", "user-agent"] {
        assert!(
            !seen.headers.contains(&unwanted.to_owned()),
            "{:?}",
            seen.headers
        );
    }
    client.sign_in().await.expect("served");
    assert_eq!(fixture.services.last().caller, None);
}

#[tokio::test]
async fn reflection_names_the_services_of_the_api() {
    let fixture = Fixture::with(|_, options| options.reflection = true).await;
    let channel = fixture.client().await.channel();
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = futures::stream::iter([list]);
    let mut client = ServerReflectionClient::new(channel);
    let mut answers = client
        .server_reflection_info(asked)
        .await
        .expect("served")
        .into_inner();
    let answer = soon(answers.message())
        .await
        .expect("an answer")
        .expect("one");
    let text = format!("{answer:?}");
    for service in [
        "rookery.v1.Accounts",
        "rookery.v1.Sessions",
        "grpc.health.v1.Health",
    ] {
        assert!(text.contains(service), "{text}");
    }
}
