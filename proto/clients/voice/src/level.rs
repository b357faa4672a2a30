//! [`Level`]: how loud a frame is, as RFC 6464 counts it.

/// Decibels below full scale, from 0 (loudest) to 127 (silence), by the root of the mean square. A sine that fills
/// the scale has 3.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Level(u8);

impl Level {
    /// Nothing is heard.
    pub const SILENT: Self = Self(127);

    /// The loudness of some samples.
    pub fn of(samples: &[f32]) -> Self {
        let power: f64 = samples
            .iter()
            .map(|sample| f64::from(*sample).powi(2))
            .sum();
        let mean = power / samples.len().max(1) as f64;
        let below = (-10.0 * mean.log10()).round();
        // Of no power the logarithm is infinite, and what is louder than full scale would be below nought.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the range, and a number that is none becomes nought"
        )]
        let below = below.clamp(0.0, 127.0) as u8;
        Self(below)
    }

    /// The number as it travels; `None` for what is none.
    pub fn from_number(number: u8) -> Option<Self> {
        (number <= Self::SILENT.0).then_some(Self(number))
    }

    /// The number as it travels.
    pub const fn number(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Tone;
    use crate::{FRAME_SAMPLES, SILENCE};

    #[test]
    fn levels_are_those_of_rfc_6464() {
        assert_eq!(Level::of(&SILENCE), Level::SILENT);
        assert_eq!(Level::of(&[]), Level::SILENT);
        assert_eq!(Level::of(&[1.0; FRAME_SAMPLES]).number(), 0);
        assert_eq!(Level::of(&[8.0; FRAME_SAMPLES]).number(), 0);
        assert_eq!(Level::of(&Tone::new(1_000.0, 1.0).frame()).number(), 3);
        assert_eq!(Level::of(&Tone::new(1_000.0, 0.1).frame()).number(), 23);
        assert_eq!(Level::of(&[f32::NAN; 2]).number(), 0);
    }

    #[test]
    fn the_eighth_bit_is_none_of_it() {
        assert_eq!(Level::from_number(127), Some(Level::SILENT));
        assert_eq!(Level::from_number(128), None);
    }
}
