//! The services that every node has: health, and reflection where it is wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proto::v1::FILE_DESCRIPTOR_SET;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::Builder;

use crate::calls::services;
use crate::gateway::GatewayError;
use crate::limits::MessageLimits;

/// Whether the node is well, for load balancers. `grpc.health.v1.Health` answers for the node (the
/// empty name) and for each service of the API, which all fare alike.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    reporter: HealthReporter,
    services: Vec<String>,
    ready: Arc<AtomicBool>,
}

impl Health {
    /// Adds the service to `routes`. It says that the node is not ready.
    pub(crate) async fn add_to(
        routes: Routes,
        limits: &MessageLimits,
    ) -> Result<(Routes, Self), GatewayError> {
        let (reporter, service) = tonic_health::server::health_reporter();
        let service = service.max_decoding_message_size(limits.request_bytes_max.as_usize());
        let mut services = services().map_err(GatewayError::Descriptors)?;
        services.push(String::new());
        let health = Self {
            reporter,
            services,
            ready: Arc::default(),
        };
        health.set_ready(false).await;
        Ok((routes.add_service(service), health))
    }

    /// What was said last.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Says whether the node takes calls. Whoever watches hears of it.
    pub(crate) async fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
        let status = if ready {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for service in &self.services {
            self.reporter.set_service_status(service, status).await;
        }
    }
}

/// Adds reflection to `routes`, in its two versions: tools speak either.
pub(crate) fn add_reflection(
    routes: Routes,
    limits: &MessageLimits,
) -> Result<Routes, GatewayError> {
    let request_bytes_max = limits.request_bytes_max.as_usize();
    let describe = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = describe().build_v1().map_err(GatewayError::Reflection)?;
    let v1alpha = describe()
        .build_v1alpha()
        .map_err(GatewayError::Reflection)?;
    Ok(routes
        .add_service(v1.max_decoding_message_size(request_bytes_max))
        .add_service(v1alpha.max_decoding_message_size(request_bytes_max)))
}
