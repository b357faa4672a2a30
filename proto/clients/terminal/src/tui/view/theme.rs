//! Colours. Sixteen of them, so that they follow the theme of whoever's terminal it is.

use ratatui::style::{Color, Modifier, Style};

/// Colours that can be read on light and dark ground, for names.
const NAMES: [Color; 10] = [
    Color::Cyan,
    Color::Green,
    Color::Yellow,
    Color::Magenta,
    Color::Blue,
    Color::LightRed,
    Color::LightCyan,
    Color::LightGreen,
    Color::LightMagenta,
    Color::LightBlue,
];

pub(super) const PLAIN: Style = Style::new();
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const EMPHASIS: Style = Style::new().add_modifier(Modifier::ITALIC);
pub(super) const STRUCK: Style = DIM.add_modifier(Modifier::ITALIC);
pub(super) const CODE: Style = Style::new().fg(Color::LightYellow);
pub(super) const QUOTE: Style = DIM.fg(Color::Cyan);
pub(super) const BAR: Style = Style::new().add_modifier(Modifier::REVERSED);
pub(super) const TITLE: Style = Style::new().add_modifier(Modifier::UNDERLINED);
pub(super) const ACCENT: Style = Style::new().fg(Color::Cyan);
pub(super) const GOOD: Style = Style::new().fg(Color::Green);
pub(super) const WARN: Style = Style::new().fg(Color::Yellow);
pub(super) const BAD: Style = Style::new().fg(Color::Red);
pub(super) const SELECTED: Style = Style::new().bg(Color::DarkGray);
pub(super) const NEW: Style = Style::new().fg(Color::LightRed);

/// The colour of somebody's name: the same for the same account, everywhere.
pub(super) fn name(account: &str) -> Style {
    // FNV-1a: short, and the same on every machine.
    let hash = account.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let index = hash as usize % NAMES.len();
    STRONG.fg(NAMES[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_colour_and_names_differ() {
        assert_eq!(name("accounts/a"), name("accounts/a"));
        let colours: std::collections::HashSet<_> =
            (0..50).map(|n| name(&format!("accounts/{n}")).fg).collect();
        assert!(colours.len() > 5, "{colours:?}");
    }
}
