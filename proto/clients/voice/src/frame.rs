//! [`Frame`]: 20 ms of one voice, which everything here is counted in.

use std::time::Duration;

/// Samples in a second of all sound here.
pub const RATE_HZ: u32 = 48_000;

/// Samples in a frame.
pub const FRAME_SAMPLES: usize = 960;

/// How long a frame lasts.
pub const FRAME_TIME: Duration = Duration::from_millis(20);

/// 20 ms of one channel, between -1 and 1.
pub type Frame = [f32; FRAME_SAMPLES];

/// A frame in which nothing is heard.
pub const SILENCE: Frame = [0.0; FRAME_SAMPLES];

/// Cuts sound into frames; the last one is filled up with silence.
pub fn frames(samples: &[f32]) -> impl Iterator<Item = Frame> {
    samples.chunks(FRAME_SAMPLES).map(|chunk| {
        let mut frame = SILENCE;
        frame[..chunk.len()].copy_from_slice(chunk);
        frame
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frame_ends_in_silence() {
        let frames: Vec<Frame> = frames(&[0.5; FRAME_SAMPLES + 1]).collect();
        assert_eq!(frames.len(), 2);
        assert!(frames[0].iter().all(|sample| *sample > 0.4));
        assert!(frames[1][0] > 0.4 && frames[1][1..] == SILENCE[1..]);
    }
}
