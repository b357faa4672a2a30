//! How much of what was said is in what was heard.
//!
//! Owns two figures. The segmental signal to noise: how near the waveform is to what was said, in decibels, the mean
//! over the frames in which somebody speaks. And the part of these frames that came out at all.
//!
//! Invariant: a comparison knows no delay beforehand. It finds it by cross-correlation, first over all, then for each part
//! anew, since a jitter buffer changes it on the way.
//!
//! Leaves out whether it sounds well: noise that nobody hears counts here as well.

mod correlate;

use correlate::{Best, best_lag};

use crate::frame::{FRAME_SAMPLES, RATE_HZ};
use crate::limits::{COMPARED_DELAY_MAX, COMPARED_DRIFT_MAX};

/// Frames of a part that has one delay: 200 ms, several turns of the deepest voice.
const PART_FRAMES: usize = 10;

/// A frame speaks if it is at most so many decibels below the loudest one.
const SPEAKS_WITHIN_DB: f64 = 30.0;

/// A frame has come out if it has at least so much of the energy that it was said with, in decibels. Less is what a
/// decoder makes up while it fades.
const HEARD_WITHIN_DB: f64 = 10.0;

/// Bounds of the signal to noise of one frame, as is usual: below it is lost, above nobody hears a difference.
const SNR_MIN_DB: f64 = -10.0;
const SNR_MAX_DB: f64 = 35.0;

/// Two sounds compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// How much later it was heard than said, over all.
    pub delay_ms: f64,
    /// How alike the waves are with this delay over all, from 0 to 1.
    pub correlation: f64,
    /// Segmental signal to noise over the frames in which somebody speaks.
    pub segmental_snr_db: f64,
    /// The part of these frames that came out, from 0 to 1.
    pub heard: f64,
    /// How many these are.
    pub frames: usize,
}

/// Compares what was said with what was heard later, both at 48 kHz. `None` if nothing was said, or nothing heard.
pub fn compare(said: &[f32], heard: &[f32]) -> Option<Comparison> {
    let energies: Vec<f64> = said.chunks_exact(FRAME_SAMPLES).map(energy).collect();
    let loudest = energies.iter().copied().fold(0.0, f64::max);
    let speaks = |energy: f64| energy > 0.0 && energy >= loudest * ratio(-SPEAKS_WITHIN_DB);
    let overall = best_lag(said, heard, 0..=samples(COMPARED_DELAY_MAX))?;

    let parts = said.chunks(PART_FRAMES * FRAME_SAMPLES);
    let speaking = energies
        .chunks(PART_FRAMES)
        .map(|part| part.iter().any(|energy| speaks(*energy)));
    let mut lag = overall.lag;
    let lags = parts
        .zip(speaking)
        .enumerate()
        .map(|(index, (part, speaks))| {
            if speaks {
                lag = part_lag(part, heard, index * PART_FRAMES * FRAME_SAMPLES, lag);
            }
            lag
        });
    let lags: Vec<usize> = lags.collect();

    let (mut snr, mut out, mut count) = (0.0, 0_usize, 0_usize);
    for (index, frame) in said.chunks_exact(FRAME_SAMPLES).enumerate() {
        if !speaks(energies[index]) {
            continue;
        }
        // Within a part the delay may be that of the part before or after it already.
        let part = index / PART_FRAMES;
        let near = lags[part.saturating_sub(1)..]
            .iter()
            .take(if part > 0 { 3 } else { 2 });
        let came = near.map(|lag| {
            let came = heard.get(index * FRAME_SAMPLES + lag..).unwrap_or_default();
            let came = &came[..came.len().min(FRAME_SAMPLES)];
            (frame_snr_db(frame, came), energy(came))
        });
        let (db, came) = came
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap_or((SNR_MIN_DB, 0.0));
        snr += db;
        out += usize::from(came >= energies[index] * ratio(-HEARD_WITHIN_DB));
        count += 1;
    }
    (count > 0).then(|| Comparison {
        delay_ms: overall.lag as f64 * 1_000.0 / f64::from(RATE_HZ),
        correlation: overall.correlation,
        segmental_snr_db: snr / count as f64,
        heard: out as f64 / count as f64,
        frames: count,
    })
}

/// The delay of one part, near that of the part before.
fn part_lag(part: &[f32], heard: &[f32], start: usize, before: usize) -> usize {
    let drift = samples(COMPARED_DRIFT_MAX);
    let lags = before.saturating_sub(drift)..=before + drift;
    let later = heard.get(start..).unwrap_or_default();
    match best_lag(part, later, lags) {
        // A part that did not come out says nothing about the delay.
        Some(Best { lag, correlation }) if correlation > 0.3 => lag,
        _ => before,
    }
}

fn frame_snr_db(said: &[f32], heard: &[f32]) -> f64 {
    let silence = std::iter::repeat(&0.0);
    let pairs = said.iter().zip(heard.iter().chain(silence));
    let noise: f64 = pairs
        .map(|(said, heard)| f64::from(said - heard).powi(2))
        .sum();
    let db = 10.0 * (energy(said) / noise.max(f64::MIN_POSITIVE)).log10();
    db.clamp(SNR_MIN_DB, SNR_MAX_DB)
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum()
}

fn ratio(db: f64) -> f64 {
    10.0_f64.powf(db / 10.0)
}

fn samples(time: std::time::Duration) -> usize {
    let rate = u128::from(RATE_HZ);
    usize::try_from(time.as_micros() * rate / 1_000_000).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
