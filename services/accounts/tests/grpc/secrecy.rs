//! Passwords, tokens, names and addresses: in no log, and none that can be read in the store.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::administration;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{PASSWORD, Server, credentials, from_peer, registration};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const NEW_PASSWORD: &str = "P4ck the lightest bag";
const USER_NAME: &str = "canary.lovelace";

/// Everything that an account can go through; answers the secrets that came up.
async fn a_whole_life(server: &Server) -> Vec<String> {
    let ada = server.administrator("ada").await;
    let invitation = server
        .invite(&ada, v1::CreateInvitationRequest::default())
        .await
        .secret;
    let request = v1::RegisterAccountRequest {
        invitation: invitation.clone(),
        ..registration(USER_NAME)
    };
    let canary = server
        .accounts
        .register_account(from_peer(88, request))
        .await
        .expect("registers");
    let token = canary.into_inner().token;
    let caller = server
        .accounts
        .authenticate(&token)
        .await
        .expect("signed in");
    for password in [PASSWORD, "Wr0ng, all wrong here", "short"] {
        let request = from_peer(88, credentials(USER_NAME, password));
        let _either = server.accounts.sign_in(request).await;
    }
    let request = v1::ChangePasswordRequest {
        current_password: PASSWORD.into(),
        new_password: NEW_PASSWORD.into(),
    };
    let request = crate::harness::asked_by(caller, request);
    server
        .accounts
        .change_password(request)
        .await
        .expect("changed");
    let name = cluster_rpc::name::of_account(caller.account);
    let request = ada.asks(v1::SuspendAccountRequest { name });
    administration::suspend_account(&server.accounts, request)
        .await
        .expect("suspended");
    server.disk.set_full(true);
    server
        .sign_in("ada", PASSWORD)
        .await
        .expect_err("the disk is full");
    server.disk.set_full(false);
    let secrets = [
        PASSWORD,
        NEW_PASSWORD,
        "Wr0ng, all wrong here",
        "127.66.77.88",
    ];
    let mut secrets: Vec<String> = secrets.map(str::to_owned).into();
    secrets.extend([invitation, token, ada.token]);
    secrets
}

#[tokio::test]
async fn no_secret_no_name_and_no_address_reaches_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // For this thread, on which all tasks of the test run.
    let _until_the_end = tracing::subscriber::set_default(subscriber);
    let server = Server::start().await;
    let secrets = a_whole_life(&server).await;
    tracing::trace!(?server.accounts, "everything that it shows of itself");
    let text = log.text();
    assert!(
        text.contains("account changed"),
        "the log was there: {text}"
    );
    for secret in secrets.iter().map(String::as_str).chain([USER_NAME]) {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// Whether these bytes lie anywhere in the store.
fn holds(server: &Server, needle: &[u8]) -> bool {
    let contents = server.disk.contents();
    let mut all = contents.iter().flat_map(|(key, value)| [key, value]);
    all.any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}

#[tokio::test]
async fn no_secret_and_no_address_reaches_the_store() {
    let server = Server::unsealed().await;
    let secrets = a_whole_life(&server).await;
    assert!(
        holds(&server, USER_NAME.as_bytes()),
        "the search finds what is there"
    );
    for secret in secrets {
        assert!(!holds(&server, secret.as_bytes()), "{secret}");
        if let Some(body) = secret
            .strip_prefix("rk_s_")
            .or_else(|| secret.strip_prefix("rk_i_"))
        {
            let bits = data_encoding::BASE64URL_NOPAD
                .decode(body.as_bytes())
                .expect("bits");
            assert!(!holds(&server, &bits), "the bits of {secret}");
        }
    }
    assert!(!holds(&server, &[127, 66, 77, 88]));
}

/// All that people and administrators say, with a word of its own for each field. Answers the words, and
/// what only the server says of them.
async fn say_everything(server: &Server) -> Vec<&'static str> {
    let ada = server.administrator("ada").await;
    let request = v1::CreateInvitationRequest {
        note: "canary note".into(),
        ..Default::default()
    };
    server.invite(&ada, request).await;
    let invitation = server.invite(&ada, Default::default()).await.secret;
    let request = v1::RegisterAccountRequest {
        invitation,
        display_name: "canary display".into(),
        device_label: "canary device".into(),
        ..registration(USER_NAME)
    };
    let canary = server.register(request).await.expect("registers");
    let request = v1::SignInRequest {
        device_label: "canary phone".into(),
        ..credentials(USER_NAME, PASSWORD)
    };
    server.sign_in_as(request).await.expect("signs in");
    let request = v1::UpdateAccountRequest {
        display_name: "canary renamed".into(),
    };
    let renamed = server.accounts.update_account(canary.asks(request)).await;
    renamed.expect("renamed");
    vec![
        USER_NAME,
        "canary device",
        "canary phone",
        "canary note",
        "canary renamed",
        "$argon2id$",
    ]
}

#[tokio::test]
async fn nothing_personal_can_be_read_in_the_store() {
    let (server, control) = (Server::start().await, Server::unsealed().await);
    for word in say_everything(&control).await {
        assert!(holds(&control, word.as_bytes()), "{word} can be found");
    }
    for word in say_everything(&server).await {
        assert!(!holds(&server, word.as_bytes()), "{word} is there");
    }
    assert!(!holds(&server, b"canary"));
}
