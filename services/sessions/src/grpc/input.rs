//! [`Input`]: what a client sends, one frame at a time.
//!
//! A decoder of our own, because that of tonic keeps a buffer for every stream and never gives back what
//! one large frame needed; here an idle stream holds none. Invariant: no more than one frame and what
//! came with its end is held.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use cluster_rpc::InvalidRequest;
use http_body::Body as _;
use tonic::body::Body;

use crate::command::Asked;
use crate::wire;
use crate::wire::frame::PREFIX_BYTES;

#[cfg(test)]
mod tests;

/// The frames of one client.
pub(super) struct Input {
    body: Body,
    // What has come and was not read.
    buffer: BytesMut,
    // Most bytes of a frame.
    frame_bytes_max: usize,
    over: bool,
}

impl fmt::Debug for Input {
    /// Shows nothing of what a client sends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("bytes", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

impl Input {
    /// What comes by `body`, in frames of at most so many bytes.
    pub(super) fn new(body: Body, frame_bytes_max: usize) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            frame_bytes_max,
            over: false,
        }
    }

    /// The next frame; `None` at the end, also where the connection breaks: nobody can be told then.
    /// An error is the last thing.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Asked, InvalidRequest>>> {
        loop {
            match self.take_frame() {
                Ok(Some(payload)) => return Poll::Ready(Some(wire::client_frame(payload))),
                Ok(None) if self.over => return Poll::Ready(self.rest().err().map(Err)),
                Ok(None) => {}
                Err(invalid) => return Poll::Ready(Some(Err(invalid))),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => {
                    self.buffer = BytesMut::new();
                    self.over = true;
                }
                None => self.over = true,
            }
        }
    }

    /// A whole frame, if there is one.
    fn take_frame(&mut self) -> Result<Option<Bytes>, InvalidRequest> {
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let [compressed, length @ ..] = *prefix;
        if compressed != 0 {
            return Err(invalid("must not be compressed"));
        }
        let length = u32::from_be_bytes(length) as usize;
        let allowed = self.frame_bytes_max;
        if length > allowed {
            return Err(invalid(format!(
                "is {length} bytes long, {allowed} are allowed"
            )));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_BYTES);
        let payload = Bytes::copy_from_slice(&self.buffer[..length]);
        self.buffer.advance(length);
        if self.buffer.is_empty() {
            // An idle stream keeps no memory for the busy one that it was.
            self.buffer = BytesMut::new();
        }
        Ok(Some(payload))
    }

    /// Whether nothing is left over at the end.
    fn rest(&self) -> Result<(), InvalidRequest> {
        if self.buffer.is_empty() {
            Ok(())
        } else {
            Err(invalid("ends in the middle"))
        }
    }
}

fn invalid(text: impl Into<String>) -> InvalidRequest {
    InvalidRequest::field("client_frame", text)
}
