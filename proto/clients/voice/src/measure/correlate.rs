//! Cross-correlation: by how much one sound has to be moved to lie best over another.
//!
//! Invariant: a lag is judged by the correlation over the energy that lies under it, so that a loud part elsewhere does not
//! draw it there.

use std::ops::RangeInclusive;

use realfft::RealFftPlanner;

/// The lag at which two sounds are most alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Best {
    pub(super) lag: usize,
    /// From 0, nothing in common, to 1, the same but for loudness.
    pub(super) correlation: f64,
}

/// Looks for `needle` in `hay`, beginning at one of `lags`. What is beyond the end of `hay` is silence. `None` if one of
/// them is silent.
pub(super) fn best_lag(needle: &[f32], hay: &[f32], lags: RangeInclusive<usize>) -> Option<Best> {
    let (first, last) = (*lags.start(), *lags.end());
    let hay = hay.get(first..)?;
    let hay = &hay[..hay.len().min(last - first + needle.len())];
    let products = correlate(needle, hay, last - first + 1);
    let energy: f64 = needle.iter().map(|s| f64::from(*s).powi(2)).sum();
    let mut sums = Vec::with_capacity(hay.len() + 1);
    sums.push(0.0);
    for sample in hay {
        sums.push(sums[sums.len() - 1] + f64::from(*sample).powi(2));
    }
    let under = |lag: usize| {
        let end = (lag + needle.len()).min(hay.len());
        sums[end] - sums[lag.min(end)]
    };
    // Where next to nothing lies under it, rounding would decide.
    let least = sums[hay.len()] * 1e-6;
    let likeness = |(lag, product): (usize, f32)| {
        let both = (energy * under(lag).max(least)).sqrt();
        (lag, f64::from(product) / both)
    };
    let found = products.into_iter().enumerate().map(likeness);
    let (lag, correlation) = found.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (correlation.is_finite() && correlation > 0.0).then_some(Best {
        lag: first + lag,
        correlation,
    })
}

/// The products of `needle` with `hay` at the first `lags` lags.
fn correlate(needle: &[f32], hay: &[f32], lags: usize) -> Vec<f32> {
    let len = (needle.len() + hay.len()).max(2).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (there, back) = (planner.plan_fft_forward(len), planner.plan_fft_inverse(len));
    let spectrum = |samples: &[f32]| {
        let mut padded = there.make_input_vec();
        padded[..samples.len()].copy_from_slice(samples);
        let mut spectrum = there.make_output_vec();
        there
            .process(&mut padded, &mut spectrum)
            .expect("the plan made both buffers");
        spectrum
    };
    let (needle, mut product) = (spectrum(needle), spectrum(hay));
    for (hay, needle) in product.iter_mut().zip(&needle) {
        *hay *= needle.conj();
    }
    // These two are real by nature; rounding must not say otherwise.
    for real in [0, len / 2] {
        product[real].im = 0.0;
    }
    let mut out = back.make_output_vec();
    back.process(&mut product, &mut out)
        .expect("the plan made both buffers");
    out.truncate(lags);
    for value in &mut out {
        *value /= len as f32;
    }
    out
}
