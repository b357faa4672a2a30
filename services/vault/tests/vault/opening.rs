//! A vault opens with the right key or is refused by name, with what to do about it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use cluster_store::schema;
use cluster_types::{DeploymentId, Rng};
use secrecy::SecretString;
use services_vault::{
    Generation, KeySource, MemoryKms, OpenError, Passphrase, PassphraseCost, Vault,
};

use crate::harness::{NOON, World, account, assert_opens, opened, room, seal};

const PASSPHRASE: &str = "a long walk by the river";

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(SecretString::from(text.to_owned()), PassphraseCost::LEAST)
}

fn by_passphrase(text: &str) -> KeySource {
    KeySource::Passphrase(Arc::new(passphrase(text)))
}

fn refused(opened: Result<Vault, OpenError>) -> String {
    opened.expect_err("is refused").to_string()
}

/// Changes what the key file says, as its owner would.
fn rewrite(path: &Path, change: impl Fn(String) -> String) {
    let text = std::fs::read_to_string(path).expect("reads");
    std::fs::write(path, change(text)).expect("writes");
}

#[tokio::test(start_paused = true)]
async fn the_first_start_makes_a_file_and_later_ones_need_it() {
    let world = World::new(1);
    let vault = world.vault().await;
    let message = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    assert_opens(&world.vault().await, &message).await;
    let path = world.key_file();
    let away = path.with_extension("away");
    std::fs::rename(&path, &away).expect("renames");
    let error = refused(world.open(KeySource::file(&path)).await);
    assert_eq!(
        error,
        format!(
            "the key file {} is missing, and what is stored opens with it only: put it back, \
             or say where it is with --key-file",
            path.display()
        )
    );
    assert!(!path.exists(), "a refused start makes no other key");
    let vault = world.open(KeySource::file(&away)).await.expect("opens");
    assert_opens(&vault, &message).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_with_rows_of_an_earlier_release_gets_a_vault() {
    let world = World::new(1);
    let tx = world.store().begin().await.expect("begins");
    let row = schema::Account {
        account: account(1),
    };
    tx.set_row(&row, &Default::default()).expect("sets");
    tx.commit().await.expect("commits");
    let vault = world.vault().await;
    assert_eq!(vault.generation(), Generation::FIRST);
}

#[tokio::test(start_paused = true)]
async fn a_first_start_that_was_cut_off_goes_on_with_the_key_that_it_made() {
    let world = World::new(1);
    world.disk.set_full(true);
    let error = refused(world.open(KeySource::file(world.key_file())).await);
    assert_eq!(
        error,
        "the keys in the store in memory cannot be used: see the cause"
    );
    let text = world.key_file_text();
    world.disk.set_full(false);
    world.vault().await;
    assert_eq!(world.key_file_text(), text);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_others_can_read_is_refused() {
    let world = World::new(1);
    world.vault().await;
    let path = world.key_file();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&path, open).expect("sets");
    let error = refused(world.open(KeySource::file(&path)).await);
    let name = path.display();
    assert_eq!(
        error,
        format!("the key file {name} is open to others (mode 0644): run `chmod 600 {name}`")
    );
}

#[tokio::test(start_paused = true)]
async fn the_key_of_another_deployment_is_refused_by_name() {
    let (world, other) = (World::new(1), World::new(2));
    world.vault().await;
    other.vault().await;
    let path = other.key_file();
    let error = refused(world.open(KeySource::file(&path)).await);
    assert_eq!(
        error,
        format!(
            "the key file {} belongs to deployment {}, and this store to {}: \
             say with --key-file where its own is",
            path.display(),
            other.deployment,
            world.deployment
        )
    );
}

#[tokio::test(start_paused = true)]
async fn another_key_under_the_right_name_is_refused_and_nothing_is_read_with_it() {
    let (world, other) = (World::new(1), World::new(2));
    world.vault().await;
    other.vault().await;
    let path = other.key_file();
    let ids = [other.deployment, world.deployment].map(|id: DeploymentId| id.to_string());
    rewrite(&path, |text| text.replace(&ids[0], &ids[1]));
    let error = refused(world.open(KeySource::file(&path)).await);
    assert_eq!(
        error,
        format!(
            "generation 1 in the key file {} is not the key that this store was sealed with: \
             put back a copy that has the right one",
            path.display()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_copy_from_before_a_rotation_is_refused() {
    let world = World::new(1);
    let vault = world.vault().await;
    let path = world.key_file();
    let copy = path.with_extension("copy");
    std::fs::copy(&path, &copy).expect("copies");
    vault.rotate().await.expect("rotates");
    let error = refused(world.open(KeySource::file(&copy)).await);
    assert_eq!(
        error,
        format!(
            "the key file {} has no generation 2 of the key, and rows of this store are wrapped \
             under it: put back a copy that has it",
            copy.display()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_refused_by_its_line_and_without_its_text() {
    let world = World::new(1);
    world.vault().await;
    let path = world.key_file();
    let key = world.key_file_text();
    let key = key.lines().last().expect("a key").to_owned();
    rewrite(&path, |text| text.replace(&key, &key[..key.len() - 1]));
    let error = refused(world.open(KeySource::file(&path)).await);
    assert_eq!(
        error,
        format!(
            "line 5 of the key file {} is not a generation and its key: put back a copy of it, \
             or say with --key-file where the right file is",
            path.display()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_passphrase_opens_what_it_sealed_and_another_does_not() {
    let world = World::new(1);
    let vault = world.open(by_passphrase(PASSPHRASE)).await.expect("opens");
    let message = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    let again = world.open(by_passphrase(PASSPHRASE)).await.expect("opens");
    assert_opens(&again, &message).await;
    let error = refused(world.open(by_passphrase("a long walk by the rive")).await);
    assert_eq!(
        error,
        "the passphrase in --key-passphrase-file is not the one that this store was sealed with: \
         give that one, as it was, without a line end"
    );
}

#[tokio::test(start_paused = true)]
async fn a_short_passphrase_seals_nothing() {
    let world = World::new(1);
    let error = refused(world.open(by_passphrase("elevenchars")).await);
    assert_eq!(
        error,
        "the passphrase in --key-passphrase-file is too short: it needs 12 characters"
    );
    assert_eq!(world.disk.contents(), []);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_changes_the_passphrase() {
    let world = World::new(1);
    let vault = world.open(by_passphrase(PASSPHRASE)).await.expect("opens");
    let message = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    let next = "another walk, in the hills";
    let both = passphrase(next).with_previous(SecretString::from(PASSPHRASE.to_owned()));
    let vault = world
        .open(KeySource::Passphrase(Arc::new(both)))
        .await
        .expect("opens");
    assert_opens(&vault, &message).await;
    vault.rotate().await.expect("rotates");
    let vault = world.open(by_passphrase(next)).await.expect("opens");
    assert_opens(&vault, &message).await;
    world
        .open(by_passphrase(PASSPHRASE))
        .await
        .expect_err("is of no use any more");
}

#[tokio::test(start_paused = true)]
async fn a_kms_keeps_the_key_and_another_one_is_refused() {
    let world = World::new(1);
    let kms = MemoryKms::new(Rng::seeded(5));
    let vault = world.open(KeySource::Kms(Arc::new(kms.clone()))).await;
    let vault = vault.expect("opens");
    let message = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    vault.rotate().await.expect("rotates");
    assert_eq!(kms.generations(), [Generation(2)]);
    let again = world.open(KeySource::Kms(Arc::new(kms))).await;
    assert_opens(&again.expect("opens"), &message).await;
    let empty = MemoryKms::new(Rng::seeded(6));
    let error = refused(world.open(KeySource::Kms(Arc::new(empty))).await);
    assert_eq!(
        error,
        "the KMS in memory has no generation 2 of the key, and rows of this store are wrapped \
         under it: put back a copy that has it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_of_another_kind_is_refused_with_the_option_to_use() {
    let world = World::new(1);
    world.vault().await;
    let error = refused(world.open(by_passphrase(PASSPHRASE)).await);
    assert_eq!(
        error,
        "this store is sealed with a key file (--key-file), and the server was started with \
         a passphrase (--key-passphrase-file): start it with the former"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_not_sealed_says_so_and_its_keys_can_be_destroyed() {
    let world = World::new(1);
    let vault = world.open(KeySource::Unsealed).await.expect("opens");
    let message = seal(&vault, account(1), room(1), NOON)
        .await
        .expect("passes through");
    assert_eq!(message.sealed[1..], *message.text.as_bytes());
    let vault = world.open(KeySource::Unsealed).await.expect("opens");
    assert_opens(&vault, &message).await;
    let error = vault.rotate().await.expect_err("is refused").to_string();
    assert_eq!(
        error,
        "nothing is sealed here, so there is no key to rotate"
    );
    vault.destroy_account(account(1)).await.expect("destroys");
    let vault = world.open(KeySource::Unsealed).await.expect("opens");
    let gone = opened(&vault, &message).await.expect("the keys are read");
    assert_eq!(gone, None);
}

#[tokio::test(start_paused = true)]
async fn a_sealed_store_is_not_opened_unsealed_nor_the_other_way_round() {
    let (sealed, unsealed) = (World::new(1), World::new(2));
    sealed.vault().await;
    unsealed.open(KeySource::Unsealed).await.expect("opens");
    assert_eq!(
        refused(sealed.open(KeySource::Unsealed).await),
        "this store is sealed with a key file (--key-file), and the server was started with \
         no key (--unsealed): start it with the former"
    );
    assert_eq!(
        refused(unsealed.open(KeySource::file(unsealed.key_file())).await),
        "this store is not sealed (--unsealed), and the server was started with \
         a key file (--key-file): start it with the former"
    );
    assert!(
        !unsealed.key_file().exists(),
        "a refused start makes no key"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_without_the_row_that_says_under_what_are_not_sealed_over() {
    let world = World::new(1);
    world.vault().await;
    let tx = world.store().begin().await.expect("begins");
    tx.clear_row(&schema::Vault {}).expect("clears");
    tx.commit().await.expect("commits");
    let error = refused(world.open(KeySource::file(world.key_file())).await);
    assert_eq!(
        error,
        "the store in memory holds sealed keys and not the row that says what they are sealed \
         with: restore it from a backup"
    );
}

#[tokio::test(start_paused = true)]
async fn no_key_is_printed_or_stored() {
    let world = World::new(1);
    let vault = world.vault().await;
    seal(&vault, account(1), room(1), NOON)
        .await
        .expect("seals");
    let text = world.key_file_text();
    let key = text.lines().last().and_then(|line| line.split(' ').nth(1));
    let key = key.expect("a generation has a key");
    let bytes = data_encoding::BASE64URL_NOPAD.decode(key.as_bytes());
    let bytes = bytes.expect("base64url");
    let source = KeySource::file(world.key_file());
    let printed = format!("{vault:?} {source:?} {:?}", by_passphrase(PASSPHRASE));
    assert!(
        !printed.contains(key) && !printed.contains(PASSPHRASE),
        "{printed}"
    );
    assert!(!printed.contains(&format!("{bytes:?}")), "{printed}");
    for (_, value) in world.disk.contents() {
        assert!(!value.windows(32).any(|window| window == bytes));
    }
}
