//! Keys that edit a text, the same in every input.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::composer::{Composer, Step};

/// Whether a key stands for the character on it.
pub(in crate::tui::update) fn is_text(key: KeyEvent) -> bool {
    let held = key
        .modifiers
        .intersection(KeyModifiers::CONTROL | KeyModifiers::ALT);
    // Both together are AltGr on some keyboards.
    held.is_empty() || held == (KeyModifiers::CONTROL | KeyModifiers::ALT)
}

/// A key that moves or deletes.
pub(in crate::tui::update) fn press(composer: &mut Composer, key: KeyEvent) {
    let word = key
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Left if word => drop(composer.go(Step::WordBack)),
        KeyCode::Right if word => drop(composer.go(Step::WordForward)),
        KeyCode::Left => drop(composer.go(Step::Back)),
        KeyCode::Right => drop(composer.go(Step::Forward)),
        KeyCode::Up => drop(composer.go(Step::Up)),
        KeyCode::Down => drop(composer.go(Step::Down)),
        KeyCode::Home => drop(composer.go(Step::LineStart)),
        KeyCode::End => drop(composer.go(Step::LineEnd)),
        KeyCode::Backspace if word => composer.delete(Step::WordBack),
        KeyCode::Backspace => composer.delete(Step::Back),
        KeyCode::Delete => composer.delete(Step::Forward),
        KeyCode::Char(letter) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            control(composer, letter);
        }
        KeyCode::Char('b') => drop(composer.go(Step::WordBack)),
        KeyCode::Char('f') => drop(composer.go(Step::WordForward)),
        KeyCode::Char('d') => composer.delete(Step::WordForward),
        _ => {}
    }
}

fn control(composer: &mut Composer, letter: char) {
    match letter {
        'a' => drop(composer.go(Step::LineStart)),
        'e' => drop(composer.go(Step::LineEnd)),
        'b' => drop(composer.go(Step::Back)),
        'f' => drop(composer.go(Step::Forward)),
        'u' => composer.delete(Step::LineStart),
        'k' => composer.delete(Step::LineEnd),
        // Terminals send the second for Ctrl-Backspace.
        'w' | 'h' => composer.delete(Step::WordBack),
        'd' => composer.delete(Step::Forward),
        _ => {}
    }
}
