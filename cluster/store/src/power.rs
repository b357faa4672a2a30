//! Power loss: what an embedded store still holds when the machine stops between any two writes.
//!
//! Owns: a disk in memory that records every write, change of length and sync; the images that a real
//! disk could be left with at any moment of that record; and the check that the real store, opened
//! over such an image, holds every commit that had been acknowledged by then, whole.
//!
//! The model of a disk: what was written before a completed sync is kept; of what came after, any
//! part may be kept, in any order, and a write may be torn at sectors of 512 bytes. A quarter of the
//! images are then opened, written to and cut off once more, so that recovery itself is cut off too.
//!
//! Killing a process shows none of this: the kernel still writes what a dead process left behind.
//!
//! Leaves out: the making of a new file, which gets its name only when it is whole; bit rot, and disks that lie about their syncs. A test has the disk lie, to show that
//! the check would notice.

mod image;
mod recording;
#[cfg(test)]
mod tests;
mod workload;

use cluster_types::Rng;

use image::Crash;
use recording::RecordingDisk;
use workload::{Run, Verdict};

use crate::StoreError;

/// Images that one record serves before the next workload runs: enough to reach most of its syncs.
const IMAGES_PER_RUN: u64 = 50;

/// One image in this many is opened, written to and cut off once more.
const SECOND_CRASH_ONE_IN: u64 = 4;

/// Commits of each writer between the two cuts: few, so that recovery is a large part of the record.
const SECOND_COMMITS_EACH: u32 = 2;

/// Failures that a report describes; the rest is only counted.
const DESCRIBED_MAX: usize = 10;

/// How much to try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PowerLoad {
    /// Crash images to make and check.
    pub images: u64,
    /// Tasks that commit at the same time.
    pub writers: usize,
    /// Commits of each task in one run.
    pub commits_each: u32,
    /// Decides what is written and where it is cut off. What the disk is asked to do in between
    /// also depends on the timing of threads.
    pub seed: u64,
}

impl Default for PowerLoad {
    /// A thousand images of eight writers.
    fn default() -> Self {
        Self {
            images: 1_000,
            writers: 8,
            commits_each: 30,
            seed: 1,
        }
    }
}

/// What came of it. Good is: nothing lost, torn or unopenable.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PowerReport {
    /// Images made and checked.
    pub images: u64,
    /// Images cut off right after a sync.
    pub at_syncs: u64,
    /// Images cut off between syncs, with some of the writes since.
    pub between_syncs: u64,
    /// Images cut off while the store recovered from an earlier cut.
    pub second_crashes: u64,
    /// Acknowledged commits that were looked for, over all images.
    pub acked_checked: u64,
    /// Acknowledged commits that were missing.
    pub lost: u64,
    /// Writers whose rows were not as any of their commits left them, and stores that opened and
    /// could not be written to.
    pub torn: u64,
    /// Images that did not open.
    pub unopenable: u64,
    /// Syncs that the disk was asked for.
    pub syncs: u64,
    /// The first failures, in words, each with what it takes to look at it again.
    pub failures: Vec<String>,
}

impl PowerReport {
    /// Whether every image held what it had to.
    pub const fn is_clean(&self) -> bool {
        self.lost == 0 && self.torn == 0 && self.unopenable == 0
    }

    fn add(&mut self, verdict: &Verdict, crash: &Crash) {
        self.images += 1;
        self.acked_checked += verdict.acked;
        self.lost += verdict.lost;
        self.torn += verdict.torn;
        self.unopenable += u64::from(!verdict.opened);
        if crash.is_at_sync {
            self.at_syncs += 1;
        } else {
            self.between_syncs += 1;
        }
        if verdict.lost > 0 || verdict.torn > 0 || !verdict.opened {
            self.describe(format!("{crash:?}: {verdict:?}"));
        }
    }

    fn add_unusable(&mut self, error: &StoreError) {
        self.images += 1;
        self.torn += 1;
        self.describe(format!("a store that opened cannot be written to: {error}"));
    }

    fn describe(&mut self, failure: String) {
        if self.failures.len() < DESCRIBED_MAX {
            self.failures.push(failure);
        }
    }
}

/// Runs workloads and checks images until enough have been checked; `progress` hears how many.
pub async fn power_loss(load: PowerLoad, mut progress: impl FnMut(u64)) -> PowerReport {
    let made = workload::new_store().await;
    run(load, &made, &mut progress, RecordingDisk::new).await
}

async fn run(
    load: PowerLoad,
    made: &[u8],
    progress: &mut impl FnMut(u64),
    disk: impl Fn(Vec<u8>) -> RecordingDisk,
) -> PowerReport {
    let rng = Rng::seeded(load.seed);
    let mut report = PowerReport::default();
    while report.images < load.images {
        let run = Run::record(disk(made.to_vec()), load.writers, load.commits_each, &rng).await;
        let run = match run {
            Ok(run) => run,
            Err(error) => {
                // Nothing was cut off yet: a store that cannot be written to has nothing to show.
                report.add_unusable(&error);
                return report;
            }
        };
        report.syncs += run.syncs();
        let until = load.images.min(report.images + IMAGES_PER_RUN);
        while report.images < until {
            let crash = Crash::draw(run.events(), &rng);
            let image = crash.image(run.start(), run.events());
            let verdict = run.check(&image, crash.position).await;
            report.add(&verdict, &crash);
            progress(report.images);
            let again = rng.below(SECOND_CRASH_ONE_IN) == 0 && report.images < until;
            if again && verdict.opened {
                second_crash(disk(image), load.writers, &rng, &mut report).await;
                progress(report.images);
            }
        }
    }
    report
}

/// Opens an image, writes a little, and cuts it off once more.
async fn second_crash(disk: RecordingDisk, writers: usize, rng: &Rng, report: &mut PowerReport) {
    report.second_crashes += 1;
    match Run::record(disk, writers, SECOND_COMMITS_EACH, rng).await {
        Ok(run) => {
            let crash = Crash::draw(run.events(), rng);
            let image = crash.image(run.start(), run.events());
            report.add(&run.check(&image, crash.position).await, &crash);
        }
        Err(error) => report.add_unusable(&error),
    }
}
