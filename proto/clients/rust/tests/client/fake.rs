//! A server in this process: one certificate, one account, rooms in memory, faults on demand.

pub(crate) mod files;
mod messages;
mod sessions;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use proto::v1::event::Kind;
use proto::v1::files_server::FilesServer;
use proto::v1::messages_server::MessagesServer;
use proto::v1::sessions_server::SessionsServer;
use proto::v1::{
    ClientFrame, Event, Farewell, Hello, Message, SendMessageRequest, SendMessageResponse,
};
use rcgen::{CertificateParams, KeyPair};
use rookery_client::{Builder, Client, Error, Fingerprint, Retry, Token, Trust};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use tonic::service::Routes;

/// The one token that the server takes.
pub(crate) const TOKEN: &str = "rk_s_of_ada";

/// A server that ends when this is dropped.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) certificate_pem: String,
    pub(crate) state: Arc<State>,
    connections: Arc<Mutex<JoinSet<()>>>,
    _accepting: JoinSet<()>,
}

/// What the services share.
pub(crate) struct State {
    rooms: Mutex<HashMap<String, Room>>,
    pub(crate) files: Mutex<files::Shelf>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) seen: Mutex<Seen>,
    /// Moves whenever a room or the farewell changes, or an upload goes on.
    changed: watch::Sender<u64>,
    farewell: Mutex<Option<Farewell>>,
    streams: watch::Sender<usize>,
    connections: Arc<Mutex<JoinSet<()>>>,
}

#[derive(Default)]
struct Room {
    log_id: String,
    events: Vec<Event>,
    by_client_id: HashMap<String, u64>,
}

/// What goes wrong next.
#[derive(Default)]
pub(crate) struct Faults {
    /// Answers of the next calls and commands, instead of doing anything.
    pub(crate) refuse: VecDeque<Status>,
    /// So many messages are taken in, and then every connection is cut instead of an answer.
    pub(crate) lose_replies: usize,
    /// New streams are turned away with this.
    pub(crate) turn_away: Option<Status>,
    /// Events that are left out once.
    pub(crate) skip: Vec<u64>,
    /// Every event is sent twice.
    pub(crate) twice: bool,
    /// Commands are not answered at all.
    pub(crate) mute: bool,
}

/// What the server was sent.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) hellos: Vec<Hello>,
    pub(crate) frames: Vec<ClientFrame>,
    /// The client message id of each attempt to send.
    pub(crate) sends: Vec<String>,
    pub(crate) typing: usize,
    pub(crate) sources: Vec<SocketAddr>,
}

// === impl Fake ===

impl Fake {
    pub(crate) async fn start() -> Self {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.self_signed(&key).expect("a certificate");
        let der: CertificateDer<'static> = certificate.der().clone();
        let private = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], private.into())
            .expect("key and certificate match");
        tls.alpn_protocols = vec![b"h2".to_vec()];

        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let state = Arc::new(State {
            rooms: Mutex::default(),
            files: Mutex::default(),
            faults: Mutex::default(),
            seen: Mutex::default(),
            changed: watch::channel(0).0,
            farewell: Mutex::default(),
            streams: watch::channel(0).0,
            connections: Arc::clone(&connections),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut accepting = JoinSet::new();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        accepting.spawn(accept(listener, acceptor, Arc::clone(&state)));
        Self {
            address,
            fingerprint: Fingerprint::of(&der),
            certificate_pem: certificate.pem(),
            state,
            connections,
            _accepting: accepting,
        }
    }

    /// A builder for this server, which it trusts.
    pub(crate) fn builder(&self) -> Builder {
        Client::builder(format!("https://{}", self.address))
            .trust(Trust::fingerprint(self.fingerprint))
            .retry(quick())
            .transfer_retry(quick())
    }

    /// A client that is signed in.
    pub(crate) async fn client(&self) -> Client {
        let client = self.builder().connect().await.expect("it listens");
        client.with_token(Token::new(TOKEN)).expect("a good token")
    }

    /// Cuts every connection, as a crash does.
    pub(crate) fn cut(&self) {
        self.connections.lock().abort_all();
    }

    /// Waits until so many streams are open.
    pub(crate) async fn until_streams(&self, count: usize) {
        let mut streams = self.state.streams.subscribe();
        let reached = streams.wait_for(|open| *open == count).await;
        reached.expect("the state lives as long as the fake");
    }

    /// Waits until so many calls for bytes have come.
    pub(crate) async fn until_calls(&self, count: usize) {
        let mut changed = self.state.changed.subscribe();
        let reached = changed.wait_for(|_| self.state.files.lock().offsets.len() >= count);
        reached.await.expect("the state lives as long as the fake");
    }

    /// Waits until so many connections have ended.
    pub(crate) async fn until_left(&self, count: usize) {
        let ended = || self.connections.lock().try_join_next().is_some();
        let mut left = 0;
        while left < count {
            tokio::task::yield_now().await;
            left += usize::from(ended());
        }
    }

    /// Ends every stream with this.
    pub(crate) fn say_farewell(&self, farewell: Farewell) {
        *self.state.farewell.lock() = Some(farewell);
        self.state.changed.send_modify(|version| *version += 1);
    }

    /// New streams are welcome again.
    pub(crate) fn unsay_farewell(&self) {
        *self.state.farewell.lock() = None;
    }
}

/// Retries that do not hold a test up.
pub(crate) fn quick() -> Retry {
    Retry {
        backoff: rookery_client::Backoff {
            first: std::time::Duration::from_millis(5),
            max: std::time::Duration::from_millis(50),
        },
        ..Retry::default()
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    loop {
        let (tcp, source) = listener.accept().await.expect("a socket");
        state.seen.lock().sources.push(source);
        let serving = serve(tcp, acceptor.clone(), Arc::clone(&state));
        state.connections.lock().spawn(serving);
    }
}

async fn serve(tcp: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) {
    let Ok(tls) = acceptor.accept(tcp).await else {
        return;
    };
    let routes = Routes::new(SessionsServer::new(sessions::Service(Arc::clone(&state))))
        .add_service(FilesServer::new(files::Service(Arc::clone(&state))))
        .add_service(MessagesServer::new(messages::Service(state)));
    let service = TowerToHyperService::new(routes);
    // A connection that was cut is what many of the tests are about.
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(tls), service)
        .await;
}

// === impl State ===

impl State {
    /// Makes a room with so many messages, the first one saying "1".
    pub(crate) fn make_room(&self, room: &str, messages: u64) {
        let log_id = "log one".to_owned();
        let new = Room {
            log_id,
            ..Room::default()
        };
        self.rooms.lock().insert(room.to_owned(), new);
        for number in 1..=messages {
            self.say(room, &number.to_string());
        }
    }

    /// Replaces a room's log, as a restore does.
    pub(crate) fn rebuild(&self, room: &str, messages: u64) {
        self.make_room(room, messages);
        let mut rooms = self.rooms.lock();
        rooms.get_mut(room).expect("just made").log_id = "log two".to_owned();
    }

    /// Somebody else says something.
    pub(crate) fn say(&self, room: &str, body: &str) {
        self.append(&SendMessageRequest {
            room: room.to_owned(),
            client_message_id: rookery_client::new_request_id(),
            body: body.to_owned(),
            ..SendMessageRequest::default()
        })
        .expect("the room exists");
    }

    /// What was said in a room, in order.
    pub(crate) fn bodies(&self, room: &str) -> Vec<String> {
        let rooms = self.rooms.lock();
        rooms[room].events.iter().map(body).collect()
    }

    fn append(&self, request: &SendMessageRequest) -> Result<SendMessageResponse, Status> {
        let mut rooms = self.rooms.lock();
        let room = rooms
            .get_mut(&request.room)
            .ok_or_else(|| Status::not_found("no such room"))?;
        let next = room.events.len() as u64 + 1;
        let id = request.client_message_id.clone();
        let seq = *room.by_client_id.entry(id.clone()).or_insert(next);
        if seq == next {
            room.events.push(Event {
                room: request.room.clone(),
                seq,
                kind: Some(Kind::Message(Message {
                    body: request.body.clone(),
                    client_message_id: id,
                    ..Message::default()
                })),
                ..Event::default()
            });
        }
        drop(rooms);
        self.changed.send_modify(|version| *version += 1);
        Ok(SendMessageResponse {
            seq,
            create_time: None,
        })
    }

    /// Takes a message in as the faults allow. `None`: there is to be no answer.
    fn send(&self, request: &SendMessageRequest) -> Option<Result<SendMessageResponse, Status>> {
        self.seen
            .lock()
            .sends
            .push(request.client_message_id.clone());
        let mut faults = self.faults.lock();
        if let Some(status) = faults.refuse.pop_front() {
            return Some(Err(status));
        }
        if faults.mute {
            return None;
        }
        let lose = faults.lose_replies > 0;
        faults.lose_replies = faults.lose_replies.saturating_sub(1);
        drop(faults);
        let appended = self.append(request);
        if lose {
            self.connections.lock().abort_all();
            return None;
        }
        Some(appended)
    }
}

/// What an event says.
pub(crate) fn body(event: &Event) -> String {
    match &event.kind {
        Some(Kind::Message(message)) => message.body.clone(),
        _ => panic!("a message: {event:?}"),
    }
}

/// Refuses requests without the token.
fn check_token<T>(request: &tonic::Request<T>) -> Result<(), Status> {
    let shown = request.metadata().get("authorization");
    let expected = format!("Bearer {TOKEN}");
    if shown.is_some_and(|value| value.as_bytes() == expected.as_bytes()) {
        Ok(())
    } else {
        Err(Status::unauthenticated("sign in first"))
    }
}

/// The error is a refusal with this code.
pub(crate) fn is_refused(error: &Error, code: rookery_client::Code) -> bool {
    error.code() == Some(code)
}
