//! What signing in costs, on the store that a server has. `cargo bench -p services-accounts`.
//!
//! Fails if a wrong password and an unknown name can be told apart by time ([`T_MAX`]). That they cost
//! one hash of the same parameters each is a test that counts
//! (`sign_in::an_unknown_name_and_a_wrong_password_are_the_same`); the verdict here is about all the
//! rest, and means something on a quiet machine only: load makes any such figure jump.
//! `-- --samples 10000` takes as many of each kind.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use cluster_runtime::Tasks;
use cluster_store::{Embedded, EmbeddedOptions, Store};
use cluster_types::{DeploymentId, Rng, SystemClock};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use proto::v1;
use proto::v1::accounts_server::Accounts as _;
use services_accounts::{
    Accounts, Argon2id, HashCost, Options, Parts, Password, PasswordHasher as _, PeerLimit,
};
use services_vault::{KeySource, Vault};
use tokio::time::Instant;
use tonic::Request;

const PASSWORD: &str = "Tr4vel light, friends";
const WRONG: &str = "Tr4vel heavy, friends";

/// Samples of each kind unless said otherwise: half a minute.
const SAMPLES: usize = 400;

/// Welch's t past which two kinds of answers count as told apart by time: the bar of leakage
/// assessments, which chance passes once in 150,000 runs.
const T_MAX: f64 = 4.5;

/// Tries for one name that the limiter lets through at once.
const TRIES_PER_NAME: usize = 10;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let samples = samples_asked_for()?;
    let data_dir = tempfile::tempdir()?;
    let options = Options {
        self_registration: true,
        peer_limit: PeerLimit {
            burst: u32::MAX,
            refill: Duration::from_nanos(1),
        },
        ..Options::default()
    };
    let accounts = start(data_dir.path(), options).await?;

    let hash = one_hash()?;
    show("one hash: argon2id, 19 MiB, 2 passes", millis(hash), "ms");
    let names: Vec<String> = (0..samples.div_ceil(TRIES_PER_NAME))
        .map(|n| format!("user{n}"))
        .collect();
    for name in &names {
        register(&accounts, name).await?;
    }
    rates(&accounts, &names, hash, options.hashes_at_once).await?;
    indistinguishable(&accounts, &names, samples).await
}

async fn start(data_dir: &std::path::Path, options: Options) -> Result<Accounts, Failure> {
    let rng = Rng::from_os();
    let store = Store::new(Embedded::open(data_dir, EmbeddedOptions::default())?);
    let vault = services_vault::Parts {
        store: store.clone(),
        deployment: DeploymentId::random(&rng),
        source: KeySource::file(data_dir.join("rookery.keys")),
        rng: rng.fork(),
    };
    let parts = Parts {
        store,
        vault: Vault::open(vault).await?,
        clock: Arc::new(SystemClock),
        rng,
        tasks: Tasks::new(),
        hasher: Arc::new(Argon2id::new(HashCost::STANDARD)?),
    };
    Ok(Accounts::start(parts, options).await?)
}

/// The median of some bare hashes.
fn one_hash() -> Result<Duration, Failure> {
    let hasher = Argon2id::new(HashCost::STANDARD)?;
    let password = Password::parse(PASSWORD.to_owned())?;
    let mut spans = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        hasher.hash(&password, [7; 16])?;
        spans.push(begun.elapsed());
    }
    spans.sort();
    Ok(spans[spans.len() / 2])
}

async fn rates(
    accounts: &Accounts,
    names: &[String],
    hash: Duration,
    at_once: NonZeroUsize,
) -> Result<(), Failure> {
    // Enough under way that the pool never waits for a commit, and few enough that it refuses none.
    let under_way = at_once.get() * 4;
    let begun = Instant::now();
    let answers = stream::iter(names.iter().map(|name| sign_in(accounts, name, PASSWORD)));
    let answers: Vec<_> = answers.buffer_unordered(under_way).try_collect().await?;
    let tokens: Vec<String> = answers.into_iter().map(|answer| answer.token).collect();
    let per_second = per_second(tokens.len(), begun.elapsed());
    let bare = per_second_of(hash) * as_f64(at_once.get());
    show(
        &format!("sign-ins, {at_once} hash(es) at once"),
        per_second,
        "/s",
    );
    show("  of the bare hashes", per_second / bare * 100.0, "%");

    let begun = Instant::now();
    for token in &tokens {
        accounts.authenticate(token).await?;
    }
    show(
        "tokens looked up in the store",
        self::per_second(tokens.len(), begun.elapsed()),
        "/s",
    );
    let (rounds, begun) = (100_000, Instant::now());
    for n in 0..rounds {
        accounts.authenticate(&tokens[n % tokens.len()]).await?;
    }
    show(
        "tokens known from memory",
        self::per_second(rounds, begun.elapsed()),
        "/s",
    );
    Ok(())
}

/// Wrong passwords and unknown names by turns, so that whatever the machine does meets both.
async fn indistinguishable(
    accounts: &Accounts,
    names: &[String],
    samples: usize,
) -> Result<(), Failure> {
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..samples {
        let name = &names[n % names.len()];
        for (spans, name) in [(&mut wrong, name.clone()), (&mut unknown, format!("no{n}"))] {
            let begun = Instant::now();
            let refused = sign_in(accounts, &name, WRONG).await;
            spans.push(millis(begun.elapsed()));
            assert!(refused.is_err_and(|status| status.code() == tonic::Code::Unauthenticated));
        }
    }
    let (a, b) = (Moments::of(&wrong), Moments::of(&unknown));
    show("wrong password, mean", a.mean, "ms");
    show("unknown user name, mean", b.mean, "ms");
    let t = (a.mean - b.mean) / (a.variance / a.count + b.variance / b.count).sqrt();
    show(
        &format!("Welch's t of {samples} each (told apart past {T_MAX})"),
        t,
        "",
    );
    if t.abs() < T_MAX {
        Ok(())
    } else {
        Err("an unknown name and a wrong password are told apart by time".into())
    }
}

async fn register(accounts: &Accounts, name: &str) -> Result<(), Failure> {
    let request = v1::RegisterAccountRequest {
        user_name: name.to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    };
    accounts.register_account(Request::new(request)).await?;
    Ok(())
}

async fn sign_in(
    accounts: &Accounts,
    name: &str,
    password: &str,
) -> Result<v1::SignInResponse, tonic::Status> {
    let request = v1::SignInRequest {
        user_name: name.to_owned(),
        password: password.to_owned(),
        ..Default::default()
    };
    let answer = accounts.sign_in(Request::new(request)).await?;
    Ok(answer.into_inner())
}

fn samples_asked_for() -> Result<usize, Failure> {
    let mut words = std::env::args()
        .skip_while(|word| word != "--samples")
        .skip(1);
    Ok(words
        .next()
        .map(|number| number.parse())
        .transpose()?
        .unwrap_or(SAMPLES))
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(values: &[f64]) -> Self {
        let count = as_f64(values.len());
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            count,
            mean,
            variance: squares / (count - 1.0),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

fn per_second(count: usize, span: Duration) -> f64 {
    as_f64(count) / span.as_secs_f64()
}

fn per_second_of(span: Duration) -> f64 {
    1.0 / span.as_secs_f64()
}

fn show(figure: &str, value: f64, unit: &str) {
    println!("{figure:<48} {value:>12.2} {unit}");
}
