//! Why something of the membership did not happen.

use cluster_store::{AsStoreError, StoreError};
use cluster_types::{Coded, Epoch, ErrorCode, NodeId};

/// Why a node does not belong to the cluster. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A process with the same node id renews its row.
    #[error(
        "node {node} is in use by another process that is alive: stop that one, or give this one a data \
         directory of its own"
    )]
    InUse {
        /// The id of both.
        node: NodeId,
    },
    /// The store belongs to a node without a cluster.
    #[error(
        "node {node} uses the store alone: stop it, then start this one; if it was killed, start it once more and \
         stop it in an orderly way"
    )]
    Alone {
        /// That node.
        node: NodeId,
    },
    /// The store belongs to a cluster that is alive.
    #[error("node {node} of a cluster uses the store: stop its nodes, or have this one join them")]
    Cluster {
        /// One of its nodes.
        node: NodeId,
    },
    /// A member and this node cannot work on the same rows.
    #[error(
        "node {node} runs {version}, which writes schema version {theirs}, and this one writes {ours}: roll a cluster \
         from one version to the next, without leaving any out"
    )]
    Schema {
        /// The member.
        node: NodeId,
        /// The release that it runs.
        version: String,
        /// What it writes.
        theirs: u32,
        /// What this node writes.
        ours: u32,
    },
    /// The store fails.
    #[error("the store does not take this node's row")]
    Store(#[source] StoreError),
}

impl From<StoreError> for JoinError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl AsStoreError for JoinError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::InUse { .. }
            | Self::Alone { .. }
            | Self::Cluster { .. }
            | Self::Schema { .. } => None,
        }
    }
}

/// Why a transaction must not write for a room.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FenceError {
    /// Somebody else owns its shard, or this node in another life or epoch.
    #[error("the shard of the room has another owner")]
    Fenced {
        /// Who owns it now; nobody if nobody ever did.
        owner: Option<NodeId>,
        /// Under which epoch.
        epoch: Epoch,
    },
    /// The row cannot be read.
    #[error("who owns the shard of the room cannot be read")]
    Store(#[source] StoreError),
}

impl From<StoreError> for FenceError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl AsStoreError for FenceError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Fenced { .. } => None,
        }
    }
}

impl Coded for FenceError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Fenced { .. } => ErrorCode::NotHere,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Fenced { .. } => "SHARD_FENCED",
            Self::Store(error) => error.reason(),
        }
    }
}

/// Why a shard was not moved.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MoveError {
    /// The node is no member, or takes no shards.
    #[error("node {node} is no member that takes shards")]
    NotServing {
        /// Where it was to go.
        node: NodeId,
    },
    /// It is on its way: its owner knows, and has not handed it over yet.
    #[error("the shard has not moved yet, and will")]
    Late,
    /// The store fails. It may move all the same if the outcome is unknown.
    #[error("the store does not take the move")]
    Store(#[source] StoreError),
}

impl From<StoreError> for MoveError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl AsStoreError for MoveError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NotServing { .. } | Self::Late => None,
        }
    }
}

impl Coded for MoveError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotServing { .. } => ErrorCode::Conflict,
            Self::Late => ErrorCode::Timeout,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotServing { .. } => "NODE_NOT_SERVING",
            Self::Late => "MOVE_LATE",
            Self::Store(error) => error.reason(),
        }
    }
}

/// Why a node was not withdrawn.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WithdrawError {
    /// There is no such member.
    #[error("node {node} is no member of the cluster")]
    NoMember {
        /// The node that was asked for.
        node: NodeId,
    },
    /// Nobody could take its rooms.
    #[error("the node is the only one, and nobody else may join")]
    Alone,
    /// The store fails. It may be withdrawn all the same if the outcome is unknown.
    #[error("the store does not take the wish")]
    Store(#[source] StoreError),
}

impl From<StoreError> for WithdrawError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl AsStoreError for WithdrawError {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NoMember { .. } | Self::Alone => None,
        }
    }
}

impl Coded for WithdrawError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoMember { .. } | Self::Alone => ErrorCode::Conflict,
            Self::Store(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoMember { .. } => "NODE_NO_MEMBER",
            Self::Alone => "NODE_ALONE",
            Self::Store(error) => error.reason(),
        }
    }
}
