//! The terminal itself: taken over, drawn on, and given back.
//!
//! Invariant: given back as it was, by a return, an error or a panic.

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
};
use crossterm::execute;
use ratatui::DefaultTerminal;

use super::model::Model;
use super::view::view;
use crate::exit::Failure;

/// The terminal while it is ours.
pub(super) struct Terminal(DefaultTerminal);

impl Terminal {
    pub(super) fn open() -> Result<Self, Failure> {
        let terminal = Self(ratatui::try_init().map_err(|error| io(&error))?);
        execute!(std::io::stdout(), EnableBracketedPaste, EnableFocusChange)
            .map_err(|error| io(&error))?;
        Ok(terminal)
    }

    pub(super) fn size(&self) -> Result<(u16, u16), Failure> {
        let size = self.0.size().map_err(|error| io(&error))?;
        Ok((size.width, size.height))
    }

    pub(super) fn draw(&mut self, model: &Model) -> Result<(), Failure> {
        let drawn = self.0.draw(|frame| view(model, frame));
        drawn.map(drop).map_err(|error| io(&error))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Whatever fails here, there is nothing left to try.
        let _ = execute!(std::io::stdout(), DisableFocusChange, DisableBracketedPaste);
        let _ = ratatui::try_restore();
    }
}

/// Asks for attention.
pub(super) fn bell() {
    let mut out = std::io::stdout().lock();
    // A bell that does not ring is no trouble.
    let _ = out.write_all(b"\x07").and_then(|()| out.flush());
}

/// Ends when the system asks the program to.
pub(super) fn asked_to_end() -> Result<Pin<Box<dyn Future<Output = ()>>>, Failure> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| io(&error));
        let mut terminate = listen(SignalKind::terminate())?;
        let mut hang_up = listen(SignalKind::hangup())?;
        Ok(Box::pin(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        }))
    }
    #[cfg(not(unix))]
    Ok(Box::pin(std::future::pending()))
}

fn io(error: &std::io::Error) -> Failure {
    Failure::Io(format!("the terminal: {error}"))
}
