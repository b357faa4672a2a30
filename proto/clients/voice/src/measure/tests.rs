//! What the figures mean: each on sounds whose figures are known.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Bursts of noise, 100 ms each with 100 ms between: nothing in it repeats.
fn bursts(seconds: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let samples = 0..seconds * 48_000;
    let burst = |at: usize, s: f32| {
        if (at / 4_800).is_multiple_of(2) {
            s
        } else {
            0.0
        }
    };
    samples
        .map(|at| burst(at, rng.random_range(-0.5..0.5)))
        .collect()
}

fn delayed(sound: &[f32], samples: usize) -> Vec<f32> {
    let mut later = vec![0.0; samples];
    later.extend_from_slice(sound);
    later
}

#[test]
fn the_same_sound_is_found_whole_at_its_delay() {
    let said = bursts(3);
    let found = compare(&said, &delayed(&said, 4_801)).expect("heard");
    assert!((found.delay_ms - 4_801.0 / 48.0).abs() < 1e-9, "{found:?}");
    assert!(found.correlation > 0.999, "{found:?}");
    assert!(found.segmental_snr_db >= SNR_MAX_DB && found.heard >= 1.0);
    assert_eq!(found.frames, 75, "half of three seconds");
}

#[test]
fn noise_counts_as_what_it_is() {
    let said = bursts(3);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    // A tenth of the amplitude is 20 dB below.
    let heard: Vec<f32> = delayed(&said, 960)
        .into_iter()
        .map(|sample| sample + rng.random_range(-0.05..0.05))
        .collect();
    let found = compare(&said, &heard).expect("heard");
    assert!((found.segmental_snr_db - 20.0).abs() < 0.3, "{found:?}");
    assert!(found.heard >= 1.0);
}

#[test]
fn what_is_missing_is_not_heard() {
    let said = bursts(4);
    let mut heard = delayed(&said, 2_000);
    heard[2_000 + 96_000..].fill(0.0);
    let found = compare(&said, &heard).expect("heard");
    assert!((found.heard - 0.5).abs() < 0.01, "{found:?}");
}

#[test]
fn a_delay_that_changes_on_the_way_is_followed() {
    let said = bursts(4);
    let mut heard = delayed(&said[..96_000], 2_000);
    heard.extend(delayed(&said[96_000..], 1_920));
    let found = compare(&said, &heard).expect("heard");
    assert!(found.segmental_snr_db > 34.0, "{found:?}");
}

#[test]
fn another_sound_is_not_this_one() {
    let said = bursts(3);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let other: Vec<f32> = (0..144_000).map(|_| rng.random_range(-0.5..0.5)).collect();
    let found = compare(&said, &other).expect("heard something");
    assert!(
        found.segmental_snr_db < 0.0 && found.correlation < 0.1,
        "{found:?}"
    );
}

#[test]
fn silence_is_not_compared() {
    let said = bursts(1);
    assert_eq!(compare(&said, &[0.0; 48_000]), None);
    assert_eq!(compare(&[0.0; 48_000], &said), None);
    assert_eq!(compare(&said, &[]), None);
    assert_eq!(compare(&[], &said), None);
}
