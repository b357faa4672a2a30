//! [`SessionBody`]: both directions of one stream, driven by who sends the answer.
//!
//! Invariant: it reads from the client only as far as the outbox has room for what the client is
//! answered; it is dropped with its connection, and the session with it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use cluster_rpc::InvalidRequest;
use cluster_runtime::PushError;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::time::Sleep;
use tonic::Status;

use super::input::Input;
use crate::command::Asked;
use crate::error::Refusal;
use crate::handle::Opened;
use crate::hub::Close;
use crate::limits::{FRAMES_AT_ONCE, HELLO_DEADLINE};
use crate::outbox::{End, Next};
use crate::wire::item;

/// What one client is sent.
#[derive(Debug)]
pub(super) struct SessionBody {
    opened: Opened,
    // Until the client has nothing more to say.
    input: Option<Input>,
    // Until the client has said hello.
    hello: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl SessionBody {
    pub(super) fn new(opened: Opened, input: tonic::body::Body) -> Self {
        Self {
            opened,
            input: Some(Input::new(input)),
            hello: Some(Box::pin(tokio::time::sleep(HELLO_DEADLINE))),
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
        // Where the session has ended, there is nobody to answer.
        if let Err((PushError::Full, asked)) = session.ask(asked)
            && asked.request_id != 0
        {
            let refused = Err(Refusal::TooMuchUnderWay);
            session.push(item::reply(asked.request_id, &refused));
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
