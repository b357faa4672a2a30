//! A store of schema version 1: the same answers before, during and after its upgrade, and nothing personal
//! in it afterwards.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use cluster_store::schema;
use cluster_store::{
    Faults, MaybeCommitted, Simulated, SimulatedDisk, Store, StoreError, Table, Transaction,
    Upgrade, open_deployment,
};
use cluster_types::{AccountId, InvitationId, Rng, SignInId};
use data_encoding::BASE64URL_NOPAD;
use proto::storage::v1 as storage;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::{
    Argon2id, HashCost, Options, Password, PasswordHasher as _, administration,
};
use tonic::Code;

use crate::harness::{Device, PASSWORD, Server, credentials, reason, registration};

/// A day on which everything here is still good.
const EXPIRY_DAY: u32 = 20_050;

/// Accounts besides those of which more is asked: the upgrade needs several transactions for them.
const OTHERS: u8 = 230;

/// What people said, which nobody may read in the store.
const SAID: [&str; 7] = [
    "lovelace",
    "Countess of",
    "hopper",
    "Amazing",
    "attic",
    "for whoever",
    "$argon2id$",
];

const fn account(number: u8) -> AccountId {
    AccountId::from_bytes([number; 16])
}

/// The text of the token or invitation of this number.
fn secret(prefix: &str, number: u8) -> String {
    format!("{prefix}{}", BASE64URL_NOPAD.encode(&[number; 32]))
}

fn hash_of_secret(number: u8) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &[number; 32]).as_ref());
    hash
}

fn copied(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// Writes a person with a sign-in, as version 1 had them.
fn person(
    tx: &Transaction,
    number: u8,
    user_name: &str,
    display_name: &str,
    password_hash: &str,
) -> Result<(), StoreError> {
    let (account, token) = (account(number), hash_of_secret(number));
    let role = match number {
        1 => storage::AccountRole::Administrator,
        _ => storage::AccountRole::Member,
    };
    let row = storage::Account {
        user_name: user_name.into(),
        display_name: display_name.into(),
        password_hash: password_hash.into(),
        role: role.into(),
        suspended: number == 3,
        created_day: 19_000,
        ..Default::default()
    };
    tx.set_row(&schema::Account { account }, &row)?;
    let account_id = copied(account.as_bytes());
    let row = storage::AccountName { account_id };
    let folded = user_name.to_lowercase();
    tx.set_row(&schema::AccountName { folded }, &row)?;
    let sign_in = SignInId::from_bytes([number; 16]);
    let row = storage::SignIn {
        token_hash: copied(&token),
        device_label: "in the attic".into(),
        expiry_day: EXPIRY_DAY,
        keep_signed_in: false,
        ..Default::default()
    };
    tx.set_row(&schema::SignIn { account, sign_in }, &row)?;
    let row = storage::Token {
        account_id: copied(account.as_bytes()),
        sign_in_id: copied(sign_in.as_bytes()),
        expiry_day: EXPIRY_DAY,
    };
    tx.set_row(&schema::Token { hash: token }, &row)
}

/// Writes an invitation, as version 1 had it.
fn invitation(tx: &Transaction, number: u8, note: &str) -> Result<(), StoreError> {
    let (invitation, hash) = (
        InvitationId::from_bytes([number; 16]),
        hash_of_secret(number),
    );
    let row = storage::Invitation {
        secret_hash: copied(&hash),
        role: storage::AccountRole::Member.into(),
        expiry_day: EXPIRY_DAY,
        created_by: copied(account(1).as_bytes()),
        note: note.into(),
        ..Default::default()
    };
    tx.set_row(&schema::Invitation { invitation }, &row)?;
    let invitation_id = copied(invitation.as_bytes());
    let row = storage::InvitationSecret { invitation_id };
    tx.set_row(&schema::InvitationSecret { hash }, &row)
}

/// What a server of version 1 left behind.
async fn earlier() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let store = Store::new(Simulated::new(disk.clone(), Rng::seeded(1)));
    let hasher = Argon2id::new(HashCost::LEAST).expect("a cost that the algorithm allows");
    let password = Password::parse(PASSWORD.to_owned()).expect("a password");
    let hash = &hasher.hash(&password, [7; 16]).expect("hashes");
    let write = |tx: Transaction, _: MaybeCommitted| async move {
        person(&tx, 1, "Ada.Lovelace", "Countess of", hash)?;
        person(&tx, 2, "hopper", "Amazing", hash)?;
        person(&tx, 3, "suspended.hopper", "Amazing too", hash)?;
        for number in 0..OTHERS {
            person(&tx, 4 + number, &format!("hopper{number}"), "Amazing", hash)?;
        }
        invitation(&tx, 250, "for whoever comes")?;
        invitation(&tx, 251, "for whoever comes late")?;
        let deployment = storage::Deployment {
            deployment_id: vec![7; 16].into(),
            schema_version: 1,
            ..Default::default()
        };
        tx.set_row(&schema::Deployment {}, &deployment)
    };
    store.run(write).await.expect("writes");
    open_deployment(&store, &Rng::seeded(1))
        .await
        .expect("opens");
    disk
}

async fn start(disk: &SimulatedDisk, seed: u64) -> Server {
    Server::on(disk.clone(), seed, Options::default(), HashCost::LEAST).await
}

async fn pending(server: &Server) -> Upgrade {
    let pending = Upgrade::pending(&server.store).await.expect("reads");
    pending.expect("it is not finished")
}

/// Who shows the token of this number.
async fn device(server: &Server, number: u8) -> Device {
    let token = secret("rk_s_", number);
    let caller = server.accounts.authenticate(&token).await;
    Device {
        token,
        caller: caller.expect("signed in"),
        account: v1::Account::default(),
        sign_in: v1::SignIn::default(),
    }
}

/// All that the service says of what version 1 left behind.
async fn answers(server: &Server) -> Vec<String> {
    let ada = device(server, 1).await;
    let list = v1::ListAccountsRequest {
        page_size: 1_000,
        ..Default::default()
    };
    let accounts = administration::list_accounts(&server.accounts, ada.asks(list));
    let accounts = accounts.await.expect("an administrator may").into_inner();
    assert_eq!(accounts.accounts.len(), 3 + usize::from(OTHERS));
    let list = v1::ListInvitationsRequest::default();
    let invitations = administration::list_invitations(&server.accounts, ada.asks(list));
    let invitations = invitations
        .await
        .expect("an administrator may")
        .into_inner();
    let list = v1::ListSignInsRequest::default();
    let sign_ins = server
        .accounts
        .list_sign_ins(device(server, 2).await.asks(list));
    let sign_ins = sign_ins.await.expect("her own").into_inner();
    let mut answers = vec![
        format!("{accounts:?}"),
        format!("{invitations:?}"),
        format!("{sign_ins:?}"),
    ];
    for name in [
        "ada.lovelace",
        "HOPPER",
        "suspended.hopper",
        "hopper229",
        "nobody",
    ] {
        let user_name = name.to_owned();
        let request = ada.asks(v1::LookUpAccountRequest { user_name });
        let found = server.accounts.look_up_account(request).await;
        let found = found.map(tonic::Response::into_inner);
        answers.push(format!("{:?}", found.map_err(|status| status.code())));
    }
    answers
}

/// Signing in and registering: what names are for.
async fn assert_names_work(server: &Server) {
    let ada = server.sign_in("ADA.lovelace", PASSWORD).await;
    let ada = ada.expect("her password");
    assert_eq!(ada.account.display_name, "Countess of");
    let out = server.accounts.sign_out(ada.asks(v1::SignOutRequest {}));
    out.await.expect("leaves no trace");
    let suspended = server.sign_in("suspended.hopper", PASSWORD).await;
    let suspended = suspended.expect_err("may not");
    assert_eq!(reason(&suspended), "ACCOUNT_SUSPENDED");
    let wrong = server
        .sign_in("ada.lovelace", "Wr0ng, all wrong here")
        .await;
    assert_eq!(wrong.expect_err("wrong").code(), Code::Unauthenticated);
    for taken in ["HOPPER", "hopper0", "hopper229"] {
        let request = v1::RegisterAccountRequest {
            invitation: secret("rk_i_", 250),
            ..registration(taken)
        };
        let refused = server.register(request).await.expect_err("taken");
        assert_eq!(reason(&refused), "USER_NAME_TAKEN");
    }
}

/// Which of [`SAID`] can be read.
fn readable(disk: &SimulatedDisk) -> Vec<&'static str> {
    let contents = disk.contents();
    let holds = |needle: &[u8]| {
        let mut all = contents.iter().flat_map(|(key, value)| [key, value]);
        all.any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    };
    let said = SAID.into_iter();
    said.filter(|said| holds(said.as_bytes())).collect()
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_the_same_before_and_after_and_nothing_is_readable_then() {
    let disk = earlier().await;
    let server = start(&disk, 1).await;
    let before = answers(&server).await;
    assert_names_work(&server).await;
    assert_eq!(readable(&disk), SAID, "the search finds what is there");

    let upgrade = pending(&server).await;
    server.accounts.upgrade(&upgrade).await.expect("walks");
    upgrade.finish().await.expect("commits");
    assert_eq!(readable(&disk), [""; 0]);
    assert_eq!(server.rows().get(&Table::AccountName), None);
    assert_eq!(answers(&server).await, before);
    assert_names_work(&server).await;
    let restarted = start(&disk, 2).await;
    assert_eq!(answers(&restarted).await, before);
    assert_names_work(&restarted).await;
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_the_same_wherever_the_upgrade_is_cut_off() {
    let disk = earlier().await;
    let before = answers(&start(&disk, 1).await).await;
    let mut cuts = 0;
    loop {
        let server = start(&disk, 100 + cuts).await;
        let upgrade = pending(&server).await;
        // As often as there are batches, it gets no further than to the next.
        let walk = server.accounts.upgrade(&upgrade);
        let walked = tokio::time::timeout(std::time::Duration::from_millis(4), walk).await;
        assert_eq!(answers(&server).await, before, "cut {cuts}");
        assert_names_work(&server).await;
        match walked {
            Ok(walked) => {
                walked.expect("walks");
                break upgrade.finish().await.expect("commits");
            }
            Err(_) => cuts += 1,
        }
    }
    assert!(cuts >= 6, "two batches of each large table: {cuts}");
    assert_eq!(readable(&disk), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn who_writes_while_the_upgrade_runs_loses_nothing_to_it() {
    for seed in 0..5 {
        let disk = earlier().await;
        let server = start(&disk, seed).await;
        let hopper = device(&server, 2).await;
        let upgrade = pending(&server).await;
        disk.set_faults(Faults {
            conflict: 50_000,
            unknown_committed: 50_000,
            unknown_lost: 50_000,
            ..Faults::NONE
        });
        let walk = async {
            while let Err(error) = server.accounts.upgrade(&upgrade).await {
                assert!(matches!(
                    error,
                    StoreError::Contended | StoreError::CommitUnknown
                ));
            }
        };
        let write = async {
            for number in 0..30 {
                let request = v1::UpdateAccountRequest {
                    display_name: format!("Amazing {number}"),
                };
                let renamed = server.accounts.update_account(hopper.asks(request)).await;
                renamed.expect("renamed");
                let label = format!("attic {number}");
                let request = v1::SignInRequest {
                    device_label: label.clone(),
                    ..credentials(&format!("hopper{number}"), PASSWORD)
                };
                let device = server.sign_in_as(request).await.expect("signs in");
                assert_eq!(device.sign_in.device_label, label);
            }
        };
        futures::join!(walk, write);
        disk.set_faults(Faults::NONE);
        let request = v1::LookUpAccountRequest {
            user_name: "hopper".into(),
        };
        let found = server.accounts.look_up_account(hopper.asks(request)).await;
        let found = found.expect("is there").into_inner();
        assert_eq!(found.display_name, "Amazing 29", "seed {seed}");
        upgrade.finish().await.expect("commits");
        assert_eq!(readable(&disk), [""; 0], "seed {seed}");
        assert_names_work(&server).await;
    }
}
