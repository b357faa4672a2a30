//! [`SessionBody`]: both directions of one stream, driven by who sends the answer.
//!
//! Invariant: it reads from the client only as far as the outbox has room for what the client is
//! answered; it is dropped with its connection, and the session with it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cluster_rpc::InvalidRequest;
use cluster_runtime::PushError;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;

use super::input::Input;
use crate::command::Asked;
use crate::error::Refusal;
use crate::handle::{Opened, Pace, Sessions};
use crate::hub::Close;
use crate::limits::{FRAMES_AT_ONCE, HELLO_DEADLINE};
use crate::outbox::{End, Next};
use crate::wire::item::{self, Reason};

/// What one client is sent.
#[derive(Debug)]
pub(super) struct SessionBody {
    opened: Opened,
    pace: Arc<dyn Pace>,
    // Until the client has nothing more to say.
    input: Option<Input>,
    // Until the client has said hello.
    hello: Option<Pin<Box<Sleep>>>,
    // Until the connection has to go.
    leaving: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    over: bool,
}

impl SessionBody {
    /// The session `opened`, which ends well when `leaving` is cancelled.
    pub(super) fn new(
        sessions: &Sessions,
        opened: Opened,
        input: tonic::body::Body,
        leaving: Option<CancellationToken>,
    ) -> Self {
        Self {
            opened,
            pace: sessions.pace(),
            input: Some(Input::new(input, sessions.frame_bytes_max())),
            hello: Some(Box::pin(tokio::time::sleep(HELLO_DEADLINE))),
            leaving: leaving.map(|leaving| Box::pin(leaving.cancelled_owned())),
            over: false,
        }
    }

    /// Gives the actor what the client has sent.
    fn read(&mut self, context: &mut Context<'_>) {
        for _ in 0..FRAMES_AT_ONCE {
            let Some(input) = &mut self.input else { return };
            if !self.opened.session.takes_input() {
                // There is something to be sent, and whoever sends it comes back.
                return;
            }
            match input.poll_next(context) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(asked))) => {
                    self.hello = None;
                    self.ask(asked);
                }
                Poll::Ready(Some(Err(invalid))) => {
                    self.input = None;
                    self.fail(invalid.into());
                }
                Poll::Ready(None) => {
                    self.input = None;
                    self.hello = None;
                    self.opened.session.finish();
                }
            }
        }
        // More may be there already: come back after something has been sent.
        context.waker().wake_by_ref();
    }

    fn ask(&self, asked: Asked) {
        let session = &self.opened.session;
        let request_id = asked.request_id;
        let refusal = match self.pace.take(&session.caller, asked.calls()) {
            Err(retry_after) => Refusal::TooFast { retry_after },
            Ok(()) => match session.ask(asked) {
                Err((PushError::Full, _)) => Refusal::TooMuchUnderWay,
                // Where the session has ended, there is nobody to answer.
                Ok(()) | Err((PushError::Closed, _)) => return,
            },
        };
        if request_id != 0 {
            session.push(item::reply(request_id, &Err(refusal)));
        }
    }

    fn wait_for_the_end(&mut self, context: &mut Context<'_>) {
        let Some(leaving) = &mut self.leaving else {
            return;
        };
        if leaving.as_mut().poll(context).is_ready() {
            self.leaving = None;
            let last = item::farewell(Reason::Aged, Duration::ZERO);
            self.opened
                .hub
                .close(&self.opened.session, Close::After(last));
        }
    }

    fn wait_for_hello(&mut self, context: &mut Context<'_>) {
        let Some(sleep) = &mut self.hello else { return };
        if sleep.as_mut().poll(context).is_ready() {
            self.hello = None;
            let seconds = HELLO_DEADLINE.as_secs();
            let text = format!("must be sent within {seconds} seconds");
            self.fail(InvalidRequest::field("hello", text).into());
        }
    }

    fn fail(&self, refusal: Refusal) {
        self.opened
            .hub
            .close(&self.opened.session, Close::Failed(refusal));
    }
}

impl Body for SessionBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        this.read(context);
        this.wait_for_hello(context);
        this.wait_for_the_end(context);
        let end = match this.opened.session.poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Next::Message(message)) => {
                return Poll::Ready(Some(Ok(Frame::data(message))));
            }
            Poll::Ready(Next::End(end)) => end,
        };
        this.over = true;
        let status = match end {
            End::Finished => Status::ok(""),
            End::Failed(refusal) => cluster_rpc::status(&refusal),
        };
        let mut trailers = HeaderMap::new();
        let added = status.add_header(&mut trailers);
        Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))))
    }
}
