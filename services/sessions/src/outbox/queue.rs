//! [`Queue`]: encoded frames that wait for one client.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::limits::{
    MESSAGE_BYTES_TARGET, OUTBOX_BYTES_LOW, OUTBOX_BYTES_MAX, OUTBOX_FORCED_BYTES_MAX,
    OUTBOX_FORCED_ITEMS_MAX, OUTBOX_FRAMES_IDLE, OUTBOX_ITEMS_LOW, OUTBOX_ITEMS_MAX,
};
use crate::wire::frame::Frame;

#[derive(Debug, Default)]
pub(super) struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    items: usize,
}

impl Queue {
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.items += frame.items();
        self.frames.push_back(frame);
    }

    /// What goes into the next message: frames up to about the size of one, and `more` of them if the
    /// queue does not fill it. A frame that goes alone is not copied.
    pub(super) fn take(&mut self, mut more: impl FnMut() -> Option<Frame>) -> Option<Bytes> {
        let first = self.pop().or_else(&mut more)?;
        let mut bytes = first.len();
        let mut frames = Vec::new();
        while bytes < MESSAGE_BYTES_TARGET {
            let fits = |frame: &&Frame| bytes + frame.len() <= MESSAGE_BYTES_TARGET;
            let next = match self.frames.front() {
                Some(frame) if !fits(&frame) => break,
                Some(_) => self.pop(),
                None => more(),
            };
            let Some(next) = next else { break };
            if frames.is_empty() {
                frames.push(first.clone());
            }
            bytes += next.len();
            frames.push(next);
        }
        Frame::join(&frames).or(Some(first)).map(Frame::into_bytes)
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        self.items -= frame.items();
        if self.frames.is_empty() && self.frames.capacity() > OUTBOX_FRAMES_IDLE {
            self.frames = VecDeque::new();
        }
        Some(frame)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether events may be added that weigh this.
    pub(super) const fn fits(&self, items: usize, bytes: usize) -> bool {
        self.items + items <= OUTBOX_ITEMS_MAX && self.bytes + bytes <= OUTBOX_BYTES_MAX
    }

    /// Whether a frame may be added that is sent in any case.
    pub(super) fn takes(&self, frame: &Frame) -> bool {
        self.items + frame.items() <= OUTBOX_ITEMS_MAX + OUTBOX_FORCED_ITEMS_MAX
            && self.bytes + frame.len() <= OUTBOX_BYTES_MAX + OUTBOX_FORCED_BYTES_MAX
    }

    /// Whether there is room to read on from the log.
    pub(super) const fn is_low(&self) -> bool {
        self.items <= OUTBOX_ITEMS_LOW && self.bytes <= OUTBOX_BYTES_LOW
    }

    #[cfg(test)]
    pub(super) const fn size(&self) -> (usize, usize) {
        (self.items, self.bytes)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.frames.capacity()
    }
}
