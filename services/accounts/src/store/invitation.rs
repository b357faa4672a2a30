//! Invitations and their secrets.

use cluster_store::schema::{self, Table};
use cluster_store::{RowRange, StoreError, Transaction};
use cluster_types::{Day, InvitationId};
use proto::storage::v1;

use super::{bytes, digest, id, page, role, role_row};
use crate::secret::Digest;
use crate::state::Invitation;

pub(crate) async fn invitation(
    tx: &Transaction,
    invitation: InvitationId,
) -> Result<Option<Invitation>, StoreError> {
    let row = tx.row(&schema::Invitation { invitation }).await?;
    row.map(|row| invitation_of_row(invitation, row))
        .transpose()
}

pub(crate) async fn invitation_of_secret(
    tx: &Transaction,
    secret: Digest,
) -> Result<Option<Invitation>, StoreError> {
    let Some(row) = tx.row(&schema::InvitationSecret { hash: secret }).await? else {
        return Ok(None);
    };
    invitation(tx, id(&row.invitation_id, Table::InvitationSecret)?).await
}

pub(crate) async fn invitation_page(
    tx: &Transaction,
    after: Option<InvitationId>,
    limit_rows: usize,
) -> Result<(Vec<Invitation>, bool), StoreError> {
    let after = after.map(|invitation| schema::Invitation { invitation });
    let page = page(tx, RowRange::all(), after.as_ref(), limit_rows).await?;
    let rows = page.rows.into_iter();
    let rows: Result<_, _> = rows
        .map(|(key, row)| invitation_of_row(key.invitation, row))
        .collect();
    Ok((rows?, page.more))
}

pub(crate) fn set_invitation(tx: &Transaction, invitation: &Invitation) -> Result<(), StoreError> {
    let created_by = invitation
        .created_by
        .map(|account| bytes(account.as_bytes()));
    let row = v1::Invitation {
        secret_hash: bytes(&invitation.secret),
        role: role_row(invitation.role).into(),
        expiry_day: invitation.expiry.0,
        created_by: created_by.unwrap_or_default(),
        note: invitation.note.clone(),
    };
    tx.set_row(
        &schema::Invitation {
            invitation: invitation.id,
        },
        &row,
    )?;
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

fn invitation_of_row(id: InvitationId, row: v1::Invitation) -> Result<Invitation, StoreError> {
    let created_by = (!row.created_by.is_empty())
        .then(|| self::id(&row.created_by, Table::Invitation))
        .transpose()?;
    Ok(Invitation {
        id,
        secret: digest(&row.secret_hash, Table::Invitation)?,
        role: role(row.role()),
        expiry: Day(row.expiry_day),
        created_by,
        note: row.note,
    })
}
