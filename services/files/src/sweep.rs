//! The sweep: takes away what nobody needs any more, in small steps.
//!
//! Invariant: what cannot be taken away keeps nothing else from going. A row or an object that fails is logged,
//! counted and passed over, and so is a part of the sweep; the next sweep tries all of them again.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use cluster_membership::Membership;
use cluster_store::StoreError;
use cluster_types::{AccountId, FileId};
use tokio::time::{sleep, timeout};

use crate::limits::{REMOVALS_AGAIN, REMOVALS_EVERY, SWEEP_EVERY, SWEEP_FAILURES_MAX};
use crate::{Files, ReadError};

mod objects;
mod rows;

/// Who there is, as far as files have to know.
#[async_trait]
pub trait People: fmt::Debug + Send + Sync + 'static {
    /// Whether there is such an account.
    ///
    /// # Errors
    /// If that cannot be found out now.
    async fn exists(&self, account: AccountId) -> Result<bool, StoreError>;
}

/// What a sweep has taken away.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    /// Files of accounts that are gone, in messages or not.
    pub ownerless: u64,
    /// Uploads that were in no message for too long.
    pub uploads: u64,
    /// Files whose objects were removed.
    pub files: u64,
    /// Objects of no file.
    pub strays: u64,
    /// What could not be looked at or taken away. The log says what it was.
    pub failures: u64,
}

/// A sweep under way.
struct Sweep<'a> {
    files: &'a Files,
    swept: Swept,
    failures_in_a_row: usize,
    /// Objects since the last pause.
    unpaced: u64,
}

impl Files {
    /// Sweeps without end, and in between removes what is given up, released or too old from one moment to the
    /// next, whatever transaction did it on whatever node. Only while it is this node's turn; two that sweep take
    /// nothing away that one would not.
    pub(crate) async fn keep_swept(&self, membership: &Membership) {
        let mut swept = Swept::default();
        loop {
            membership.until_caretaker().await;
            swept.add(self.sweep().await);
            std::mem::take(&mut swept).log();
            // What it is at when the time is over is for the sweep that follows.
            let _over = timeout(SWEEP_EVERY, self.keep_removing(&mut swept, membership)).await;
        }
    }

    async fn keep_removing(&self, swept: &mut Swept, membership: &Membership) {
        let mut pause = REMOVALS_EVERY;
        loop {
            sleep(pause).await;
            membership.until_caretaker().await;
            let mut sweep = Sweep::new(self);
            sweep.remove().await;
            swept.add(sweep.swept);
            pause = if sweep.swept.failures == 0 {
                REMOVALS_EVERY
            } else {
                REMOVALS_AGAIN
            };
        }
    }

    /// Sweeps once through everything. Can be dropped at any time.
    pub async fn sweep(&self) -> Swept {
        let mut sweep = Sweep::new(self);
        let ended = sweep.ownerless().await;
        sweep.over("files of accounts that are gone", ended);
        let ended = sweep.uploads().await;
        sweep.over("uploads", ended);
        sweep.remove().await;
        let ended = sweep.strays().await;
        sweep.over("objects of no file", ended);
        sweep.swept
    }
}

impl<'a> Sweep<'a> {
    fn new(files: &'a Files) -> Self {
        Self {
            files,
            swept: Swept::default(),
            failures_in_a_row: 0,
            unpaced: 0,
        }
    }

    async fn remove(&mut self) {
        let ended = self.removals().await;
        self.over("files to be removed", ended);
    }

    /// What became of one file, or of something of it: whether it went. A part of the sweep goes on after one that
    /// failed.
    ///
    /// # Errors
    /// If so many in a row have failed that the rest would fail as well.
    fn went(&mut self, file: FileId, result: Result<bool, ReadError>) -> Result<bool, ReadError> {
        let error = match result {
            Ok(went) => {
                self.failures_in_a_row = 0;
                return Ok(went);
            }
            Err(error) => error,
        };
        self.swept.failures += 1;
        self.failures_in_a_row += 1;
        let cause = &error as &dyn Error;
        tracing::error!(%file, cause, "a file was not swept; the next sweep tries again");
        if self.failures_in_a_row < SWEEP_FAILURES_MAX {
            Ok(false)
        } else {
            Err(error)
        }
    }

    /// A part of the sweep is over.
    fn over(&mut self, part: &'static str, ended: Result<(), ReadError>) {
        self.failures_in_a_row = 0;
        if let Err(error) = ended {
            self.swept.failures += 1;
            let cause = &error as &dyn Error;
            tracing::error!(
                part,
                cause,
                "a part of the sweep ended early; the next sweep tries again"
            );
        }
    }
}

impl Swept {
    fn add(&mut self, more: Self) {
        let Self {
            ownerless,
            uploads,
            files,
            strays,
            failures,
        } = more;
        self.ownerless += ownerless;
        self.uploads += uploads;
        self.files += files;
        self.strays += strays;
        self.failures += failures;
    }

    /// Says it to whoever reads the log, if there is anything to say.
    pub(crate) fn log(self) {
        if self == Self::default() {
            return;
        }
        let Self {
            ownerless,
            uploads,
            files,
            strays,
            failures,
        } = self;
        tracing::info!(
            ownerless,
            uploads,
            files,
            strays,
            failures,
            "files were swept"
        );
    }
}
