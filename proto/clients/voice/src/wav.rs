//! Sound in files: WAV of any common format in, 48 kHz mono out, and the way back.
//!
//! Invariant: a file brings [`FILE_SECONDS_MAX`] of sound at most, whatever its header says. Channels are mixed, not
//! chosen: nobody's side is left out.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::frame::RATE_HZ;
use crate::limits::{
    FILE_CHANNELS_MAX, FILE_RATE_MAX_HZ, FILE_RATE_MIN_HZ, FILE_SECONDS_MAX, RESAMPLER_CHUNK,
};

/// A file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be read, or is no WAV in a form that is known.
    #[error("the file is no WAV that can be read")]
    Format(#[source] hound::Error),
    /// Its rate, or its channels, are beyond what sound has.
    #[error("the file has {channels} channels at {rate_hz} Hz")]
    Shape {
        /// Channels by its header.
        channels: u16,
        /// Samples in a second by its header.
        rate_hz: u32,
    },
    /// It is longer than what is read at a time.
    #[error("the file is longer than {FILE_SECONDS_MAX} s")]
    TooLong,
    /// It could not be brought to 48 kHz.
    #[error("the sound was not resampled")]
    Resample(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A file was not written.
#[derive(Debug, thiserror::Error)]
#[error("the file was not written")]
pub struct WriteError(#[source] hound::Error);

/// Reads a file as 48 kHz mono.
///
/// # Errors
///
/// If it cannot be opened, is no WAV, or too long.
pub fn open(path: &Path) -> Result<Vec<f32>, ReadError> {
    let file = File::open(path).map_err(|error| ReadError::Format(hound::Error::IoError(error)))?;
    read(BufReader::new(file))
}

/// Reads a WAV as 48 kHz mono.
///
/// # Errors
///
/// If it is no WAV, ends early, or is too long.
pub fn read(wav: impl Read) -> Result<Vec<f32>, ReadError> {
    let mut reader = WavReader::new(wav).map_err(ReadError::Format)?;
    let spec = reader.spec();
    let (channels, rate_hz) = (spec.channels, spec.sample_rate);
    let has_shape = (1..=FILE_CHANNELS_MAX).contains(&channels)
        && (FILE_RATE_MIN_HZ..=FILE_RATE_MAX_HZ).contains(&rate_hz);
    if !has_shape {
        return Err(ReadError::Shape { channels, rate_hz });
    }
    if u64::from(reader.duration()) > FILE_SECONDS_MAX * u64::from(rate_hz) {
        return Err(ReadError::TooLong);
    }
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().map(|s| s.map(finite)).collect(),
        SampleFormat::Int => {
            let scale = f64::from(spec.bits_per_sample).exp2() / 2.0;
            let samples = reader.samples::<i32>();
            samples.map(|s| s.map(|s| from_int(s, scale))).collect()
        }
    };
    let samples = samples.map_err(ReadError::Format)?;
    resample(mix(&samples, channels), rate_hz)
}

/// A WAV of 16 bits, 48 kHz and one channel that is being written. What was written is there, also if nobody
/// finishes it.
pub struct Writer(WavWriter<BufWriter<File>>);

impl Writer {
    /// Begins a file. One that is there is overwritten.
    ///
    /// # Errors
    ///
    /// If the file cannot be made.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: RATE_HZ,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        WavWriter::create(path, spec).map(Self).map_err(WriteError)
    }

    /// Appends sound.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or has 4 GiB, which is all that a WAV holds: twelve hours.
    pub fn write(&mut self, samples: &[f32]) -> Result<(), WriteError> {
        let full = f32::from(i16::MAX);
        for sample in samples {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "clamped to the range of 16 bits"
            )]
            let sample = (sample * full).round().clamp(-full, full) as i16;
            self.0.write_sample(sample).map_err(WriteError)?;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// If the rest cannot be written.
    pub fn finish(self) -> Result<(), WriteError> {
        self.0.finalize().map_err(WriteError)
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer(..)")
    }
}

/// A float may be anything; what is no number is silence.
fn finite(sample: f32) -> f32 {
    if sample.is_finite() {
        sample.clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "samples are f32")]
fn from_int(sample: i32, scale: f64) -> f32 {
    (f64::from(sample) / scale) as f32
}

fn mix(samples: &[f32], channels: u16) -> Vec<f32> {
    let frames = samples.chunks_exact(usize::from(channels));
    frames
        .map(|frame| frame.iter().sum::<f32>() / f32::from(channels))
        .collect()
}

fn resample(samples: Vec<f32>, rate_hz: u32) -> Result<Vec<f32>, ReadError> {
    if rate_hz == RATE_HZ || samples.is_empty() {
        return Ok(samples);
    }
    let (from, to) = (rate_hz as usize, RATE_HZ as usize);
    let input = InterleavedSlice::new(&samples, 1, samples.len());
    let input = input.map_err(|error| ReadError::Resample(error.into()))?;
    let resampler = Fft::<f32>::new(from, to, RESAMPLER_CHUNK, 1, FixedSync::Both);
    let mut resampler = resampler.map_err(|error| ReadError::Resample(error.into()))?;
    let output = resampler.process_all(&input, samples.len(), None);
    let output = output.map_err(|error| ReadError::Resample(error.into()))?;
    Ok(output.take_data())
}

#[cfg(test)]
mod tests;
