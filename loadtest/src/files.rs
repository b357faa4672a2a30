//! Open files: each stream is one, here and in the server.
//!
//! Invariant: no benchmark asks for more streams than the system allows; what it takes less is in its
//! figures.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::{FILES_RESERVED, FILES_WANTED};

/// Allows this process, and those that it starts, as many open files as the system lets it have. Many
/// systems start a program with 1,024 of them.
pub(crate) fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(FILES_WANTED).min(FILES_WANTED);
    if limit.current.is_none_or(|current| current >= most) {
        return;
    }
    let more = Rlimit {
        current: Some(most),
        maximum: limit.maximum,
    };
    // A system that refuses what it said it allows leaves us with what we have.
    let _ = setrlimit(Resource::Nofile, more);
}

/// Streams that one process can have open.
pub(crate) fn streams_max() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(FILES_WANTED);
    usize::try_from(files.saturating_sub(FILES_RESERVED)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_that_the_system_allows_are_allowed() {
        allow_many();
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.unwrap_or(FILES_WANTED).min(FILES_WANTED);
        assert!(limit.current.is_none_or(|current| current >= most));
        assert!(streams_max() > 0);
    }
}
