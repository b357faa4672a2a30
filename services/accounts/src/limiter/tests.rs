//! Limits are met to the second, on a clock that stands still until it is moved.

use tokio::time::advance;

use super::*;

fn limiter() -> Limiter {
    Limiter::new(&Rng::seeded(1), PeerLimit::default())
}

fn peer(last: u8) -> Option<PeerAddr> {
    Some(PeerAddr::of(([127, 0, 0, last], 1).into()))
}

/// Some host of many.
fn host(n: u16) -> Option<PeerAddr> {
    let [high, low] = n.to_be_bytes();
    Some(PeerAddr::of(([127, 1, high, low], 1).into()))
}

fn by(name: &str, peer: Option<PeerAddr>) -> Tried<'_> {
    Tried {
        name: Some(name),
        peer,
    }
}

/// Tries until it is told to wait; answers how many tries there were and how long to wait.
fn exhaust(limiter: &Limiter, tried: Tried<'_>) -> (u32, Duration) {
    for tries in 0.. {
        if let Err(throttled) = limiter.admit(tried) {
            return (tries, throttled.retry_after);
        }
    }
    unreachable!("an endless loop")
}

#[tokio::test(start_paused = true)]
async fn failed_tries_for_a_name_are_delayed_more_and_more_and_never_locked() {
    let limiter = limiter();
    let mut waits = Vec::new();
    let (tries, first) = exhaust(&limiter, by("ada", peer(1)));
    assert_eq!(tries, NAME_FREE_TRIES + 1);
    waits.push(first);
    for _ in 0..6 {
        advance(waits.last().copied().unwrap_or_default()).await;
        let (tries, wait) = exhaust(&limiter, by("ada", peer(1)));
        assert_eq!(tries, 1);
        waits.push(wait);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30].map(Duration::from_secs));
}

#[tokio::test(start_paused = true)]
async fn who_polls_a_name_keeps_nobody_at_another_address_out() {
    let limiter = limiter();
    exhaust(&limiter, by("ada", peer(1)));
    let mut guesses = 0;
    for second in 0..3_600 {
        // Takes each turn that the delay leaves.
        guesses += u32::from(limiter.admit(by("ada", peer(1))).is_ok());
        if second % 60 == 0 {
            let signs_in = limiter.admit(by("ada", peer(2)));
            limiter.succeeded(signs_in.expect("at any moment"));
        }
        advance(Duration::from_secs(1)).await;
    }
    // Two a minute, one more in three minutes, and a few while the delay grows.
    let bound = 60 * 2 + 60 / 3 + 10;
    assert!(
        guesses <= bound,
        "her signing in helps the other: {guesses} of {bound}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_has_few_tries_that_the_delay_does_not_hold_up() {
    let limiter = limiter();
    exhaust(&limiter, by("ada", peer(1)));
    assert_eq!(exhaust(&limiter, by("ada", peer(2))).0, OWN_TRIES);
    assert!(
        limiter.admit(by("grace", peer(2))).is_ok(),
        "another name is free"
    );
    // Somebody else takes the turns meanwhile, so that there are none but those of one's own.
    let mut again = 0;
    for _ in 0..OWN_REFILL.as_secs() {
        advance(Duration::from_secs(1)).await;
        let _either = limiter.admit(by("ada", peer(1)));
        again += u32::from(limiter.admit(by("ada", peer(2))).is_ok());
    }
    assert_eq!(again, 1);
}

#[tokio::test(start_paused = true)]
async fn however_many_addresses_there_are_one_name_is_tried_at_a_bounded_rate() {
    let limiter = limiter();
    let mut hosts = (0..u16::MAX).cycle();
    let mut guess = |times: u32| {
        let tries = (0..times).map(|_| limiter.admit(by("ada", host(hosts.next().unwrap_or(0)))));
        u32::try_from(tries.filter(Result::is_ok).count()).expect("few")
    };
    assert_eq!(guess(10_000), NAME_FREE_TRIES + 1 + BESIDE_BURST);
    advance(Duration::from_secs(1)).await;
    let signs_in = limiter.admit(by("ada", peer(1))).expect("a turn");
    limiter.succeeded(signs_in);
    assert_eq!(
        guess(10_000),
        NAME_FREE_TRIES + 1,
        "a right password sets free the first tries, and no others"
    );
    let (minutes, mut guesses) = (30, 0);
    for _ in 0..minutes * 60 {
        advance(Duration::from_secs(1)).await;
        guesses += guess(20);
    }
    // 20 beside the delay and 2 turns a minute, and a few more turns while the delay still grows.
    let bound = minutes * 22 + NAME_DELAY_MAX.as_secs().ilog2() + 1;
    assert!(
        (minutes * 22 - 2..=bound).contains(&guesses),
        "{guesses} of {bound}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_right_password_starts_the_name_anew() {
    let limiter = limiter();
    let (_, wait) = exhaust(&limiter, by("ada", peer(1)));
    advance(wait).await;
    let attempt = limiter.admit(by("ada", peer(1))).expect("after the delay");
    limiter.succeeded(attempt);
    assert_eq!(exhaust(&limiter, by("ada", peer(1))).0, NAME_FREE_TRIES + 1);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_name_is_forgotten() {
    let limiter = limiter();
    exhaust(&limiter, by("ada", peer(1)));
    advance(NAME_FORGET_AFTER).await;
    assert_eq!(exhaust(&limiter, by("ada", peer(1))).0, NAME_FREE_TRIES + 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_with_many_names_runs_dry_and_refills() {
    let limiter = limiter();
    for n in 0..PEER_BURST {
        let _failed = limiter
            .admit(by(&n.to_string(), peer(1)))
            .expect("within the burst");
    }
    let throttled = limiter.admit(by("one more", peer(1))).expect_err("dry");
    assert_eq!(throttled.retry_after, PEER_REFILL);
    assert!(
        limiter.admit(by("one more", peer(2))).is_ok(),
        "another address is free"
    );
    advance(PEER_REFILL).await;
    assert!(limiter.admit(by("one more still", peer(1))).is_ok());
    assert!(limiter.admit(by("and one", peer(1))).is_err());
}

#[tokio::test(start_paused = true)]
async fn right_passwords_cost_an_address_nothing() {
    let limiter = limiter();
    for n in 0..PEER_BURST * 10 {
        let attempt = limiter
            .admit(by(&n.to_string(), peer(1)))
            .expect("never dry");
        limiter.succeeded(attempt);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_tried_does_not_count() {
    let limiter = limiter();
    for _ in 0..PEER_BURST * 10 {
        let attempt = limiter.admit(by("ada", peer(1))).expect("never throttled");
        limiter.not_tried(attempt);
    }
}

#[tokio::test(start_paused = true)]
async fn tries_at_once_count_before_any_has_failed() {
    let limiter = limiter();
    let under_way: Vec<_> = (0..100)
        .map(|_| limiter.admit(by("ada", peer(1))))
        .collect();
    let admitted = under_way.iter().filter(|attempt| attempt.is_ok()).count();
    assert_eq!(
        admitted, 11,
        "the free tries and the one that starts the delay"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_try_moves_no_limit() {
    let limiter = limiter();
    let (_, wait) = exhaust(&limiter, by("ada", peer(1)));
    exhaust(&limiter, by("ada", peer(2)));
    for _ in 0..1_000 {
        assert!(limiter.admit(by("ada", peer(2))).is_err());
    }
    assert_eq!(
        limiter.admit(by("ada", peer(1))).err(),
        Some(Throttled { retry_after: wait })
    );
    assert!(limiter.admit(by("grace", peer(2))).is_ok());
}

#[tokio::test(start_paused = true)]
async fn unknown_peers_share_one_bucket() {
    let limiter = limiter();
    let nameless = Tried {
        name: None,
        peer: None,
    };
    assert_eq!(exhaust(&limiter, nameless), (PEER_BURST, PEER_REFILL));
}

#[tokio::test(start_paused = true)]
async fn names_and_addresses_cannot_be_read_out_of_it() {
    let limiter = limiter();
    let attempt = limiter.admit(by("ada.lovelace", peer(88))).expect("free");
    let shown = format!("{limiter:?}");
    assert!(!shown.contains("ada") && !shown.contains("88"), "{shown}");
    // Another process has another key, so its tags say nothing about ours.
    let elsewhere = Limiter::new(&Rng::seeded(2), PeerLimit::default());
    let named = attempt.name.expect("it has a name");
    assert_ne!(named.name, elsewhere.tag(b"name", b"ada.lovelace"));
}
