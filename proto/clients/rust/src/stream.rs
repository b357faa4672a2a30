//! The bare stream: frames out, frames in, and nothing kept about either.
//!
//! This is what [`Session`](crate::Session) is made of, and what a load generator uses: no task, no
//! queue of items, no cursors, and frames that need not even be decoded. Whoever reads slowly makes the
//! server wait; whoever stops reading gets the same as any slow client.
//!
//! Invariant: a frame is decoded at most once, and only for who asks for more than its bytes.

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use proto::v1::{ClientFrame, Hello, ServerFrame, client_frame::Command};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder, Streaming};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};

use crate::{Client, Error, limits};

/// The sending half of a stream. Clones send on the same stream; it ends when the last one goes.
#[derive(Clone, Debug)]
pub struct FrameSender(mpsc::Sender<Bytes>);

/// The receiving half of a stream. Dropping it ends the stream.
#[derive(Debug)]
pub struct FrameReceiver(Streaming<Bytes>);

impl Client {
    /// Opens a bare stream, its Hello sent. The first frame in has the Ready.
    ///
    /// Dropping the future gives the stream up. There is no deadline: wrap it in one.
    ///
    /// # Errors
    /// UNAUTHENTICATED without a good token; [`Error::Unreachable`].
    pub async fn open_stream(&self, hello: Hello) -> Result<(FrameSender, FrameReceiver), Error> {
        let (frames, outgoing) = mpsc::channel(limits::FRAMES_OUT_MAX);
        let sender = FrameSender(frames);
        sender
            .send(ClientFrame {
                request_id: 0,
                command: Some(Command::Hello(hello)),
            })
            .await?;
        let mut grpc = Grpc::new(self.channel()).max_decoding_message_size(limits::FRAME_BYTES_MAX);
        grpc.ready()
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        let request: Request<_> = self.request(ReceiverStream::new(outgoing));
        let path = PathAndQuery::from_static("/rookery.v1.Sessions/Connect");
        let response = grpc.streaming(request, path, Frames).await?;
        Ok((sender, FrameReceiver(response.into_inner())))
    }
}

// === impl FrameSender ===

impl FrameSender {
    /// Hands a frame to the transport; waits while the server takes none.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if the stream has ended.
    pub async fn send(&self, frame: ClientFrame) -> Result<(), Error> {
        self.send_encoded(frame.encode_to_vec().into()).await
    }

    /// As [`FrameSender::send`], for a frame that is encoded already.
    ///
    /// # Errors
    /// As [`FrameSender::send`].
    pub async fn send_encoded(&self, frame: Bytes) -> Result<(), Error> {
        let sent = self.0.send(frame).await;
        sent.map_err(|_| Error::Interrupted)
    }

    /// Room for one frame, when there is.
    pub(crate) async fn reserve(&self) -> Result<mpsc::Permit<'_, Bytes>, Error> {
        self.0.reserve().await.map_err(|_| Error::Interrupted)
    }
}

// === impl FrameReceiver ===

impl FrameReceiver {
    /// The next frame; `None` when the server has ended the stream in good order.
    ///
    /// # Errors
    /// What ended the stream otherwise.
    pub async fn next(&mut self) -> Result<Option<ServerFrame>, Error> {
        let Some(bytes) = self.next_encoded().await? else {
            return Ok(None);
        };
        let frame = ServerFrame::decode(bytes);
        frame
            .map(Some)
            .map_err(|_| Error::Nonsense("a frame that is no frame"))
    }

    /// As [`FrameReceiver::next`], without decoding it.
    ///
    /// # Errors
    /// As [`FrameReceiver::next`].
    pub async fn next_encoded(&mut self) -> Result<Option<Bytes>, Error> {
        Ok(self.0.message().await?)
    }
}

/// Passes bytes through, with buffers that start small.
struct Frames;

impl Codec for Frames {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Frames {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, frame: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(frame);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

impl Decoder for Frames {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(limits::STREAM_BUFFER_BYTES, limits::STREAM_BUFFER_BYTES)
}
