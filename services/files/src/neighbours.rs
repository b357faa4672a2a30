//! What files need of others, who know nothing of files: who may send into a room and read from it, which sign-ins
//! stand, and how fast an account goes.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use cluster_store::StoreError;
use cluster_types::{AccountId, Caller, Coded, FileId, RoomId, Seq};

use crate::Descriptor;

/// Why a room does not let somebody send or read. The caller hears it as it is.
pub type Refused = Box<dyn Coded + Send + Sync>;

/// The rooms whose messages carry files.
#[async_trait]
pub trait Carriers: Debug + Send + Sync + 'static {
    /// Whether `account` may send into `room` now.
    ///
    /// # Errors
    /// As a message of its own would be refused there.
    async fn may_send(&self, account: AccountId, room: RoomId) -> Result<(), Refused>;

    /// The file that the message at `seq` carries, if `account` may read it: all in one snapshot.
    ///
    /// # Errors
    /// If there is no such message for `account`, or if it does not carry the file, or not any more.
    async fn carried(
        &self,
        account: AccountId,
        room: RoomId,
        seq: Seq,
        file: FileId,
    ) -> Result<Descriptor, Refused>;
}

/// Whether a sign-in still stands: asked once more when a transfer has been registered, since it may have
/// been ended between the check of its token and that moment.
#[async_trait]
pub trait SignIns: Debug + Send + Sync + 'static {
    /// Whether the caller's token is still good.
    ///
    /// # Errors
    /// If the store cannot say. Nobody is signed out by that.
    async fn is_current(&self, caller: &Caller) -> Result<bool, StoreError>;
}

/// How fast an account goes.
pub trait Pace: Debug + Send + Sync + 'static {
    /// Counts something that weighs as much as a call.
    ///
    /// # Errors
    /// If the caller is too fast: when to go on. Nothing is counted then.
    fn take(&self, caller: &Caller) -> Result<(), Duration>;
}
