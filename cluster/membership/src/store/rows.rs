//! Stored values, read into types and back.
//!
//! Invariant: what does not read is an error that names its table, and never somebody else's life.

use cluster_store::{StoreError, Table};
use cluster_types::{BootId, Epoch, Life, NodeId};
use proto::storage::v1;

use crate::{Addresses, Member, NodeState, Owner};

/// The life with this stored boot id.
pub(super) fn life_of(node: NodeId, boot_id: &[u8]) -> Option<Life> {
    let boot = BootId::try_from(boot_id).ok()?;
    Some(Life { node, boot })
}

pub(super) fn member_of(node: NodeId, row: v1::Node) -> Result<Member, StoreError> {
    let table = Table::Node;
    let life = life_of(node, &row.boot_id).ok_or(StoreError::Corrupt { table })?;
    let state = match row.state() {
        v1::NodeState::Serving => NodeState::Serving,
        v1::NodeState::Draining => NodeState::Draining,
        v1::NodeState::Joining | v1::NodeState::Unspecified => NodeState::Joining,
    };
    Ok(Member {
        life,
        addresses: Addresses {
            cluster: row.cluster_address,
            public: row.public_address,
            voice: row.voice_address,
        },
        version: row.version,
        schema_version: row.schema_version,
        state,
        alone: row.alone,
        withdrawn: row.withdrawn,
    })
}

pub(super) fn member_row(member: &Member) -> v1::Node {
    let mut row = v1::Node {
        boot_id: member.life.boot.as_bytes().to_vec().into(),
        cluster_address: member.addresses.cluster.clone(),
        public_address: member.addresses.public.clone(),
        voice_address: member.addresses.voice.clone(),
        version: member.version.clone(),
        schema_version: member.schema_version,
        alone: member.alone,
        withdrawn: member.withdrawn,
        ..Default::default()
    };
    row.set_state(state_row(member.state));
    row
}

pub(super) const fn state_row(state: NodeState) -> v1::NodeState {
    match state {
        NodeState::Joining => v1::NodeState::Joining,
        NodeState::Serving => v1::NodeState::Serving,
        NodeState::Draining => v1::NodeState::Draining,
    }
}

pub(super) fn owner_of(row: &v1::ShardOwner) -> Result<Owner, StoreError> {
    Ok(Owner {
        life: maybe_life(&row.node_id, &row.boot_id)?,
        epoch: Epoch(row.epoch),
        pin: maybe_life(&row.pinned_node_id, &row.pinned_boot_id)?,
    })
}

pub(super) fn owner_row(owner: &Owner) -> v1::ShardOwner {
    let node = |life: Life| life.node.as_bytes().to_vec();
    let boot = |life: Life| life.boot.as_bytes().to_vec();
    v1::ShardOwner {
        node_id: owner.life.map(node).unwrap_or_default().into(),
        boot_id: owner.life.map(boot).unwrap_or_default().into(),
        epoch: owner.epoch.0,
        pinned_node_id: owner.pin.map(node).unwrap_or_default().into(),
        pinned_boot_id: owner.pin.map(boot).unwrap_or_default().into(),
    }
}

/// Nobody, if both ids are empty.
fn maybe_life(node_id: &[u8], boot_id: &[u8]) -> Result<Option<Life>, StoreError> {
    if node_id.is_empty() && boot_id.is_empty() {
        return Ok(None);
    }
    let node = NodeId::try_from(node_id).ok();
    let life = node.and_then(|node| life_of(node, boot_id));
    let table = Table::ShardOwner;
    life.map(Some).ok_or(StoreError::Corrupt { table })
}
