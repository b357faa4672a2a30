//! The upgrade from schema version 1: what people write, and all times, are sealed.
//!
//! Invariant: every answer is the same before, during and after it. Each row is read in both forms, and
//! whoever writes one writes the newest; where an actor and this meet in a row, one of the two reads again.

use cluster_store::{StoreError, Upgrade};

use crate::{Rooms, store};

impl Rooms {
    /// Takes all steps of rooms. May be stopped anywhere, and goes on there.
    ///
    /// # Errors
    /// If the store fails. Repeat it then.
    pub async fn upgrade(&self, upgrade: &Upgrade) -> Result<(), StoreError> {
        let vault = &self.with.vault;
        let room = |tx, key, row| store::seal_room(tx, vault, key, row);
        upgrade.walk("rooms.rooms", room).await?;
        let head = |tx, key, row| async move { store::forget_time_of_head(&tx, &key, row) };
        upgrade.walk("rooms.heads", head).await?;
        let member = |tx, key, row| store::seal_member(tx, vault, key, row);
        upgrade.walk("rooms.members", member).await?;
        let event = |tx, key, row| store::seal_event(tx, vault, key, row);
        upgrade.walk("rooms.events", event).await?;
        let used = |tx, key, row| async move { store::forget_time(&tx, &key, row) };
        upgrade.walk("rooms.client_messages", used).await?;
        let key = |tx, key, _| store::drop_key_of_erased(tx, vault, key);
        upgrade.walk("rooms.keys", key).await?;
        Ok(())
    }
}
