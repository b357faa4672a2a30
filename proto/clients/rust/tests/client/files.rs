//! Transfers: what breaks goes on, what was changed is found out, and nothing is there by half.

mod apart;
mod down;
mod up;

use rookery_client::{Progress, Retry};

use crate::fake::quick;

/// Bytes of which no two stretches are alike.
fn bytes(length: usize) -> Vec<u8> {
    let numbers = (0_u32..).map(|number| number.wrapping_mul(2_654_435_761));
    let bytes = numbers.flat_map(u32::to_le_bytes);
    bytes.take(length).collect()
}

/// A few attempts, quickly.
fn few() -> Retry {
    Retry {
        attempts_max: 3,
        ..quick()
    }
}

/// Nobody looks.
fn unseen(_: Progress) {}
