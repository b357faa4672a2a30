//! What sealing costs: nanoseconds per body of 200 bytes with a cached pair, of which drawing the nonce
//! is a part of its own. Medians of some rounds. Run it in a release build:
//! `cargo run --release -p services-vault --example seal_cost`.

use cluster_store::{Simulated, Store};
use cluster_types::{AccountId, DeploymentId, Rng, RoomId, Seq, UnixMillis};
use services_vault::{KeySource, MemoryKms, MessageAad, Parts, Vault};
use tokio::time::Instant;

const BODY: [u8; 200] = [b'x'; 200];
const TIMES: u32 = 100_000;
const ROUNDS: usize = 7;

#[expect(clippy::print_stdout, reason = "it is what the example is for")]
fn say(what: &str, nanos: f64) {
    println!("{what:<44} {nanos:>8.0} ns");
}

fn median_nanos(mut work: impl FnMut()) -> f64 {
    let mut rounds = [(); ROUNDS].map(|()| {
        let start = Instant::now();
        for _ in 0..TIMES {
            work();
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
    });
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rng = Rng::from_os();
    let vault = Vault::open(Parts {
        store: Store::new(Simulated::reliable()),
        deployment: DeploymentId::random(&rng),
        source: KeySource::Kms(std::sync::Arc::new(MemoryKms::new(rng.clone()))),
        rng: rng.clone(),
    });
    let vault = vault.await?;
    let (author, room) = (AccountId::random(&rng), RoomId::random(&rng));
    let time = UnixMillis(1_800_000_000_000);
    let pair = vault.sealing_pair(author, room, time).await?;
    let aad = MessageAad {
        room,
        seq: Seq(1),
        author,
        schema: 1,
    };
    let sealed = pair.seal(&mut vault.nonces(1), &aad, &BODY)?;
    say(
        "draw a nonce",
        median_nanos(|| {
            std::hint::black_box(rng.bytes::<12>());
        }),
    );
    say(
        "draw 32 nonces at once",
        median_nanos(|| {
            std::hint::black_box(vault.nonces(32));
        }),
    );
    let mut nonces = vault.nonces(usize::try_from(TIMES)? * 10);
    say(
        "seal 200 bytes, nonce at hand",
        median_nanos(|| {
            std::hint::black_box(pair.seal(&mut nonces, &aad, &BODY).ok());
        }),
    );
    say(
        "open 200 bytes",
        median_nanos(|| {
            std::hint::black_box(pair.open(&aad, &sealed).ok());
        }),
    );
    let start = Instant::now();
    for _ in 0..TIMES {
        std::hint::black_box(vault.sealing_pair(author, room, time).await?);
    }
    let each = start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES);
    say("find a cached pair", each);
    Ok(())
}
