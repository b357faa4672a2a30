//! Every common form of a file comes to the same sound.

use std::io::Cursor;

use super::*;
use crate::measure::compare;
use crate::tone::Tone;

/// A second of a tone that nothing but the right rate brings back.
fn tone(rate_hz: u32) -> impl Iterator<Item = f64> {
    let step = std::f64::consts::TAU * 440.0 / f64::from(rate_hz);
    (0..rate_hz).map(move |at| 0.5 * (f64::from(at) * step).sin())
}

#[expect(clippy::cast_possible_truncation, reason = "samples are f32 or i32")]
fn file(spec: WavSpec) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).expect("in memory");
    let full = (f64::from(spec.bits_per_sample).exp2() / 2.0) - 1.0;
    for sample in tone(spec.sample_rate) {
        for channel in 0..spec.channels {
            // All on the first channel, so that the mean has a known loudness.
            let sample = if channel == 0 { sample } else { 0.0 };
            match spec.sample_format {
                SampleFormat::Float => writer.write_sample(sample as f32),
                SampleFormat::Int => writer.write_sample((sample * full) as i32),
            }
            .expect("in memory");
        }
    }
    writer.finalize().expect("in memory");
    bytes.into_inner()
}

fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16) -> WavSpec {
    WavSpec {
        channels,
        sample_rate,
        bits_per_sample,
        sample_format: SampleFormat::Int,
    }
}

#[test]
fn every_common_form_is_read_as_the_same_sound() {
    let float = WavSpec {
        sample_format: SampleFormat::Float,
        ..spec(2, 44_100, 32)
    };
    let forms = [
        spec(1, 48_000, 16),
        spec(2, 44_100, 16),
        spec(1, 16_000, 16),
        spec(1, 8_000, 8),
        spec(2, 96_000, 24),
        spec(6, 22_050, 32),
        float,
    ];
    for form in forms {
        let sound = read(&file(form)[..]).expect("a WAV");
        assert!(
            sound.len().abs_diff(48_000) <= 1,
            "{form:?}: {}",
            sound.len()
        );
        let mut tone = Tone::new(440.0, 0.5 / f64::from(form.channels));
        let same: Vec<f32> = (0..50).flat_map(|_| tone.frame()).collect();
        // The resampler's window reaches over both ends; two steps of eight bits are the coarsest form.
        let middle = 4_800..43_200;
        let error = sound[middle.clone()].iter().zip(&same[middle]);
        let error = error.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < 0.016, "{form:?}: {error}");
    }
}

#[test]
fn what_was_written_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sound.wav");
    let said = open(Path::new("speech.wav")).expect("it is in the repository");
    let mut writer = Writer::create(&path).expect("writable");
    for chunk in said.chunks(960) {
        writer.write(chunk).expect("writable");
    }
    writer.write(&[9.0, -9.0, f32::NAN]).expect("writable");
    writer.finish().expect("writable");
    let read = open(&path).expect("it was written");
    let figures = compare(&said, &read).expect("speech");
    assert!(
        figures.segmental_snr_db > 34.0 && figures.delay_ms == 0.0,
        "{figures:?}"
    );
    assert!(read[said.len()] > 0.99 && read[said.len() + 1] < -0.99);
    assert_eq!(read.len(), said.len() + 3);
}

#[test]
fn what_is_no_sound_is_refused() {
    let good = file(spec(1, 48_000, 16));
    for cut in [0, 10, 40, 44, 1_001] {
        let sound = read(&good[..cut]);
        assert!(
            matches!(sound, Err(ReadError::Format(_))),
            "{cut}: {sound:?}"
        );
    }
    let strange = read(&file(spec(1, 1_000, 16))[..]);
    assert!(matches!(
        strange,
        Err(ReadError::Shape { rate_hz: 1_000, .. })
    ));
    let wide = read(&file(spec(17, 8_000, 16))[..]);
    assert!(matches!(wide, Err(ReadError::Shape { channels: 17, .. })));
    assert!(matches!(
        open(Path::new("none.wav")),
        Err(ReadError::Format(_))
    ));
}

#[test]
fn a_header_that_promises_hours_costs_nothing() {
    let mut long = file(spec(1, 8_000, 8));
    let size = u32::MAX.to_le_bytes();
    let at = long
        .windows(4)
        .position(|four| four == b"data")
        .expect("a chunk")
        + 4;
    long[at..at + 4].copy_from_slice(&size);
    assert!(matches!(read(&long[..]), Err(ReadError::TooLong)));
}
