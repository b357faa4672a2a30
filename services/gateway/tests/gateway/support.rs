//! A gateway on a port of its own with services that do as they are told, and clients for it.

pub(crate) mod client;
pub(crate) mod services;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster_runtime::Tasks;
use cluster_types::{Rng, SystemClock};
use proto::v1::accounts_server::AccountsServer;
use proto::v1::files_server::FilesServer;
use proto::v1::sessions_server::SessionsServer;
use services_gateway::{
    AccountRates, CertificateSource, Certificates, Gateway, GatewayOptions, Handle, Limits,
    MetricsSnapshot, listen,
};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tonic::service::Routes;

pub(crate) use client::{Client, Trust};
pub(crate) use services::Services;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway that serves, and everything to look at it.
pub(crate) struct Fixture {
    pub(crate) handle: Handle,
    pub(crate) services: Services,
    pub(crate) tasks: Tasks,
    /// Where its certificate lies.
    pub(crate) dir: TempDir,
}

impl Fixture {
    /// With the default limits.
    pub(crate) async fn new() -> Self {
        Self::with(|_, _| {}).await
    }

    /// With limits and options that `change` has changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Limits, &mut GatewayOptions)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let source = CertificateSource::Generated {
            dir: dir.path().to_owned(),
            names: Vec::new(),
        };
        Self::with_certificate(dir, source, change).await
    }

    pub(crate) async fn with_certificate(
        dir: TempDir,
        source: CertificateSource,
        change: impl FnOnce(&mut Limits, &mut GatewayOptions),
    ) -> Self {
        let (mut limits, mut options) = (Limits::default(), GatewayOptions::default());
        change(&mut limits, &mut options);
        assert_eq!(limits.mistakes(), []);
        let certificates = Certificates::load(source, Arc::new(SystemClock)).expect("a pair");
        let (services, tasks) = (Services::default(), Tasks::new());
        let routes = Routes::new(AccountsServer::new(services.clone()))
            .add_service(SessionsServer::new(services.clone()))
            .add_service(FilesServer::new(services.clone()));
        let address: SocketAddr = ([127, 0, 0, 1], 0).into();
        let listener = listen(address, &limits.connections).expect("a port");
        let gateway = Gateway {
            routes,
            authenticate: Arc::new(services.clone()),
            certificates: Arc::new(certificates),
            account_rates: AccountRates::new(&limits.calls),
            limits,
            options,
            tasks: tasks.clone(),
            rng: Rng::seeded(1),
        };
        Self {
            handle: gateway.serve(listener).await.expect("serves"),
            services,
            tasks,
            dir,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    /// The certificate that the gateway showed when it started.
    pub(crate) fn trust(&self) -> Trust {
        Trust::file(&self.chain())
    }

    pub(crate) fn chain(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }

    /// A client with a connection of its own.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address(), &self.trust()).await
    }

    pub(crate) fn metrics(&self) -> MetricsSnapshot {
        self.handle.metrics().snapshot()
    }

    /// Waits until the counters are as `condition` says.
    pub(crate) async fn until(&self, condition: impl Fn(MetricsSnapshot) -> bool) {
        eventually(
            || condition(self.metrics()),
            || format!("{:?}", self.metrics()),
        )
        .await;
    }
}

/// Waits until `condition` holds; `state` says what there is instead.
pub(crate) async fn eventually(condition: impl Fn() -> bool, state: impl Fn() -> String) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "still {}", state());
}

/// `work`, or a failed test.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}

/// A connection to `address` from `host`, an address of this machine.
pub(crate) async fn connect_from(host: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind((host, 0).into())
        .expect("an address of our own");
    socket.connect(address).await.expect("connects")
}
