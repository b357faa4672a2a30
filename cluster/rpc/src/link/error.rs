//! What can go wrong, told apart by what it means for whoever asked.

use cluster_types::{DeploymentId, Life, NodeId};
use proto::cluster::v1::FarewellReason;

/// Why an ask has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AskError {
    /// There is no link to that node. Nothing happened.
    #[error("not linked to that node")]
    NotLinked,
    /// Too much waits to be sent, or for an answer. Nothing happened.
    #[error("too much waits for that node")]
    Full,
    /// The body is longer than [`BODY_BYTES_MAX`](super::BODY_BYTES_MAX). Nothing happened.
    #[error("the body is longer than 1 MiB")]
    TooLarge,
    /// The link broke, or the deadline passed, while the ask still waited to be sent. Nothing happened.
    #[error("the ask was not sent")]
    NotSent,
    /// The other node is about to stop and took nothing up. Nothing happened.
    #[error("that node is about to stop")]
    Stopping,
    /// The other node gave no answer, although it could have. May have happened.
    #[error("that node gave no answer")]
    Unanswered,
    /// The link broke after the ask was sent. May have happened.
    #[error("the link broke before the answer")]
    Broken,
    /// The deadline passed after the ask was sent. May have happened.
    #[error("no answer within the deadline")]
    TimedOut,
}

impl AskError {
    /// Whether the other node may have done what was asked. If not, it can be asked again blindly, here or
    /// elsewhere; otherwise only with the same idempotency key.
    pub const fn may_have_happened(self) -> bool {
        match self {
            Self::NotLinked | Self::Full | Self::TooLarge | Self::NotSent | Self::Stopping => false,
            Self::Unanswered | Self::Broken | Self::TimedOut => true,
        }
    }
}

/// Why a tell was not taken. Nothing happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TellError {
    /// There is no link to that node.
    #[error("not linked to that node")]
    NotLinked,
    /// Too much waits to be sent.
    #[error("too much waits for that node")]
    Full,
    /// The body is longer than [`BODY_BYTES_MAX`](super::BODY_BYTES_MAX).
    #[error("the body is longer than 1 MiB")]
    TooLarge,
}

/// Why this node does not take another one in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refused {
    #[error("it said something else than hello first")]
    NoHello,
    #[error("its hello does not read: {what}")]
    Damaged { what: &'static str },
    #[error(
        "it belongs to deployment {theirs}, this node to {ours}: it uses another store; \
         see that both are configured for the same one"
    )]
    OtherDeployment {
        theirs: DeploymentId,
        ours: DeploymentId,
    },
    #[error(
        "it calls itself {says}, but its certificate is that of {proven}: give it its own certificate"
    )]
    NotProven { says: NodeId, proven: NodeId },
    #[error("{dialled} was dialled, and {says} answered: see to the nodes' addresses")]
    NotDialled { says: NodeId, dialled: NodeId },
    #[error(
        "it speaks versions {theirs_min} to {theirs_max} of the links' protocol, this node {ours_min} to \
         {ours_max}: upgrade the older of the two by way of the releases between"
    )]
    UnsupportedVersion {
        theirs_min: u32,
        theirs_max: u32,
        ours_min: u32,
        ours_max: u32,
    },
    #[error("node {} is no member in its life {}", life.node, life.boot)]
    NotAMember { life: Life },
}

impl Refused {
    /// As it is told to the other node.
    pub(super) const fn reason(&self) -> FarewellReason {
        match self {
            Self::NoHello
            | Self::Damaged { .. }
            | Self::NotProven { .. }
            | Self::NotDialled { .. } => FarewellReason::Violation,
            Self::OtherDeployment { .. } => FarewellReason::OtherDeployment,
            Self::UnsupportedVersion { .. } => FarewellReason::UnsupportedVersion,
            Self::NotAMember { .. } => FarewellReason::NotAMember,
        }
    }
}
