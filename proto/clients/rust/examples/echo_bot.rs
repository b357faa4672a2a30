//! Answers every message in every room that it is a member of, and goes on after a restart of the
//! server. Run it with
//! `ROOKERY_CLIENT_TOKEN=rk_s_... cargo run -p rookery-client --example echo_bot -- https://localhost:7443`.
//! It believes the first certificate that it sees, and remembers it in the file `known_servers`.

use std::process::ExitCode;

use rookery_client::v1::event::Kind;
use rookery_client::v1::{Message, SendMessageRequest};
use rookery_client::{
    Client, Error, Follow, Item, KnownServers, Outgoing, Session, SessionOptions, Token, Trust,
};

#[tokio::main]
async fn main() -> ExitCode {
    let (Some(server), Ok(token)) = (
        std::env::args().nth(1),
        std::env::var("ROOKERY_CLIENT_TOKEN"),
    ) else {
        report("usage: ROOKERY_CLIENT_TOKEN=rk_s_... echo_bot https://HOST:PORT");
        return ExitCode::from(64);
    };
    match echo(&server, Token::new(token)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a bot minds few things")]
async fn echo(server: &str, token: Token) -> Result<(), Error> {
    let known = KnownServers::open("known_servers")?;
    let trust = Trust::first_use(known, |server, fingerprint| {
        report(&format!("{server} is known by {fingerprint} from now on"));
        true
    });
    let client = Client::builder(server).trust(trust).connect().await?;
    let client = client.with_token(token)?;
    let me = client.account("accounts/me").await?.name;

    let mut options = SessionOptions::new();
    for room in client.all_rooms().await? {
        options = options.follow(Follow::after(room.name, room.read_seq, room.log_id));
    }
    let (session, mut incoming) = client.session(options).await?;
    while let Some(item) = incoming.next().await {
        match item {
            Item::Event(event) if event.actor != me => {
                if let Some(Kind::Message(message)) = event.kind
                    && !message.deleted
                {
                    answer(&session, &event.room, event.seq, message).await?;
                }
            }
            Item::RoomGained { room } => session.follow(Follow::from_head(room)).await?,
            Item::Reconnecting { wait, cause, .. } => {
                report(&format!("{cause}; back in {wait:.1?}"));
            }
            Item::Ended(error) => return Err(error),
            _ => {}
        }
    }
    report("signed out");
    Ok(())
}

/// One answer per message, also when this runs again after a crash between the two steps: the answer
/// has the id of the message that it answers, so the server knows a second one by it.
async fn answer(session: &Session, room: &str, seq: u64, message: Message) -> Result<(), Error> {
    let answer = Outgoing::from(SendMessageRequest {
        room: room.to_owned(),
        client_message_id: message.client_message_id,
        body: message.body,
        format: message.format,
        reply_to_seq: seq,
        ..SendMessageRequest::default()
    });
    session.send_message(&answer).await?;
    session.mark_read(room, seq).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example talks to its terminal")]
fn report(line: &str) {
    println!("{line}");
}
