//! [`Reply`] and [`Waiting`]: the two ends of an answer.
//!
//! Three outcomes are kept apart. [`AskError::Overloaded`]: nothing happened. [`AskError::Stopped`] and
//! [`AskError::TimedOut`]: it may have happened, since an answer that got lost proves nothing; ask
//! again with the same idempotency key.

use std::time::Duration;

use tokio::sync::oneshot;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AskError {
    /// The inbox is full. Nothing happened.
    #[error("too much is under way")]
    Overloaded,
    /// The actor ended before it answered. May have happened.
    #[error("stopped before it answered")]
    Stopped,
    /// The deadline passed. May have happened.
    #[error("no answer within the deadline")]
    TimedOut,
}

/// The actor's end: answer once, or drop it.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<T>);

impl<T> Reply<T> {
    /// Both ends.
    pub fn channel() -> (Self, Waiting<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), Waiting(receiver))
    }

    /// Answers. Whether anybody still waits does not matter.
    pub fn send(self, answer: T) {
        let _nobody_waits = self.0.send(answer);
    }

    /// Whether nobody waits any more. What has not been started need not be.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

/// The caller's end.
#[derive(Debug)]
pub struct Waiting<T>(oneshot::Receiver<T>);

impl<T> Waiting<T> {
    /// Waits for the answer, for `deadline` at most.
    ///
    /// # Errors
    /// [`AskError::Stopped`] and [`AskError::TimedOut`].
    pub async fn answer(self, deadline: Duration) -> Result<T, AskError> {
        match tokio::time::timeout(deadline, self.0).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(AskError::Stopped),
            Err(_) => Err(AskError::TimedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_and_a_late_one_are_told_apart() {
        let (reply, waiting) = Reply::<()>::channel();
        drop(reply);
        assert_eq!(
            waiting.answer(Duration::from_secs(1)).await,
            Err(AskError::Stopped)
        );

        let (reply, waiting) = Reply::<()>::channel();
        assert_eq!(
            waiting.answer(Duration::from_secs(1)).await,
            Err(AskError::TimedOut)
        );
        assert!(reply.is_abandoned());
    }
}
