//! The client of a Rookery server: connect, sign in, talk, and stay connected.
//!
//! Owns: trust in a server's certificate, retries that are safe, the session that resumes without
//! a gap and without a duplicate, and transfers of files that go on where they broke. Invariant: nothing is
//! sent in the clear, and nothing that could be carried out twice is sent twice. Left out: storage. What a
//! program wants to keep, it keeps.
//!
//! # From nothing to a conversation
//!
//! ```no_run
//! use rookery_client::v1::SignInRequest;
//! use rookery_client::v1::event::Kind;
//! use rookery_client::{Client, Error, Follow, Item, KnownServers, Outgoing, SessionOptions, Trust};
//!
//! # async fn example() -> Result<(), Error> {
//! // A server that made its own certificate is known by its fingerprint. The first time, somebody
//! // compares it with the one that the server printed; from then on it has to stay the same.
//! let known = KnownServers::open("known_servers")?;
//! let trust = Trust::first_use(known, |server, fingerprint| {
//!     println!("{server} shows {fingerprint}");
//!     true
//! });
//! let client = Client::builder("https://localhost:7443").trust(trust).connect().await?;
//!
//! let signed_in = client
//!     .sign_in(SignInRequest {
//!         user_name: "ada".to_owned(),
//!         password: "correct Horse battery 9 staple".to_owned(),
//!         ..SignInRequest::default()
//!     })
//!     .await?;
//! let client = signed_in.client;
//!
//! // One room, from where it stands now.
//! let room = client.create_room("lobby", "whatever comes to mind").await?.name;
//! let options = SessionOptions::new().follow(Follow::from_head(&room));
//! let (session, mut incoming) = client.session(options).await?;
//!
//! // Durable when it returns. The value carries its id: sending it again is safe.
//! let hello = Outgoing::new(&room, "hello");
//! let sent = session.send_message(&hello).await?;
//! println!("said as number {}", sent.seq);
//!
//! while let Some(item) = incoming.next().await {
//!     match item {
//!         Item::Event(event) => {
//!             if let Some(Kind::Message(message)) = event.kind {
//!                 println!("{}: {}", event.actor, message.body);
//!             }
//!         }
//!         Item::Reconnecting { attempt, wait, cause } => {
//!             println!("{cause}; attempt {attempt} in {wait:?}");
//!         }
//!         Item::SignedOut => break,
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Files
//!
//! A file is sent up for a room, and then carried by a message. Its readers fetch it by that message. Both ways
//! go on by themselves when the connection breaks or the server restarts, and end with a comparison of SHA-256;
//! memory does not depend on the size of the file. Their bytes have a connection of their own, so that no message
//! waits behind a file.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use rookery_client::{Attached, Client, Error, Existing, Outgoing, Progress, local_name};
//!
//! # async fn example(client: &Client, room: &str) -> Result<(), Error> {
//! let show = |progress: Progress| println!("{} of {} bytes", progress.bytes, progress.total);
//! let upload = client.upload_file(room, Path::new("minutes.pdf"), show).await?;
//! let message = Outgoing::new(room, "of last week").attach(upload.name);
//! let sent = client.send_message(&message).await?;
//!
//! // Somebody else, who got the event of that message.
//! let event = client.event(room, sent.seq).await?;
//! for file in Attached::of(&event) {
//!     // What a sender calls a file is not to be trusted as a path.
//!     let path = Path::new("downloads").join(local_name(&file.file.display_name));
//!     client.save(&file, &path, Existing::Keep, show).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Bytes need not come from a file or go to one: [`Client::upload`], [`Client::download`] and
//! [`Client::download_range`]. What one's own message is to lose, an edit names
//! ([`v1::EditMessageRequest::remove_attachments`]).
//!
//! # What comes in and goes out
//!
//! Requests and answers are the messages of the .proto files, in [`v1`]. Resources have names:
//! `accounts/{account}`, `rooms/{room}`, `rooms/{room}/members/{account}`, `invitations/{invitation}`.
//! What the server refuses comes back as [`Error::Refused`] with its code, reason and fields.
//!
//! # Thousands of connections
//!
//! A load generator prepares the [`Server`] once with [`Tuning::LIGHT`], makes a connection for each
//! session with [`Server::connect`], and reads the bare frames of [`Client::open_stream`]: no task, no
//! queue, no cursors. Such a session, its connection and TLS included, was measured at 50 kB; a full
//! [`Session`] takes 3 kB more. Many accounts on one connection: [`Client::with_token`].

mod backoff;
mod calls;
mod client;
mod error;
mod files;
mod limits;
mod private_file;
mod random;
mod server;
mod session;
mod stream;
mod token;
mod tries;
mod trust;

pub use backoff::{Backoff, Retry};
pub use calls::{Outgoing, Place, Registration, SignedIn};
pub use client::Client;
pub use error::{Error, Refusal, Violation};
pub use files::{Attached, Existing, Progress, discard_part, local_name, name_and_size};
pub use private_file::{LockedFile, PrivateFile};
pub use proto::v1;
pub use random::new_request_id;
pub use server::{Builder, Server, Tuning};
pub use session::{Follow, Incoming, Item, Session, SessionOptions};
pub use stream::{FrameReceiver, FrameSender};
pub use token::Token;
pub use tonic::Code;
pub use trust::{Fingerprint, InvalidFingerprint, KnownServers, Trust};
