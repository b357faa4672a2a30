//! Invitations and their secrets.

use cluster_store::schema::{self, Table};
use cluster_store::{RowRange, StoreError, Transaction};
use cluster_types::{Day, InvitationId};
use proto::storage::v1;
use services_vault::Vault;

use super::sealing;
use super::{bytes, digest, id, page, role, role_row};
use crate::secret::Digest;
use crate::state::Invitation;

pub(crate) async fn invitation(
    tx: &Transaction,
    vault: &Vault,
    invitation: InvitationId,
) -> Result<Option<Invitation>, StoreError> {
    let key = schema::Invitation { invitation };
    let row = tx.row(&key).await?;
    row.map(|row| invitation_of_row(vault, &key, row))
        .transpose()
}

pub(crate) async fn invitation_of_secret(
    tx: &Transaction,
    vault: &Vault,
    secret: Digest,
) -> Result<Option<Invitation>, StoreError> {
    let Some(row) = tx.row(&schema::InvitationSecret { hash: secret }).await? else {
        return Ok(None);
    };
    invitation(tx, vault, id(&row.invitation_id, Table::InvitationSecret)?).await
}

pub(crate) async fn invitation_page(
    tx: &Transaction,
    vault: &Vault,
    after: Option<InvitationId>,
    limit_rows: usize,
) -> Result<(Vec<Invitation>, bool), StoreError> {
    let after = after.map(|invitation| schema::Invitation { invitation });
    let page = page(tx, RowRange::all(), after.as_ref(), limit_rows).await?;
    let rows = page.rows.into_iter();
    let rows: Result<_, _> = rows
        .map(|(key, row)| invitation_of_row(vault, &key, row))
        .collect();
    Ok((rows?, page.more))
}

pub(crate) fn set_invitation(
    tx: &Transaction,
    vault: &Vault,
    invitation: &Invitation,
) -> Result<(), StoreError> {
    let created_by = invitation
        .created_by
        .map(|account| bytes(account.as_bytes()));
    let row = v1::Invitation {
        secret_hash: bytes(&invitation.secret),
        role: role_row(invitation.role).into(),
        expiry_day: invitation.expiry.0,
        created_by: created_by.unwrap_or_default(),
        note: invitation.note.clone(),
        ..Default::default()
    };
    let key = schema::Invitation {
        invitation: invitation.id,
    };
    tx.set_row(&key, &sealing::seal(vault.server_sealer(), &key, row)?)?;
    let row = v1::InvitationSecret {
        invitation_id: bytes(invitation.id.as_bytes()),
    };
    tx.set_row(
        &schema::InvitationSecret {
            hash: invitation.secret,
        },
        &row,
    )
}

pub(crate) fn clear_invitation(
    tx: &Transaction,
    invitation: &Invitation,
) -> Result<(), StoreError> {
    tx.clear_row(&schema::Invitation {
        invitation: invitation.id,
    })?;
    tx.clear_row(&schema::InvitationSecret {
        hash: invitation.secret,
    })
}

fn invitation_of_row(
    vault: &Vault,
    key: &schema::Invitation,
    row: v1::Invitation,
) -> Result<Invitation, StoreError> {
    let row = sealing::open(vault.server_sealer(), key, row)?;
    let created_by = (!row.created_by.is_empty())
        .then(|| id(&row.created_by, Table::Invitation))
        .transpose()?;
    Ok(Invitation {
        id: key.invitation,
        secret: digest(&row.secret_hash, Table::Invitation)?,
        role: role(row.role()),
        expiry: Day(row.expiry_day),
        created_by,
        note: row.note,
    })
}
