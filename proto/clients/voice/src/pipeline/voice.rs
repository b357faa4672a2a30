//! One speaker at a listener: a jitter buffer, a decoder, and what happened so far.

use std::time::Duration;

use crate::frame::{FRAME_SAMPLES, Frame};
use crate::jitter::{Buffer, Play};
use crate::level::Level;
use crate::limits::{CONCEALED_IN_A_ROW_MAX, CONCEALED_LOUDLY_MAX, QUIET_DB};
use crate::opus::Decoder;

/// What was heard of one speaker.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Statistics {
    /// Frames that came and were authentic.
    pub received: u64,
    /// Frames that were played.
    pub played: u64,
    /// Frames whose turn is over, and that have not come.
    pub lost: u64,
    /// Frames that came after their turn.
    pub late: u64,
    /// Frames that newer ones took the place of.
    pub dropped: u64,
    /// Turns of 20 ms in which a frame was made up, because one was missing, late, or to take delay.
    pub concealed: u64,
    /// Those of them that were made of what the next frame says.
    pub recovered: u64,
    /// Frames that were authentic and still no Opus.
    pub undecodable: u64,
    /// Jitter between arrivals (RFC 3550).
    pub jitter: Duration,
    /// How much sound is held back.
    pub delay: Duration,
}

/// One speaker.
#[derive(Debug)]
pub(super) struct Voice {
    buffer: Buffer<Vec<u8>>,
    decoder: Decoder,
    recovered: u64,
    undecodable: u64,
    /// Frames in a row that were made up of nothing.
    made_up: u64,
    last_heard: Duration,
}

impl Statistics {
    /// Frames of a hundred that were lost, for whoever speaks and can prepare for it.
    pub fn loss_percent(&self) -> u8 {
        let due = self.played + self.lost;
        let percent = (self.lost * 100).div_ceil(due.max(1));
        u8::try_from(percent).unwrap_or(100)
    }

    /// Adds what counts; jitter and delay are those of the worst.
    pub(super) fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.played += other.played;
        self.lost += other.lost;
        self.late += other.late;
        self.dropped += other.dropped;
        self.concealed += other.concealed;
        self.recovered += other.recovered;
        self.undecodable += other.undecodable;
        self.jitter = self.jitter.max(other.jitter);
        self.delay = self.delay.max(other.delay);
    }
}

impl Voice {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            buffer: Buffer::new(),
            decoder: Decoder::new(),
            recovered: 0,
            undecodable: 0,
            made_up: 0,
            last_heard: now,
        }
    }

    /// A frame came.
    pub(super) fn insert(&mut self, now: Duration, number: u64, level: Level, packet: Vec<u8>) {
        self.last_heard = now;
        let quiet = level.number() >= QUIET_DB;
        self.buffer.insert(now, number, quiet, packet);
    }

    /// The next 20 ms; `None` if nobody speaks.
    pub(super) fn turn(&mut self, now: Duration) -> Option<Frame> {
        let decoder = &mut self.decoder;
        let undecodable = &mut self.undecodable;
        let mut decode = |packet: &[u8]| {
            decoder.decode(packet).unwrap_or_else(|_| {
                *undecodable += 1;
                decoder.conceal()
            })
        };
        let play = self.buffer.turn(now);
        let before = self.made_up;
        self.made_up = match play {
            Play::Conceal(None) => before + 1,
            Play::Silence | Play::Frame(_) | Play::Both(..) | Play::Conceal(Some(_)) => 0,
        };
        match play {
            Play::Silence => None,
            Play::Frame(packet) => Some(decode(&packet)),
            Play::Both(first, second) => Some(crossfade(&decode(&first), &decode(&second))),
            Play::Conceal(None) => Some(faded(decoder.conceal(), before)),
            Play::Conceal(Some(next)) => match decoder.recover(next) {
                Ok(frame) => {
                    self.recovered += 1;
                    Some(frame)
                }
                Err(_) => Some(decoder.conceal()),
            },
        }
    }

    /// Since when nothing came, if nothing is played either.
    pub(super) fn silent_since(&self) -> Option<Duration> {
        self.buffer.is_silent().then_some(self.last_heard)
    }

    pub(super) fn statistics(&self) -> Statistics {
        let counts = self.buffer.counts();
        Statistics {
            received: counts.received,
            played: counts.played,
            lost: counts.lost,
            late: counts.late,
            dropped: counts.dropped,
            concealed: counts.concealed,
            recovered: self.recovered,
            undecodable: self.undecodable,
            jitter: self.buffer.jitter(),
            delay: self.buffer.delay(),
        }
    }
}

/// A frame that was made up after so many others.
fn faded(mut frame: Frame, before: u64) -> Frame {
    let steps = (CONCEALED_IN_A_ROW_MAX - CONCEALED_LOUDLY_MAX) as f32;
    let gain = |after: u64| 1.0 - after.saturating_sub(CONCEALED_LOUDLY_MAX) as f32 / steps;
    let (first, last) = (gain(before), gain(before + 1).max(0.0));
    for (index, sample) in frame.iter_mut().enumerate() {
        *sample *= first + (last - first) * index as f32 / FRAME_SAMPLES as f32;
    }
    frame
}

/// Two frames in the time of one.
fn crossfade(first: &Frame, second: &Frame) -> Frame {
    let mut frame = *first;
    for (index, (sample, later)) in frame.iter_mut().zip(second).enumerate() {
        let part = index as f32 / FRAME_SAMPLES as f32;
        *sample += (later - *sample) * part;
    }
    frame
}
