//! The unary side: sending and typing; the rest is not implemented.

use std::sync::Arc;

use proto::v1::messages_server::Messages;
use proto::v1::{
    DeleteMessageRequest, DeleteMessageResponse, EditMessageRequest, EditMessageResponse, Event,
    GetEventRequest, ListEventsRequest, ListEventsResponse, ListReadersRequest,
    ListReadersResponse, MarkReadRequest, MarkReadResponse, SendMessageRequest,
    SendMessageResponse, SetTypingRequest,
};
use tonic::{Request, Response, Status};

use super::{State, check_token};

pub(super) struct Service(pub(super) Arc<State>);

type Answer<T> = Result<Response<T>, Status>;

fn absent<T>() -> Answer<T> {
    Err(Status::unimplemented("the fake does not know this call"))
}

#[async_trait::async_trait]
impl Messages for Service {
    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Answer<SendMessageResponse> {
        check_token(&request)?;
        match self.0.send(request.get_ref()) {
            Some(answer) => answer.map(Response::new),
            None => std::future::pending().await,
        }
    }

    async fn set_typing(&self, _: Request<SetTypingRequest>) -> Answer<()> {
        self.0.seen.lock().typing += 1;
        Err(Status::unavailable("not now"))
    }

    async fn edit_message(&self, _: Request<EditMessageRequest>) -> Answer<EditMessageResponse> {
        absent()
    }

    async fn delete_message(
        &self,
        _: Request<DeleteMessageRequest>,
    ) -> Answer<DeleteMessageResponse> {
        absent()
    }

    async fn get_event(&self, _: Request<GetEventRequest>) -> Answer<Event> {
        absent()
    }

    async fn list_events(&self, _: Request<ListEventsRequest>) -> Answer<ListEventsResponse> {
        absent()
    }

    async fn mark_read(&self, _: Request<MarkReadRequest>) -> Answer<MarkReadResponse> {
        absent()
    }

    async fn list_readers(&self, _: Request<ListReadersRequest>) -> Answer<ListReadersResponse> {
        absent()
    }
}
