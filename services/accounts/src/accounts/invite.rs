//! Invitations: permissions for one registration each, and the server's own first one.

use cluster_store::{MaybeCommitted, StoreError, Transaction};
use cluster_types::{Caller, InvitationId};
use services_vault::Vault;

use super::Accounts;
use super::administer::require_administrator;
use crate::error::AdministerError;
use crate::limits::{INVITATION_DAYS, WALK_ROWS};
use crate::secret::InvitationSecret;
use crate::state::{Invitation, Role, expiry_after, is_over};
use crate::store;
use crate::text::Note;

/// An administrator wants somebody to register.
#[derive(Debug)]
pub(crate) struct NewInvitation {
    pub(crate) role: Role,
    pub(crate) valid_days: u32,
    pub(crate) note: Note,
}

impl Accounts {
    /// Makes an invitation. Its secret is in the answer and nowhere else.
    pub(crate) async fn invite(
        &self,
        caller: Caller,
        command: NewInvitation,
    ) -> Result<(Invitation, InvitationSecret), AdministerError> {
        require_administrator(caller)?;
        let (mut invitation, secret) = self.new_invitation(command);
        invitation.created_by = Some(caller.account);
        let (written, vault) = (&invitation, &self.inner.vault);
        let write = |tx: Transaction, _: MaybeCommitted| async move {
            store::set_invitation(&tx, vault, written)
        };
        self.inner.store.run(write).await?;
        Ok((invitation, secret))
    }

    /// A page of the invitations that can still be used, and where the next one begins.
    pub(crate) async fn invitations(
        &self,
        caller: Caller,
        after: Option<InvitationId>,
        limit: usize,
    ) -> Result<(Vec<Invitation>, Option<InvitationId>), AdministerError> {
        require_administrator(caller)?;
        let vault = &self.inner.vault;
        let read =
            |tx: Transaction| async move { store::invitation_page(&tx, vault, after, limit).await };
        let (mut page, more) = self.inner.store.read(read).await?;
        let next = page.last().filter(|_| more).map(|last| last.id);
        let today = self.inner.clock.today();
        page.retain(|invitation| !is_over(invitation.expiry, today));
        Ok((page, next))
    }

    /// Withdraws an invitation.
    pub(crate) async fn withdraw(
        &self,
        caller: Caller,
        id: InvitationId,
    ) -> Result<(), AdministerError> {
        require_administrator(caller)?;
        let today = self.inner.clock.today();
        let write = async |tx: Transaction, earlier: MaybeCommitted| {
            let found = store::invitation(&tx, &self.inner.vault, id).await?;
            match found.filter(|invitation| !is_over(invitation.expiry, today)) {
                Some(found) => Ok(store::clear_invitation(&tx, &found)?),
                None if earlier.is_yes() => Ok(()),
                None => Err(AdministerError::NotFound("invitation")),
            }
        };
        self.inner.store.run(write).await
    }

    /// While the server has no administrator who can act: makes the invitation for the first one, and
    /// voids the one made before, whose secret nobody can look up any more. Answers its secret, to be
    /// shown to whoever starts the server. `None` once there is an administrator.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn ensure_administrator_invitation(
        &self,
    ) -> Result<Option<InvitationSecret>, StoreError> {
        let (invitation, secret) = self.new_invitation(NewInvitation {
            role: Role::Administrator,
            valid_days: INVITATION_DAYS,
            note: Note::default(),
        });
        let vault = &self.inner.vault;
        let write = async |tx: Transaction| {
            if store::administrator(&tx, None).await?.is_some() {
                return Ok(false);
            }
            void_own_invitations(&tx, vault).await?;
            store::set_invitation(&tx, vault, &invitation)?;
            Ok::<_, StoreError>(true)
        };
        let made = self
            .inner
            .store
            .run(|tx, _: MaybeCommitted| write(tx))
            .await?;
        Ok(made.then_some(secret))
    }

    fn new_invitation(&self, command: NewInvitation) -> (Invitation, InvitationSecret) {
        let secret = InvitationSecret::random(&self.inner.rng);
        let invitation = Invitation {
            id: InvitationId::random(&self.inner.rng),
            secret: secret.digest(),
            role: command.role,
            expiry: expiry_after(command.valid_days, self.inner.clock.today()),
            created_by: None,
            note: command.note.into_string(),
        };
        (invitation, secret)
    }
}

/// Clears the invitations that the server itself has made.
async fn void_own_invitations(tx: &Transaction, vault: &Vault) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let (page, more) = store::invitation_page(tx, vault, after, WALK_ROWS).await?;
        for own in page
            .iter()
            .filter(|invitation| invitation.created_by.is_none())
        {
            store::clear_invitation(tx, own)?;
        }
        match page.last() {
            Some(last) if more => after = Some(last.id),
            _ => return Ok(()),
        }
    }
}
