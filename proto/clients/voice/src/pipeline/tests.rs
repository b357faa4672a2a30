//! Speech from a talker to a listener, over a network that loses, delays and lies.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::ids::{AccountId, Epoch, Nonce, RoomId, Slot, Speaker};
use crate::limits::{VOICE_KEPT, VOICES_MAX};
use crate::measure::{Comparison, compare};
use crate::opus::Settings;
use crate::sframe::{EpochSecret, Receiver, Sender, Suite};
use crate::tone::Tone;
use crate::{FRAME_SAMPLES, FRAME_TIME, Level, SILENCE, frames, wav};

const ROOM: RoomId = RoomId([1; 16]);

/// How a network treats datagrams.
#[derive(Clone, Copy, Debug)]
struct Network {
    loss: f64,
    /// The mean of what is added to the shortest way, which most take.
    jitter_ms: f64,
    doubled: f64,
}

fn secret(epoch: u64) -> EpochSecret {
    EpochSecret::copied(&[u8::try_from(epoch).expect("tests count small"); 32])
}

fn speaker(slot: u16) -> Speaker {
    Speaker {
        room: ROOM,
        slot: Slot(slot),
        account: AccountId([2; 16]),
        nonce: Nonce([3; 16]),
    }
}

fn talker(slot: u16) -> Talker {
    let sender = Sender::new(Suite::default(), speaker(slot), Epoch(1), &secret(1));
    Talker::new(Settings::default(), sender).expect("within the bounds")
}

fn listener(slots: impl IntoIterator<Item = u16>) -> Listener {
    let mut receiver = Receiver::new(Suite::default(), ROOM);
    receiver.offer(Epoch(1), secret(1)).expect("the first");
    let mut listener = Listener::new(receiver);
    for slot in slots {
        let Speaker {
            slot,
            account,
            nonce,
            ..
        } = speaker(slot);
        listener.admit(slot, account, nonce).expect("few");
    }
    listener
}

fn speech() -> Vec<f32> {
    wav::open(Path::new("speech.wav")).expect("it is in the repository")
}

/// When each datagram arrives, by the seed.
fn carried(datagrams: Vec<Bytes>, network: Network, seed: u64) -> Vec<(Duration, Bytes)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut arrivals = Vec::new();
    for (datagram, number) in datagrams.into_iter().zip(0_u32..) {
        let times = 1 + u32::from(rng.random_bool(network.doubled));
        for _ in 0..times {
            let lost = rng.random_bool(network.loss);
            let even: f64 = rng.random_range(f64::EPSILON..1.0);
            let late = Duration::from_secs_f64(network.jitter_ms * -even.ln() / 1_000.0);
            if !lost {
                arrivals.push((FRAME_TIME * number + late, datagram.clone()));
            }
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals
}

/// All that a listener plays until everything has come and been played.
fn heard(listener: &mut Listener, arrivals: &[(Duration, Bytes)]) -> Vec<f32> {
    let end = arrivals.last().map_or(Duration::ZERO, |last| last.0) + Duration::from_secs(1);
    let mut coming = arrivals.iter().peekable();
    let (mut sound, mut now) = (Vec::new(), Duration::from_millis(13));
    while now < end {
        while let Some((at, datagram)) = coming.next_if(|(at, _)| *at <= now) {
            // What is refused is counted.
            let _ = listener.hear(*at, datagram);
        }
        sound.extend_from_slice(&listener.mix(now));
        now += FRAME_TIME;
    }
    sound
}

/// Speech said, carried and heard.
fn call(network: Network, seed: u64) -> (Comparison, Statistics) {
    let mut talker = talker(7);
    let mut listener = listener([7]);
    let said = speech();
    let datagrams = frames(&said).map(|frame| talker.say(&frame).expect("a frame"));
    let arrivals = carried(datagrams.collect(), network, seed);
    let sound = heard(&mut listener, &arrivals);
    let figures = compare(&said, &sound).expect("speech");
    let statistics = listener.statistics(Slot(7)).expect("it spoke");
    println!("{network:?} seed {seed}: {figures:?} {statistics:?}");
    (figures, statistics)
}

#[test]
fn speech_comes_through_a_network_that_loses_nothing() {
    let even = Network {
        loss: 0.0,
        jitter_ms: 0.0,
        doubled: 0.0,
    };
    let (figures, statistics) = call(even, 1);
    assert!(
        figures.segmental_snr_db > 8.0 && figures.heard > 0.99,
        "{figures:?}"
    );
    assert!(figures.delay_ms < 80.0, "{figures:?}");
    assert_eq!((statistics.lost, statistics.late), (0, 0));
    let uneven = Network {
        jitter_ms: 10.0,
        ..even
    };
    let (figures, _) = call(uneven, 1);
    assert!(
        figures.segmental_snr_db > 7.0 && figures.heard > 0.98,
        "{figures:?}"
    );
}

#[test]
fn speech_comes_through_two_percent_of_loss() {
    for seed in 1..=3 {
        let (figures, statistics) = call(
            Network {
                loss: 0.02,
                jitter_ms: 10.0,
                doubled: 0.01,
            },
            seed,
        );
        assert!(
            figures.segmental_snr_db > 7.5 && figures.heard > 0.98,
            "{figures:?}"
        );
        assert!(
            statistics.lost > 0 && statistics.recovered > 0,
            "{statistics:?}"
        );
    }
}

#[test]
fn speech_comes_through_ten_percent_of_loss() {
    for seed in 1..=3 {
        let (figures, statistics) = call(
            Network {
                loss: 0.1,
                jitter_ms: 10.0,
                doubled: 0.0,
            },
            seed,
        );
        assert!(
            figures.segmental_snr_db > 7.0 && figures.heard > 0.96,
            "{figures:?}"
        );
        assert!(
            (5..=20).contains(&statistics.loss_percent()),
            "{statistics:?}"
        );
    }
}

#[test]
fn what_is_opened_is_what_was_encoded() {
    let mut encoder = crate::opus::Encoder::new(Settings::default()).expect("within the bounds");
    let settings = Settings::default();
    let sender = Sender::new(Suite::Aes256, speaker(7), Epoch(1), &secret(1));
    let mut talker = Talker::new(settings, sender).expect("within the bounds");
    let mut receiver = Receiver::new(Suite::Aes256, ROOM);
    receiver.offer(Epoch(1), secret(1)).expect("the first");
    let Speaker {
        slot,
        account,
        nonce,
        ..
    } = speaker(7);
    receiver.admit(slot, account, nonce).expect("the first");
    for frame in frames(&speech()) {
        let packet = encoder.encode(&frame).expect("a frame");
        let datagram = talker.say(&frame).expect("a frame");
        assert!(
            datagram.windows(packet.len()).all(|part| part != packet),
            "in the clear"
        );
        let (head, sealed) = Head::read(&datagram).expect("a datagram");
        assert_eq!(head.level, Level::of(&frame));
        let opened = receiver.open(&head.encode(), sealed).expect("authentic");
        assert_eq!(opened.plain, packet);
    }
}

#[test]
fn many_voices_are_heard_together() {
    let tones = [(1, 300.0), (2, 700.0), (3, 1_100.0)];
    let mut listener = listener([1, 2, 3]);
    let mut datagrams = Vec::new();
    for (slot, hertz) in tones {
        let (mut talker, mut tone) = (talker(slot), Tone::new(hertz, 0.2));
        for number in 0..100 {
            let datagram = talker.say(&tone.frame()).expect("a frame");
            datagrams.push((FRAME_TIME * number, datagram));
        }
    }
    datagrams.sort_by_key(|(at, _)| *at);
    let sound = heard(&mut listener, &datagrams);
    let second = &sound[48_000..96_000];
    for (_, hertz) in tones {
        let loud = power_at(second, hertz);
        assert!((0.15..0.25).contains(&loud), "{hertz}: {loud}");
    }
    assert!(power_at(second, 500.0) < 0.02);
    assert_eq!(listener.speakers().count(), 3);
    assert_eq!(listener.total().received, 300);
}

/// The amplitude of a sine in a sound.
fn power_at(sound: &[f32], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let (mut re, mut im) = (0.0, 0.0);
    for (sample, at) in sound.iter().zip(0_u32..) {
        let angle = step * f64::from(at);
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    2.0 * re.hypot(im) / sound.len() as f64
}

#[test]
fn an_epoch_changes_while_somebody_speaks_and_nobody_hears_it() {
    let (mut talker, mut listener) = (talker(7), listener([7]));
    let said = speech();
    let mut datagrams = Vec::new();
    for (frame, number) in frames(&said).zip(0_u32..) {
        if number == 100 {
            talker.switch(Epoch(2), &secret(2)).expect("later");
        }
        datagrams.push((FRAME_TIME * number, talker.say(&frame).expect("a frame")));
    }
    listener.offer(Epoch(2), secret(2)).expect("later");
    let sound = heard(&mut listener, &datagrams);
    let figures = compare(&said, &sound).expect("speech");
    assert!(
        figures.segmental_snr_db > 8.0 && figures.heard > 0.99,
        "{figures:?}"
    );
    assert_eq!(listener.refused(), RefusedCounts::default());
    assert_eq!(listener.total().lost, 0);
    listener.forget_before(Epoch(2));
    assert_eq!(
        listener.hear(Duration::ZERO, &datagrams[99].1),
        Err(Refused::UnknownEpoch)
    );
}

#[test]
fn who_connects_anew_is_heard_from_its_first_frame() {
    let (mut talker, mut listener) = (talker(7), listener([7]));
    let now = Duration::ZERO;
    for _ in 0..10 {
        let datagram = talker.say(&SILENCE).expect("a frame");
        assert_eq!(listener.hear(now, &datagram), Ok(Slot(7)));
    }
    let anew = Speaker {
        nonce: Nonce([9; 16]),
        ..speaker(7)
    };
    let sender = Sender::new(Suite::default(), anew, Epoch(1), &secret(1));
    let mut again = Talker::new(Settings::default(), sender).expect("within the bounds");
    listener
        .admit(anew.slot, anew.account, anew.nonce)
        .expect("known");
    let datagram = again.say(&SILENCE).expect("a frame");
    assert_eq!(listener.hear(now, &datagram), Ok(Slot(7)));
    let former = talker.say(&SILENCE).expect("a frame");
    assert_eq!(listener.hear(now, &former), Err(Refused::Forged));
    assert_eq!(listener.statistics(Slot(7)).map(|s| s.received), Some(1));
    assert_eq!(listener.total().received, 11);
    listener.dismiss(Slot(7));
    assert_eq!(listener.hear(now, &datagram), Err(Refused::UnknownSpeaker));
}

#[test]
fn each_thing_that_is_no_frame_has_its_counter() {
    let mut other = talker(9);
    let (mut talker, mut listener) = (talker(7), listener([7, 8]));
    let mut say = || talker.say(&SILENCE).expect("a frame").to_vec();
    let now = Duration::ZERO;
    let good = say();
    assert_eq!(listener.hear(now, &good), Ok(Slot(7)));

    let mut kind = say();
    kind[0] = 2;
    let (mut claims, mut louder, mut corrupted) = (say(), say(), say());
    claims[2] = 8;
    louder[3] = 0;
    *corrupted.last_mut().expect("a tag") ^= 1;
    let truncated = &say()[..15];
    let foreign = other.say(&SILENCE).expect("a frame");
    let long = vec![1; 1_121];
    for (datagram, reason) in [
        (&b""[..], Refused::Malformed),
        (&long, Refused::Malformed),
        (&kind, Refused::Malformed),
        (truncated, Refused::Malformed),
        (&claims, Refused::WrongSlot),
        (&foreign, Refused::UnknownSpeaker),
        (&louder, Refused::Forged),
        (&corrupted, Refused::Forged),
        (&good, Refused::Replayed),
    ] {
        assert_eq!(listener.hear(now, datagram), Err(reason), "{datagram:?}");
    }
    // Authentic, and no Opus of 20 ms.
    let mut sender = Sender::new(Suite::default(), speaker(8), Epoch(1), &secret(1));
    let head = Head {
        slot: Slot(8),
        level: Level::SILENT,
    }
    .encode();
    for plain in [&b""[..], b"\xfb\x00", b"\x00"] {
        let mut datagram = head.to_vec();
        sender
            .seal(&head, plain, &mut datagram)
            .expect("not used up");
        assert_eq!(listener.hear(now, &datagram), Err(Refused::Undecodable));
    }
    let expected = RefusedCounts {
        malformed: 4,
        wrong_slot: 1,
        unknown_speaker: 1,
        forged: 2,
        replayed: 1,
        undecodable: 3,
        ..RefusedCounts::default()
    };
    assert_eq!(listener.refused(), expected);
    assert_eq!(listener.refused().total(), 12);
    assert_eq!(
        listener.total().received,
        1,
        "nothing of it came near a decoder"
    );
    assert_eq!(
        listener.hear(now, &say()),
        Ok(Slot(7)),
        "and what follows is heard"
    );
}

#[test]
fn voices_have_a_bound_and_give_way_when_they_are_silent() {
    let all = 0..=u16::try_from(VOICES_MAX).expect("few");
    let mut listener = listener(all.clone());
    let mut talkers: Vec<Talker> = all.map(talker).collect();
    let now = Duration::ZERO;
    let last = talkers
        .last_mut()
        .expect("several")
        .say(&SILENCE)
        .expect("a frame");
    for (talker, slot) in talkers[..VOICES_MAX].iter_mut().zip(0..) {
        let datagram = talker.say(&SILENCE).expect("a frame");
        assert_eq!(listener.hear(now, &datagram), Ok(Slot(slot)));
    }
    assert_eq!(listener.hear(now, &last), Err(Refused::Crowded));
    assert_eq!(listener.refused().crowded, 1);
    let mut now = now;
    while now < VOICE_KEPT + FRAME_TIME {
        listener.mix(now);
        now += FRAME_TIME;
    }
    let last = talkers
        .last_mut()
        .expect("several")
        .say(&SILENCE)
        .expect("a frame");
    assert!(listener.hear(now, &last).is_ok());
    assert_eq!(listener.speakers().count(), VOICES_MAX);
    assert_eq!(listener.total().received, VOICES_MAX as u64 + 1);
}

#[test]
fn who_breaks_off_fades() {
    let (mut talker, mut listener) = (talker(7), listener([7]));
    let mut tone = Tone::new(300.0, 0.5);
    let said = (0..50).map(|number| {
        (
            FRAME_TIME * number,
            talker.say(&tone.frame()).expect("a frame"),
        )
    });
    let sound = heard(&mut listener, &said.collect::<Vec<_>>());
    let loud = |sample: &f32| sample.abs() > 1e-4;
    let end = sound.iter().rposition(loud).expect("a tone");
    assert!((1.0..1.3).contains(&(end as f64 / 48_000.0)), "{end}");
    let step = |pair: &[f32]| (pair[1] - pair[0]).abs();
    let largest = sound[end - 4_800..]
        .windows(2)
        .map(step)
        .fold(0.0, f32::max);
    assert!(largest < 0.02, "a click of {largest}");
}

#[test]
fn a_call_in_which_nobody_speaks_is_silent() {
    let mut listener = listener([7]);
    assert_eq!(listener.mix(Duration::ZERO), [0.0; FRAME_SAMPLES]);
    assert_eq!(listener.total(), Statistics::default());
    assert_eq!(listener.total().loss_percent(), 0);
}

proptest! {
    #[test]
    fn no_datagram_does_harm(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        at in any::<prop::sample::Index>(),
        bits in 1..=u8::MAX,
    ) {
        let (mut talker, mut listener) = (talker(7), listener([7]));
        let good = talker.say(&SILENCE).expect("a frame");
        let mut changed = good.to_vec();
        changed[at.index(good.len())] ^= bits;
        prop_assert!(listener.hear(Duration::ZERO, &changed).is_err());
        for datagram in &datagrams {
            prop_assert!(listener.hear(Duration::ZERO, datagram).is_err());
        }
        prop_assert_eq!(listener.refused().total(), datagrams.len() as u64 + 1);
        prop_assert!(listener.hear(Duration::ZERO, &good).is_ok());
    }
}
