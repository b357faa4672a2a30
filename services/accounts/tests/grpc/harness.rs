//! A server's accounts without a server: a store in memory, a clock that a test sets, hashes that
//! cost little and are counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cluster_runtime::Tasks;
use cluster_store::{
    MaybeCommitted, Scan, Simulated, SimulatedDisk, Store, StoreError, Table, Transaction, schema,
};
use cluster_types::{
    AccountId, Caller, DeploymentId, ManualClock, PeerAddr, Rng, SignInId, UnixMillis,
};
use parking_lot::Mutex;
use proto::storage::v1 as storage;
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use secrecy::SecretString;
use services_accounts::{
    Accounts, Argon2id, HashCost, HashError, Options, Parts, Password, PasswordHasher, Salt,
    SignInEnded,
};
use services_vault::{KeySource, Passphrase, PassphraseCost, Vault};
use tonic::{Request, Response, Status};
use tonic_types::StatusExt as _;

pub(crate) const PASSWORD: &str = "Tr4vel light, friends";
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Noon of some day.
const NOON: UnixMillis = UnixMillis(20_000 * 24 * 60 * 60 * 1_000 + 12 * 60 * 60 * 1_000);

pub(crate) struct Server {
    pub(crate) accounts: Accounts,
    pub(crate) store: Store,
    pub(crate) disk: SimulatedDisk,
    pub(crate) clock: ManualClock,
    pub(crate) hasher: Arc<CountedHasher>,
    pub(crate) ended: Arc<Ended>,
    pub(crate) tasks: Tasks,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) token: String,
    pub(crate) caller: Caller,
    pub(crate) account: v1::Account,
    pub(crate) sign_in: v1::SignIn,
}

// === impl Server ===

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// One that anybody may register with.
    pub(crate) async fn open_to_all() -> Self {
        Self::with(Options {
            self_registration: true,
            ..Options::default()
        })
        .await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self::on(SimulatedDisk::new(), 1, options, HashCost::LEAST).await
    }

    /// A server on a disk that may hold something already.
    pub(crate) async fn on(
        disk: SimulatedDisk,
        seed: u64,
        options: Options,
        cost: HashCost,
    ) -> Self {
        let rng = Rng::seeded(seed);
        let store = Store::new(Simulated::new(disk.clone(), rng.fork()));
        Self::over(store, disk, rng, options, cost).await
    }

    pub(crate) async fn over(
        store: Store,
        disk: SimulatedDisk,
        rng: Rng,
        options: Options,
        cost: HashCost,
    ) -> Self {
        let vault = vault(&store, passphrase(), &rng).await;
        Self::sealed_by(vault, store, disk, rng, options, cost).await
    }

    /// One that seals nothing.
    pub(crate) async fn unsealed() -> Self {
        let (disk, rng) = (SimulatedDisk::new(), Rng::seeded(1));
        let store = Store::new(Simulated::new(disk.clone(), rng.fork()));
        let vault = vault(&store, KeySource::Unsealed, &rng).await;
        let (options, cost) = (Options::default(), HashCost::LEAST);
        Self::sealed_by(vault, store, disk, rng, options, cost).await
    }

    async fn sealed_by(
        vault: Vault,
        store: Store,
        disk: SimulatedDisk,
        rng: Rng,
        options: Options,
        cost: HashCost,
    ) -> Self {
        let clock = ManualClock::at(NOON);
        let hasher = Arc::new(CountedHasher::new(cost));
        let tasks = Tasks::new();
        let parts = Parts {
            store: store.clone(),
            vault,
            clock: Arc::new(clock.clone()),
            rng,
            tasks: tasks.clone(),
            hasher: hasher.clone(),
        };
        let accounts = Accounts::start(parts, options)
            .await
            .expect("the machine can hash");
        let ended = Arc::new(Ended::default());
        accounts
            .on_sign_in_ended(ended.clone())
            .expect("the first hook");
        Self {
            accounts,
            store,
            disk,
            clock,
            hasher,
            ended,
            tasks,
        }
    }

    /// Registers the first administrator with the server's own invitation.
    pub(crate) async fn administrator(&self, user_name: &str) -> Device {
        let invitation = self.accounts.ensure_administrator_invitation().await;
        let invitation = invitation
            .expect("the store works")
            .expect("nobody has claimed it");
        let request = v1::RegisterAccountRequest {
            invitation: invitation.reveal(),
            ..registration(user_name)
        };
        self.register(request).await.expect("a good invitation")
    }

    /// Makes an account, by invitation of the administrator.
    pub(crate) async fn member(&self, administrator: &Device, user_name: &str) -> Device {
        let invitation = self
            .invite(administrator, v1::CreateInvitationRequest::default())
            .await;
        let request = v1::RegisterAccountRequest {
            invitation: invitation.secret,
            ..registration(user_name)
        };
        self.register(request).await.expect("a good invitation")
    }

    pub(crate) async fn invite(
        &self,
        administrator: &Device,
        request: v1::CreateInvitationRequest,
    ) -> v1::CreateInvitationResponse {
        let request = administrator.asks(request);
        let made = services_accounts::administration::create_invitation(&self.accounts, request);
        made.await.expect("an administrator may").into_inner()
    }

    pub(crate) async fn register(
        &self,
        request: v1::RegisterAccountRequest,
    ) -> Result<Device, Status> {
        let answer = self
            .accounts
            .register_account(Request::new(request))
            .await?;
        Ok(Self::device(answer))
    }

    pub(crate) async fn sign_in(&self, user_name: &str, password: &str) -> Result<Device, Status> {
        self.sign_in_as(credentials(user_name, password)).await
    }

    pub(crate) async fn sign_in_as(&self, request: v1::SignInRequest) -> Result<Device, Status> {
        let answer = self.accounts.sign_in(Request::new(request)).await?;
        Ok(Self::device(answer))
    }

    /// Writes so many sign-ins of an account into the store, as an earlier release could have.
    /// Their ids come before those of others. Answers how many that account has then.
    pub(crate) async fn plant_sign_ins(&self, account: AccountId, count: u16) -> usize {
        let planted = |tx: Transaction, _: MaybeCommitted| async move {
            for n in 0..count {
                let mut id = [0; 16];
                id[1..3].copy_from_slice(&n.to_be_bytes());
                let row = storage::SignIn {
                    token_hash: [&id[..], &id[..]].concat().into(),
                    expiry_day: 20_001,
                    ..Default::default()
                };
                let sign_in = SignInId::from_bytes(id);
                tx.set_row(&schema::SignIn { account, sign_in }, &row)?;
            }
            Ok::<_, StoreError>(())
        };
        self.store.run(planted).await.expect("the store works");
        self.sign_ins_of(account).await.len()
    }

    /// All sign-ins of an account, as stored.
    pub(crate) async fn sign_ins_of(&self, account: AccountId) -> Vec<SignInId> {
        let all = |tx: Transaction| async move {
            tx.scan(schema::SignIn::of(account), Scan::default()).await
        };
        let page = self.store.read(all).await.expect("the store works");
        assert!(!page.more, "all of them");
        page.rows.into_iter().map(|(key, _)| key.sign_in).collect()
    }

    /// How many keys of accounts there are.
    pub(crate) fn keys(&self) -> usize {
        let rows = self.disk.contents().into_iter();
        rows.filter(|(key, _)| Table::of_key(key) == Some(Table::AccountKey))
            .count()
    }

    /// How many rows the tables of accounts have, but for the empty ones.
    pub(crate) fn rows(&self) -> BTreeMap<Table, usize> {
        let mut counts = BTreeMap::new();
        for (key, _) in self.disk.contents() {
            let table = Table::of_key(&key).expect("a table of the schema");
            if table.prefix()[0] == Table::Account.prefix()[0] {
                *counts.entry(table).or_default() += 1;
            }
        }
        counts
    }

    pub(crate) async fn is_signed_in(&self, device: &Device) -> bool {
        self.accounts.authenticate(&device.token).await.is_ok()
    }

    /// What a device knows after an answer, and what the gateway makes of its token.
    fn device(answer: Response<v1::SignInResponse>) -> Device {
        let answer = answer.into_inner();
        let (account, sign_in) = (
            answer.account.expect("given"),
            answer.sign_in.expect("given"),
        );
        let (id, of) = cluster_rpc::name::sign_in(&sign_in.name, "name")
            .map(|(account, sign_in)| (sign_in, account))
            .expect("a name");
        let role = account.role();
        let caller = Caller {
            account: of,
            sign_in: id,
            administrator: role == v1::account::Role::Administrator,
        };
        Device {
            token: answer.token,
            caller,
            account,
            sign_in,
        }
    }
}

/// A key that every server of a test finds again.
fn passphrase() -> KeySource {
    let text = SecretString::from("for tests, and nothing else".to_owned());
    KeySource::Passphrase(Arc::new(Passphrase::new(text, PassphraseCost::LEAST)))
}

async fn vault(store: &Store, source: KeySource, rng: &Rng) -> Vault {
    let parts = services_vault::Parts {
        store: store.clone(),
        deployment: DeploymentId::from_bytes([7; 16]),
        source,
        rng: rng.fork(),
    };
    Vault::open(parts).await.expect("the vault opens")
}

// === impl Device ===

impl Device {
    /// A request of this device, as the gateway hands it on.
    pub(crate) fn asks<T>(&self, message: T) -> Request<T> {
        asked_by(self.caller, message)
    }
}

pub(crate) fn asked_by<T>(caller: Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller);
    request
}

/// A request without a token from this address.
pub(crate) fn from_peer<T>(last: u8, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .extensions_mut()
        .insert(PeerAddr::of(([127, 66, 77, last], 4_711).into()));
    request
}

pub(crate) fn registration(user_name: &str) -> v1::RegisterAccountRequest {
    v1::RegisterAccountRequest {
        user_name: user_name.into(),
        password: PASSWORD.into(),
        ..Default::default()
    }
}

pub(crate) fn credentials(user_name: &str, password: &str) -> v1::SignInRequest {
    v1::SignInRequest {
        user_name: user_name.into(),
        password: password.into(),
        ..Default::default()
    }
}

/// The reason in a status, which programs match on.
pub(crate) fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .expect("one ErrorInfo")
        .reason
        .clone()
}

/// The fields at fault.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map(|bad| bad.field_violations.clone());
    violations
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

pub(crate) fn retry_after(status: &Status) -> Option<Duration> {
    status
        .get_error_details()
        .retry_info()
        .and_then(|info| info.retry_delay)
}

/// Who was told of which ending.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    all: Mutex<Vec<(AccountId, SignInId)>>,
    /// How often which ones got lost.
    pub(crate) lost: AtomicUsize,
    /// How often other nodes were to be told.
    pub(crate) told: AtomicUsize,
}

impl Ended {
    pub(crate) fn all(&self) -> Vec<(AccountId, SignInId)> {
        self.all.lock().clone()
    }

    pub(crate) fn has(&self, device: &Device) -> bool {
        self.all()
            .contains(&(device.caller.account, device.caller.sign_in))
    }
}

#[async_trait::async_trait]
impl SignInEnded for Ended {
    fn sign_in_ended(&self, account: AccountId, sign_in: SignInId) {
        self.all.lock().push((account, sign_in));
    }

    fn any_may_have_ended(&self) {
        self.lost.fetch_add(1, Ordering::SeqCst);
    }

    async fn tell_other_nodes(&self) {
        self.told.fetch_add(1, Ordering::SeqCst);
    }
}

/// argon2id that counts.
#[derive(Debug)]
pub(crate) struct CountedHasher {
    hasher: Argon2id,
    hashed: AtomicUsize,
    /// What each verification cost.
    verified: Mutex<Vec<String>>,
}

impl CountedHasher {
    fn new(cost: HashCost) -> Self {
        let hasher = Argon2id::new(cost).expect("a cost that the algorithm allows");
        Self {
            hasher,
            hashed: AtomicUsize::new(0),
            verified: Mutex::default(),
        }
    }

    /// How many hashes were made and checked so far.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (
            self.hashed.load(Ordering::SeqCst),
            self.verified.lock().len(),
        )
    }

    /// How the hash was made that each password was verified against: algorithm, version, memory,
    /// passes and lanes, which is all that the time of a verification hangs on.
    pub(crate) fn verified_against(&self) -> Vec<String> {
        self.verified.lock().clone()
    }
}

impl PasswordHasher for CountedHasher {
    fn hash(&self, password: &Password, salt: Salt) -> Result<String, HashError> {
        self.hashed.fetch_add(1, Ordering::SeqCst);
        self.hasher.hash(password, salt)
    }

    fn verify(&self, password: &Password, stored: &str) -> Result<bool, HashError> {
        let made_how: Vec<&str> = stored.split('$').take(4).collect();
        self.verified.lock().push(made_how.join("$"));
        self.hasher.verify(password, stored)
    }

    fn is_outdated(&self, stored: &str) -> bool {
        self.hasher.is_outdated(stored)
    }
}
