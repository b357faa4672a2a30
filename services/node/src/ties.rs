//! [`Ties`]: what the services below tell those above, held so that a node that is dropped is gone.
//!
//! Sign-ins that end, shards that come and go, and what other nodes say is told upwards, to services that themselves
//! hold those who tell. If each held the other, no node would ever be freed: the simulation, which has thousands of
//! lives in a process, would run out of memory.
//!
//! Invariant: who tells knows whom it tells [weakly](Weakly), and the node holds both. After its last clone has been
//! dropped, nobody is told.

use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use cluster_membership::{Owner, Tenant};
use cluster_rpc::link::{Answer, Handler};
use cluster_types::{AccountId, NodeId, Shard, SignInId};
use services_accounts::SignInEnded;
use services_rooms::Rooms;

use crate::cluster::Answering;
use crate::known::EndStreams;

/// Those who are told.
#[derive(Debug)]
#[expect(dead_code, reason = "they are held, and used by those who tell")]
pub(crate) struct Ties {
    /// Of sign-ins that end.
    pub(crate) streams: Arc<EndStreams>,
    /// Of shards.
    pub(crate) rooms: Arc<Rooms>,
    /// What other nodes say.
    pub(crate) answering: Arc<Answering>,
}

/// Tells somebody for as long as it is there.
pub(crate) struct Weakly<T>(Weak<T>);

impl<T> Weakly<T> {
    /// Whom `held` holds.
    pub(crate) fn of(held: &Arc<T>) -> Arc<Self> {
        Arc::new(Self(Arc::downgrade(held)))
    }
}

impl<T> fmt::Debug for Weakly<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Weakly")
    }
}

#[async_trait]
impl<T: SignInEnded> SignInEnded for Weakly<T> {
    fn sign_in_ended(&self, account: AccountId, sign_in: SignInId) {
        if let Some(told) = self.0.upgrade() {
            told.sign_in_ended(account, sign_in);
        }
    }

    fn any_may_have_ended(&self) {
        if let Some(told) = self.0.upgrade() {
            told.any_may_have_ended();
        }
    }

    async fn tell_other_nodes(&self) {
        if let Some(told) = self.0.upgrade() {
            told.tell_other_nodes().await;
        }
    }
}

#[async_trait]
impl<T: Tenant> Tenant for Weakly<T> {
    async fn release(&self, shards: &[Shard]) {
        if let Some(told) = self.0.upgrade() {
            told.release(shards).await;
        }
    }

    fn handed(&self, handed: &[(Shard, Owner)]) {
        if let Some(told) = self.0.upgrade() {
            told.handed(handed);
        }
    }

    fn lost(&self, shards: &[Shard]) {
        if let Some(told) = self.0.upgrade() {
            told.lost(shards);
        }
    }

    fn gained(&self, shards: &[Shard]) {
        if let Some(told) = self.0.upgrade() {
            told.gained(shards);
        }
    }
}

impl<T: Handler> Handler for Weakly<T> {
    fn linked(&self, peer: NodeId) {
        if let Some(told) = self.0.upgrade() {
            told.linked(peer);
        }
    }

    fn unlinked(&self, peer: NodeId) {
        if let Some(told) = self.0.upgrade() {
            told.unlinked(peer);
        }
    }

    fn told(&self, peer: NodeId, body: Bytes) {
        if let Some(told) = self.0.upgrade() {
            told.told(peer, body);
        }
    }

    fn asked(&self, peer: NodeId, body: Bytes, answer: Answer) {
        // The answer that is dropped says that there is none.
        if let Some(told) = self.0.upgrade() {
            told.asked(peer, body, answer);
        }
    }
}
