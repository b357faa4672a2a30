//! Panics, which tasks and actors survive by design: in a simulation none goes unnoticed.

use std::cell::RefCell;

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// From here on, panics are kept for [`take`] and not printed.
pub(crate) fn listen() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
    }));
}

/// The panics of this thread since the last time. A run has one thread.
pub(crate) fn take() -> Vec<String> {
    PANICS.take()
}
