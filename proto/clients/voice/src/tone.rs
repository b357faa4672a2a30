//! [`Tone`]: a sine, for whoever wants to hear whether a call works.

use std::f64::consts::TAU;

use crate::frame::{Frame, RATE_HZ, SILENCE};

/// A sine that goes on from frame to frame without a click.
#[derive(Clone, Debug)]
pub struct Tone {
    /// Turns of the circle, and those per sample.
    phase: f64,
    step: f64,
    amplitude: f64,
}

impl Tone {
    /// A tone of so many hertz; an amplitude of 1 fills the scale.
    pub fn new(hertz: f64, amplitude: f64) -> Self {
        Self {
            phase: 0.0,
            step: hertz / f64::from(RATE_HZ),
            amplitude,
        }
    }

    /// The next 20 ms.
    #[expect(clippy::cast_possible_truncation, reason = "samples are f32")]
    pub fn frame(&mut self) -> Frame {
        let mut frame = SILENCE;
        for sample in &mut frame {
            *sample = (self.amplitude * (self.phase * TAU).sin()) as f32;
            self.phase = (self.phase + self.step).fract();
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_frequency_and_no_click() {
        let mut tone = Tone::new(440.0, 0.5);
        let second: Vec<f32> = (0..50).flat_map(|_| tone.frame()).collect();
        let rises = second
            .windows(2)
            .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0);
        assert_eq!(
            rises.count(),
            439,
            "440 turns in a second, the first from nought"
        );
        let steepest = 0.5 * TAU * 440.0 / f64::from(RATE_HZ) * 1.01;
        let smooth = |pair: &[f32]| f64::from((pair[1] - pair[0]).abs()) < steepest;
        assert!(second.windows(2).all(smooth));
    }
}
