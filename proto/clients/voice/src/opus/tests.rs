//! What the codec promises: a frame for a frame, and no harm from any bytes.

use proptest::prelude::*;

use super::*;
use crate::level::Level;
use crate::tone::Tone;

fn packets(settings: Settings) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(settings).expect("within the bounds");
    let mut tone = Tone::new(300.0, 0.5);
    (0..50)
        .map(|_| encoder.encode(&tone.frame()).expect("a frame"))
        .collect()
}

#[test]
fn a_tone_comes_through_as_loud_as_it_was() {
    let mut decoder = Decoder::new();
    let packets = packets(Settings::default());
    let decoded = packets.iter().map(|packet| decoder.decode(packet));
    let levels: Vec<u8> = decoded
        .map(|frame| Level::of(&frame.expect("a packet")).number())
        .collect();
    assert!(
        levels[5..].iter().all(|level| (8..=10).contains(level)),
        "{levels:?}"
    );
}

#[test]
fn the_bit_rate_is_held_and_packets_fit_into_datagrams() {
    for (asked, bps) in [(0, 8_000.0), (32_000, 32_000.0), (1 << 30, 128_000.0)] {
        let settings = Settings {
            bitrate_bps: asked,
            ..Settings::default()
        };
        let packets = packets(settings);
        let bits: usize = packets.iter().map(|packet| packet.len() * 8).sum();
        assert!((bits as f64) < bps * 1.3, "{bits} for {bps}");
        assert!(
            packets
                .iter()
                .all(|packet| packet.len() <= PACKET_BYTES_MAX)
        );
    }
}

#[test]
fn what_is_no_number_is_encoded_as_something() {
    let mut encoder = Encoder::new(Settings::default()).expect("within the bounds");
    let mut decoder = Decoder::new();
    for sample in [f32::NAN, f32::INFINITY, f32::MIN, 1e30] {
        let packet = encoder.encode(&[sample; FRAME_SAMPLES]).expect("a frame");
        let frame = decoder.decode(&packet).expect("a packet");
        assert!(frame.iter().all(|sample| sample.is_finite()));
    }
}

#[test]
fn silence_is_sent_as_well() {
    let mut encoder = Encoder::new(Settings::default()).expect("within the bounds");
    for _ in 0..50 {
        let packet = encoder.encode(&SILENCE).expect("a frame");
        assert!(is_one_frame(&packet) && packet.len() > 2, "no DTX");
    }
}

#[test]
fn a_lost_frame_is_made_up_of_what_the_next_one_says() {
    let said =
        crate::wav::open(std::path::Path::new("speech.wav")).expect("it is in the repository");
    let mut encoder = Encoder::new(Settings::default()).expect("within the bounds");
    let packets: Vec<Vec<u8>> = crate::frames(&said)
        .map(|frame| encoder.encode(&frame).expect("a frame"))
        .collect();
    let (mut whole, mut mended, mut made_up) = (Decoder::new(), Decoder::new(), Decoder::new());
    let distance =
        |a: &Frame, b: &Frame| -> f32 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
    let (mut by_next, mut by_nothing) = (0.0, 0.0);
    for pair in packets.chunks_exact(2) {
        let frame = whole.decode(&pair[0]).expect("a packet");
        by_next += distance(&frame, &mended.recover(&pair[1]).expect("a packet"));
        by_nothing += distance(&frame, &made_up.conceal());
        for decoder in [&mut whole, &mut mended, &mut made_up] {
            decoder.decode(&pair[1]).expect("a packet");
        }
    }
    assert!(by_next < by_nothing / 2.0, "{by_next} {by_nothing}");
}

#[test]
fn what_is_made_up_fades_to_a_murmur() {
    let mut decoder = Decoder::new();
    for packet in packets(Settings::default()) {
        decoder.decode(&packet).expect("a packet");
    }
    let made_up = (0..20).map(|_| Level::of(&decoder.conceal()).number());
    let levels: Vec<u8> = made_up.collect();
    assert!(
        levels[0] < 20 && levels[1..].iter().all(|level| *level > 30),
        "{levels:?}"
    );
}

#[test]
fn only_twenty_milliseconds_are_a_frame() {
    // By the table of RFC 6716, 3.1: configuration, then one, two, two or many frames.
    for (packet, is_one) in [
        (&[1 << 3][..], true),
        (&[1], true),
        (&[2 << 3], false),
        (&[13 << 3], true),
        (&[12 << 3 | 2], true),
        (&[31 << 3], true),
        (&[30 << 3], false),
        (&[28 << 3 | 3, 8], true),
        (&[28 << 3 | 3, 7], false),
        (&[28 << 3 | 3], false),
        (&[], false),
    ] {
        assert_eq!(is_one_frame(packet), is_one, "{packet:?}");
    }
}

#[test]
fn an_empty_packet_is_no_order_to_make_something_up() {
    assert_eq!(Decoder::new().decode(&[]), Err(Undecodable));
    assert_eq!(Decoder::new().recover(&[]), Err(Undecodable));
}

proptest! {
    #[test]
    fn any_bytes_cost_a_frame_at_most(
        broken in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..20),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
    ) {
        let mut decoder = Decoder::new();
        let good = packets(Settings::default());
        for ((packet, (at, bits)), broken) in good.iter().zip(&flips).zip(&broken) {
            let mut flipped = packet.clone();
            flipped[at.index(packet.len())] ^= bits;
            let _ = decoder.decode(&flipped);
            let _ = decoder.decode(broken);
            let _ = decoder.recover(broken);
        }
        for packet in good {
            prop_assert!(decoder.decode(&packet).is_ok());
        }
    }
}
