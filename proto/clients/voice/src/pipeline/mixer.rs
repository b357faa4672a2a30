//! Voices added up, and kept within what can be played.
//!
//! Invariant: nothing that comes out is beyond [`PEAK_MAX`]. One voice that does not reach it is not changed. Who would
//! clip is made quieter as a whole, at once, and louder again slowly: that is heard as distance, clipping as noise.

use crate::frame::{Frame, SILENCE};
use crate::limits::{ATTACK_SAMPLES, PEAK_MAX, RELEASE_PER_FRAME};

/// Adds up frames.
#[derive(Debug)]
pub(super) struct Mixer {
    /// What the last frame ended with.
    gain: f32,
}

impl Mixer {
    pub(super) const fn new() -> Self {
        Self { gain: 1.0 }
    }

    /// All voices in one.
    pub(super) fn mix<'a>(&mut self, voices: impl Iterator<Item = &'a Frame>) -> Frame {
        let mut mixed = SILENCE;
        for voice in voices {
            for (sum, sample) in mixed.iter_mut().zip(voice) {
                *sum += sample;
            }
        }
        self.limit(&mut mixed);
        mixed
    }

    fn limit(&mut self, frame: &mut Frame) {
        let peak = frame.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let (before, open) = (self.gain, 1.0 - self.gain);
        let released = before + open * RELEASE_PER_FRAME;
        self.gain = match PEAK_MAX / peak {
            needed if needed < released => needed,
            // Also of no peak, which needs an endless gain.
            _ => released,
        };
        let step = (self.gain - before) / ATTACK_SAMPLES as f32;
        for (index, sample) in frame.iter_mut().enumerate() {
            let gain = if index < ATTACK_SAMPLES {
                before + step * index as f32
            } else {
                self.gain
            };
            *sample = (*sample * gain).clamp(-PEAK_MAX, PEAK_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Tone;

    #[test]
    fn one_voice_is_not_changed() {
        let frame = Tone::new(300.0, 0.9).frame();
        assert_eq!(Mixer::new().mix([&frame].into_iter()), frame);
        assert_eq!(Mixer::new().mix([].into_iter()), SILENCE);
    }

    #[test]
    fn many_loud_voices_are_made_quieter_and_not_cut() {
        let mut mixer = Mixer::new();
        let mut tone = Tone::new(300.0, 0.9);
        for _ in 0..10 {
            let frame = tone.frame();
            let mixed = mixer.mix([&frame; 5].into_iter());
            assert!(mixed.iter().all(|sample| sample.abs() <= PEAK_MAX));
            // Past the attack it is the same wave, only smaller: nothing lies flat at the limit.
            let flat = mixed[ATTACK_SAMPLES..].windows(3);
            assert!(
                !flat
                    .into_iter()
                    .any(|w| w[0].abs() > 0.96 && w[0] == w[1] && w[1] == w[2])
            );
        }
        let quiet = [0.1; crate::FRAME_SAMPLES];
        let first = mixer.mix([&quiet].into_iter())[500];
        let last = (0..50).fold(0.0, |_, _| mixer.mix([&quiet].into_iter())[500]);
        assert!(first < 0.05 && last > 0.098, "{first} {last}");
    }
}
