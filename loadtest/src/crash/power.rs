//! Power cuts: the store's own check, over images of a disk that forgets what was not synced.

use cluster_store::power::{PowerLoad, PowerReport, power_loss};

use super::counted;
use crate::console::Console;
use crate::report::{Goal, Report, Row};
use crate::stats::number;

/// Checks as many images, and says what came of it.
pub(super) async fn run(images: u64, seed: u64, console: Console) -> (Report, String) {
    let load = PowerLoad {
        images,
        seed,
        ..PowerLoad::default()
    };
    let stage = console.stage("power: images of a disk", images);
    let found = power_loss(load, |checked| stage.set(checked)).await;
    drop(stage);
    let report = report(&found, seed);
    let sentence = format!(
        "{} acknowledged commits looked for in {} images of a disk that lost its power ({} between syncs, {} right after one): {} lost",
        counted(found.acked_checked),
        counted(found.images),
        counted(found.between_syncs),
        counted(found.at_syncs),
        counted(found.lost),
    );
    (report, sentence)
}

fn report(found: &PowerReport, seed: u64) -> Report {
    let mut report = Report::new("power");
    for (figure, unit, count) in [
        ("acknowledged commits lost", "commits", found.lost),
        ("commits there in part", "writers", found.torn),
        ("images that did not open", "images", found.unopenable),
    ] {
        report.row(Row::new(figure, unit, number(count)).goal(Goal::Exactly(0.0)));
    }
    report
        .row(
            Row::new(
                "acknowledged commits looked for",
                "commits",
                number(found.acked_checked),
            )
            .goal(Goal::AtLeast(1.0)),
        )
        .check("images", found.images)
        .check("images between syncs", found.between_syncs)
        .check("images right after a sync", found.at_syncs)
        .check("images cut off during recovery", found.second_crashes)
        .check("syncs", found.syncs)
        .detail("seed", seed)
        .detail("failures", found.failures.clone());
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lost_commit_is_a_failure() {
        let clean = PowerReport {
            images: 10,
            acked_checked: 100,
            ..PowerReport::default()
        };
        assert!(report(&clean, 1).is_met());
        let lost = PowerReport { lost: 1, ..clean };
        assert!(!report(&lost, 1).is_met());
    }

    #[test]
    fn a_check_that_looked_for_nothing_is_a_failure() {
        assert!(!report(&PowerReport::default(), 1).is_met());
    }
}
