//! Signs in, says one sentence in a room, and goes. Run it with
//! `cargo run -p rookery-client --example hello -- https://localhost:7443 FINGERPRINT USER PASSWORD ROOM`.

use std::process::ExitCode;

use rookery_client::v1::SignInRequest;
use rookery_client::{Client, Outgoing, Trust};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, fingerprint, user, password, room] = arguments.as_slice() else {
        report("usage: hello https://HOST:PORT FINGERPRINT USER PASSWORD rooms/ROOM");
        return ExitCode::from(64);
    };
    match say_hello(server, fingerprint, user, password, room).await {
        Ok(seq) => {
            report(&format!("said as number {seq}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            report(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn say_hello(
    server: &str,
    fingerprint: &str,
    user: &str,
    password: &str,
    room: &str,
) -> Result<u64, Box<dyn std::error::Error>> {
    let client = Client::builder(server)
        .trust(Trust::fingerprint(fingerprint.parse()?))
        .connect()
        .await?;
    let request = SignInRequest {
        user_name: user.to_owned(),
        password: password.to_owned(),
        device_label: "hello".to_owned(),
        keep_signed_in: false,
    };
    let client = client.sign_in(request).await?.client;
    let sent = client.send_message(&Outgoing::new(room, "hello")).await?;
    client.sign_out().await?;
    Ok(sent.seq)
}

#[expect(clippy::print_stdout, reason = "an example talks to its terminal")]
fn report(line: &str) {
    println!("{line}");
}
