//! Rounds that alternate between a subject and its baseline.
//!
//! Invariant: both run equally often, and each goes first in half of the rounds, so that neither has
//! the warmer or the quieter machine.

use crate::console::Stage;

/// Who goes first in this round, counted from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum First {
    Subject,
    Baseline,
}

/// The order within a round.
pub(crate) const fn first(round: usize) -> First {
    if round.is_multiple_of(2) {
        First::Baseline
    } else {
        First::Subject
    }
}

/// What came of all rounds.
#[derive(Debug)]
pub(crate) struct Rounds<S, B> {
    pub(crate) subject: Vec<S>,
    pub(crate) baseline: Vec<B>,
}

/// Runs `count` rounds of both.
///
/// # Errors
/// The first of any of them.
pub(crate) async fn interleave<S, B>(
    count: usize,
    stage: &Stage,
    mut subject: impl AsyncFnMut() -> anyhow::Result<S>,
    mut baseline: impl AsyncFnMut() -> anyhow::Result<B>,
) -> anyhow::Result<Rounds<S, B>> {
    let mut rounds = Rounds {
        subject: Vec::with_capacity(count),
        baseline: Vec::with_capacity(count),
    };
    for round in 0..count {
        if first(round) == First::Subject {
            rounds.subject.push(subject().await?);
            stage.inc(1);
        }
        rounds.baseline.push(baseline().await?);
        stage.inc(1);
        if first(round) == First::Baseline {
            rounds.subject.push(subject().await?);
            stage.inc(1);
        }
    }
    Ok(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_run_equally_often_and_take_turns_to_go_first() {
        let order = parking_lot::Mutex::new(String::new());
        let stage = Stage::hidden();
        let rounds = interleave(
            3,
            &stage,
            async || {
                order.lock().push('s');
                Ok(1)
            },
            async || {
                order.lock().push('b');
                Ok("b")
            },
        )
        .await
        .expect("nothing fails");
        assert_eq!(*order.lock(), "bssbbs");
        assert_eq!((rounds.subject.len(), rounds.baseline.len()), (3, 3));
    }

    #[tokio::test]
    async fn a_failure_ends_the_rounds() {
        let stage = Stage::hidden();
        let failed = interleave(
            3,
            &stage,
            async || Ok(()),
            async || Err::<(), _>(anyhow::anyhow!("no disk")),
        );
        assert!(failed.await.is_err());
    }
}
