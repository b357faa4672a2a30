//! Every bound of this crate, with its reason.

use std::time::Duration;

/// How long a start waits for the place of files to say whose it is. A folder answers at once, and a bucket that
/// does not keeps nobody from messages.
pub(crate) const PLACE_ANSWERS_WITHIN: Duration = Duration::from_secs(10);
