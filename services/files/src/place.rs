//! Whose the objects are: beside the files an object says to which deployment they belong.
//!
//! Invariant: no upload begins, and nothing is put or removed, before it is known that the place is this store's. A
//! place is marked as long as neither it nor the store has a file. One wrong setting, a disk that is not mounted, or
//! two servers with one bucket are refused, where each of them would take all files away.
//!
//! Leaves out: two deployments that mark one empty place in the same moment.

use std::sync::Arc;

use cluster_store::schema::{File, FileRemoval, Row};
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::DeploymentId;

use crate::objects::{MARK, Objects};
use crate::{Files, ReadError, SealedFiles, StartError, WriteError};

/// Why a place for files cannot be used with a store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PlaceError {
    /// It belongs to another one.
    #[error(
        "the files in {location} belong to the deployment {found}, and the store is that of {expected}: name the \
         place of this store's files (files.folder, files.s3), or the store of these (--store)"
    )]
    Foreign {
        /// Where they lie.
        location: String,
        /// Whose they are.
        found: String,
        /// Whose they should be.
        expected: DeploymentId,
    },
    /// Files of this store lie elsewhere.
    #[error(
        "the store knows of files, and nothing in {location} says that they lie there: mount its disk, or name \
         their place (files.folder, files.s3); where they are this store's, put its id {expected} beside them, in an \
         object {MARK}"
    )]
    Unmarked {
        /// Where they do not lie.
        location: String,
        /// Whose they should be.
        expected: DeploymentId,
    },
    /// What lies there is not this store's.
    #[error(
        "the store knows of no files, and there are some in {location}: name another place (files.folder, \
         files.s3), or move them away"
    )]
    Strange {
        /// Where they lie.
        location: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store does not say.
    #[error("the place of files, {location}, does not say whose it is")]
    Objects {
        /// Where they lie.
        location: String,
        /// What it says.
        #[source]
        source: Arc<object_store::Error>,
    },
}

impl Files {
    /// Makes sure that the objects are this store's. A place that is nobody's becomes so. It is asked once; whoever
    /// needs to know asks again until it was answered.
    ///
    /// # Errors
    /// If they are not, or if that cannot be told.
    pub async fn check_place(&self) -> Result<(), PlaceError> {
        let place = &self.inner.place;
        place.get_or_try_init(|| self.look_at_place()).await?;
        Ok(())
    }

    async fn look_at_place(&self) -> Result<(), PlaceError> {
        let (objects, expected) = (&self.inner.objects, self.inner.deployment);
        if objects.is_marked(expected).await? {
            return Ok(());
        }
        let location = objects.location();
        let knows_files = |tx: Transaction| async move {
            Ok::<_, StoreError>(has::<File>(&tx).await? || has::<FileRemoval>(&tx).await?)
        };
        if self.inner.store.read(knows_files).await? {
            return Err(PlaceError::Unmarked { location, expected });
        }
        let is_empty = objects.is_empty().await;
        if !is_empty.map_err(|error| objects.silent(error))? {
            return Err(PlaceError::Strange { location });
        }
        objects.mark(expected).await
    }
}

impl SealedFiles {
    /// Makes the place that of a deployment: of one whose files are about to be written there.
    ///
    /// # Errors
    /// If it belongs to another one, or the object store fails.
    pub async fn mark(&self, deployment: DeploymentId) -> Result<(), PlaceError> {
        if self.0.is_marked(deployment).await? {
            return Ok(());
        }
        self.0.mark(deployment).await
    }
}

impl Objects {
    /// Whether they are of this deployment; not if they are nobody's yet.
    async fn is_marked(&self, expected: DeploymentId) -> Result<bool, PlaceError> {
        let found = self.whose().await.map_err(|error| self.silent(error))?;
        match found {
            None => Ok(false),
            Some(found) if found == expected.to_string() => Ok(true),
            Some(found) => Err(PlaceError::Foreign {
                location: self.location(),
                found,
                expected,
            }),
        }
    }

    async fn mark(&self, deployment: DeploymentId) -> Result<(), PlaceError> {
        let put = self.put_mark(&deployment.to_string()).await;
        put.map_err(|error| self.silent(error))
    }

    fn silent(&self, error: object_store::Error) -> PlaceError {
        PlaceError::Objects {
            location: self.location(),
            source: Arc::new(error),
        }
    }
}

impl PlaceError {
    /// Whether waiting may cure it. All else is for whoever has set the place.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Foreign { .. } | Self::Unmarked { .. } | Self::Strange { .. } => false,
            Self::Store(_) | Self::Objects { .. } => true,
        }
    }

    /// As an error of the object store, which it is to whoever wants to use the place.
    fn into_objects(self) -> Result<Arc<object_store::Error>, StoreError> {
        match self {
            Self::Store(error) => Err(error),
            Self::Objects { source, .. } => Ok(source),
            Self::Foreign { .. } | Self::Unmarked { .. } | Self::Strange { .. } => {
                Ok(Arc::new(object_store::Error::Generic {
                    store: "files",
                    source: Box::new(self),
                }))
            }
        }
    }
}

macro_rules! as_objects {
    ($($error:ident),*) => {$(
        impl From<PlaceError> for $error {
            fn from(error: PlaceError) -> Self {
                match error.into_objects() {
                    Ok(error) => Self::Objects(error),
                    Err(error) => Self::Store(error),
                }
            }
        }
    )*};
}

as_objects!(WriteError, ReadError);

impl From<PlaceError> for StartError {
    fn from(error: PlaceError) -> Self {
        if let PlaceError::Store(error) = error {
            return Self::Store(error);
        }
        let cause = &error as &dyn std::error::Error;
        tracing::error!(cause, "no upload can begin");
        Self::Place
    }
}

async fn has<K: Row>(tx: &Transaction) -> Result<bool, StoreError> {
    let first = Scan {
        limit_rows: 1,
        ..Scan::default()
    };
    let page = tx.scan(RowRange::<K>::all(), first).await?;
    Ok(!page.rows.is_empty())
}
