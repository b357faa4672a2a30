//! Some images in every run of the tests; `loadtest crash --power` makes many more.

use super::*;

const LOAD: PowerLoad = PowerLoad {
    images: 120,
    writers: 6,
    commits_each: 20,
    seed: 1,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_power_goes_away() {
    let mut heard = 0;
    let report = power_loss(LOAD, |images| heard = images).await;
    assert!(report.is_clean(), "{report:#?}");
    assert!(
        (LOAD.images..=LOAD.images + 1).contains(&report.images),
        "{report:?}"
    );
    assert_eq!(heard, report.images);
    assert!(report.acked_checked > 1_000, "{report:?}");
    assert!(
        report.at_syncs > 20 && report.between_syncs > 20,
        "{report:?}"
    );
    assert!(report.second_crashes > 5, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_lies_about_its_syncs_is_found_out() {
    let load = PowerLoad { images: 40, ..LOAD };
    let made = workload::new_store().await;
    let report = run(load, &made, &mut |_| {}, RecordingDisk::lying).await;
    assert!(
        report.lost > 0 || report.unopenable > 0 || report.torn > 0,
        "{report:?}"
    );
    assert!(!report.failures.is_empty() && report.failures.len() <= DESCRIBED_MAX);
}
