//! What a buffer promises, on single cases and on any order of arrival.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What was played, turn by turn.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Turn {
    Silence,
    Frame(u64),
    Both(u64, u64),
    Conceal(Option<u64>),
}

fn turn(buffer: &mut Buffer<u64>, now: Duration) -> Turn {
    match buffer.turn(now) {
        Play::Silence => Turn::Silence,
        Play::Frame(frame) => Turn::Frame(frame),
        Play::Both(first, second) => Turn::Both(first, second),
        Play::Conceal(next) => Turn::Conceal(next.copied()),
    }
}

/// Plays frames that arrive at these times, a turn each 20 ms, until all have come and nothing waits.
fn played(buffer: &mut Buffer<u64>, arrivals: &[(Duration, u64)], quiet: bool) -> Vec<Turn> {
    let mut arrivals = arrivals.to_vec();
    arrivals.sort();
    let end = arrivals.last().map_or(Duration::ZERO, |last| last.0) + ms(2_000);
    let mut coming = arrivals.into_iter().peekable();
    let mut turns = Vec::new();
    let mut now = ms(10);
    while now < end {
        while let Some((at, number)) = coming.next_if(|(at, _)| *at <= now) {
            buffer.insert(at, number, quiet, number);
            assert!(buffer.len() as u64 <= WAITING_FRAMES_MAX);
        }
        turns.push(turn(buffer, now));
        now += FRAME_TIME;
    }
    turns
}

fn even(numbers: impl IntoIterator<Item = u64>) -> Vec<(Duration, u64)> {
    numbers
        .into_iter()
        .map(|number| (ms(20 * number), number))
        .collect()
}

/// The frames among the turns, in order.
fn frames(turns: &[Turn]) -> Vec<u64> {
    let mut frames = Vec::new();
    for turn in turns {
        match turn {
            Turn::Frame(frame) => frames.push(*frame),
            Turn::Both(first, second) => frames.extend([*first, *second]),
            Turn::Silence | Turn::Conceal(_) => {}
        }
    }
    frames
}

fn count(turns: &[Turn], which: impl Fn(&Turn) -> bool) -> usize {
    turns.iter().filter(|turn| which(turn)).count()
}

#[test]
fn an_even_stream_is_played_whole_after_the_least_delay() {
    let mut buffer = Buffer::new();
    let turns = played(&mut buffer, &even(0..200), false);
    assert_eq!(turns[..3], [Turn::Silence, Turn::Frame(0), Turn::Frame(1)]);
    assert_eq!(frames(&turns), (0..200).collect::<Vec<_>>());
    let made_up = count(&turns, |turn| matches!(turn, Turn::Conceal(_)));
    assert_eq!(
        made_up as u64, CONCEALED_IN_A_ROW_MAX,
        "after the end alone"
    );
    assert_eq!(turns.last(), Some(&Turn::Silence));
    let counts = buffer.counts();
    assert_eq!((counts.played, counts.lost, counts.late), (200, 0, 0));
    assert_eq!(buffer.jitter(), Duration::ZERO);
}

#[test]
fn a_lost_frame_is_made_up_of_the_next() {
    let mut buffer = Buffer::new();
    let lost = even((0..100).filter(|number| *number != 50));
    let turns = played(&mut buffer, &lost, false);
    let at = turns
        .iter()
        .position(|turn| *turn == Turn::Frame(49))
        .expect("played");
    assert_eq!(
        turns[at + 1..at + 3],
        [Turn::Conceal(Some(51)), Turn::Frame(51)]
    );
    assert_eq!(buffer.counts().lost, 1);
}

#[test]
fn order_is_restored_and_doubles_are_dropped() {
    let mut buffer = Buffer::new();
    let mut arrivals = even(0..50);
    // 11 comes before 10, and 20 three times, once after it was played.
    arrivals[10].0 += ms(11);
    arrivals[11].0 -= ms(11);
    arrivals.extend([(ms(401), 20), (ms(600), 20)]);
    let turns = played(&mut buffer, &arrivals, false);
    assert_eq!(frames(&turns), (0..50).collect::<Vec<_>>());
    let counts = buffer.counts();
    assert_eq!((counts.doubled, counts.late, counts.lost), (2, 0, 0));
}

#[test]
fn a_late_frame_is_counted_and_makes_the_delay_grow() {
    let mut buffer = Buffer::new();
    let mut arrivals = even(0..100);
    arrivals[30].0 += ms(90);
    let turns = played(&mut buffer, &arrivals, false);
    assert!(!frames(&turns).contains(&30));
    let counts = buffer.counts();
    assert_eq!((counts.late, counts.lost, counts.doubled), (1, 0, 0));
    assert_eq!(counts.played, 99);
}

#[test]
fn a_stall_delays_and_the_delay_is_given_back() {
    let mut buffer = Buffer::new();
    let mut arrivals = even(0..1_000);
    // A network holds everything back for 160 ms, and brings it at once.
    for (at, _) in &mut arrivals[100..108] {
        *at = ms(20 * 108);
    }
    let turns = played(&mut buffer, &arrivals, true);
    assert_eq!(
        frames(&turns),
        (0..1_000).collect::<Vec<_>>(),
        "nothing is lost"
    );
    let counts = buffer.counts();
    assert_eq!((counts.late, counts.lost), (0, 0));
    assert!(counts.shortened >= 6, "{counts:?}");
    let last = turns
        .iter()
        .position(|turn| *turn == Turn::Frame(999))
        .expect("played");
    assert!(last < 1_004, "delay at the end: {} turns", last - 999);
}

#[test]
fn delay_follows_the_jitter_up_and_down() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut arrivals = even(0..3_000);
    for (at, _) in &mut arrivals[500..1_500] {
        *at += ms(rng.random_range(0..80));
    }
    let mut buffer = Buffer::new();
    let turns = played(&mut buffer, &arrivals, true);
    let delay = |number: u64| {
        let at = turns.iter().position(|turn| match turn {
            Turn::Frame(frame) => *frame >= number,
            Turn::Both(first, second) => *first >= number || *second >= number,
            Turn::Silence | Turn::Conceal(_) => false,
        });
        at.expect("played") as u64 - number
    };
    let (before, amid, after) = (delay(490), delay(1_400), delay(2_990));
    assert!(before <= 2, "{before}");
    assert!((4..=8).contains(&amid), "{amid}");
    assert!(after <= 3, "{after}");
    let counts = buffer.counts();
    assert!(counts.late < 20, "{counts:?}");
    assert_eq!(counts.played + counts.late + counts.dropped, 3_000);
}

#[test]
fn clocks_that_differ_neither_pile_up_nor_run_dry_for_long() {
    // A sender whose second is a thousandth shorter or longer than ours, for two minutes.
    for millionths in [19_980, 20_020] {
        let arrivals: Vec<_> = (0..6_000)
            .map(|number| (Duration::from_micros(millionths * number), number))
            .collect();
        let mut buffer = Buffer::new();
        let turns = played(&mut buffer, &arrivals, true);
        assert_eq!(
            frames(&turns),
            (0..6_000).collect::<Vec<_>>(),
            "{millionths}"
        );
        let counts = buffer.counts();
        let made_up = counts.concealed - CONCEALED_IN_A_ROW_MAX;
        assert!(
            counts.shortened <= 10 && made_up <= 10,
            "{millionths}: {counts:?}"
        );
    }
}

#[test]
fn a_pause_is_not_lost_and_not_jitter() {
    let mut buffer = Buffer::new();
    let mut arrivals = even(0..50);
    arrivals.extend(
        even(50..100)
            .into_iter()
            .map(|(at, number)| (at + ms(30_000), number)),
    );
    let turns = played(&mut buffer, &arrivals, false);
    assert_eq!(frames(&turns), (0..100).collect::<Vec<_>>());
    assert_eq!((buffer.counts().lost, buffer.jitter()), (0, Duration::ZERO));
    let made_up = count(&turns, |turn| matches!(turn, Turn::Conceal(_)));
    assert_eq!(made_up as u64, 2 * CONCEALED_IN_A_ROW_MAX);
}

#[test]
fn what_was_not_forwarded_for_long_is_not_lost() {
    let mut buffer = Buffer::new();
    let turns = played(&mut buffer, &even((0..50).chain(500..550)), false);
    assert_eq!(frames(&turns).len(), 100);
    assert_eq!(buffer.counts().lost, 0);
}

#[test]
fn a_count_that_begins_anew_is_followed() {
    let mut buffer = Buffer::new();
    let mut arrivals = even(5_000..5_050);
    arrivals.extend((0..50).map(|number| (ms(20 * (5_050 + number)), number)));
    let turns = played(&mut buffer, &arrivals, false);
    let heard = frames(&turns);
    assert!(heard.contains(&5_040) && heard.contains(&0) && heard.contains(&49));
    assert!(buffer.counts().dropped <= 3, "{:?}", buffer.counts());
}

#[test]
fn a_flood_takes_no_more_than_its_place() {
    let mut buffer = Buffer::new();
    for number in 0..1_000 {
        buffer.insert(ms(number), number, false, number);
        assert!(buffer.len() as u64 <= WAITING_FRAMES_MAX);
    }
    assert_eq!(turn(&mut buffer, ms(1_000)), Turn::Frame(950));
    assert_eq!(buffer.counts().dropped, 950);
}

proptest! {
    /// Whatever a network does: order, no frame twice, everything accounted for, an end.
    #[test]
    fn frames_come_out_in_order_and_are_accounted_for(
        seed in any::<u64>(),
        jitter in 0_u64..400,
        loss in 0.0..0.6_f64,
        doubled in 0.0..0.3_f64,
        quiet in any::<bool>(),
        len in 1_u64..400,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut arrivals = Vec::new();
        for (at, number) in even(0..len) {
            if !rng.random_bool(loss) {
                arrivals.push((at + ms(rng.random_range(0..=jitter)), number));
                if rng.random_bool(doubled) {
                    arrivals.push((at + ms(rng.random_range(0..=jitter)), number));
                }
            }
        }
        let mut buffer = Buffer::new();
        let turns = played(&mut buffer, &arrivals, quiet);
        let heard = frames(&turns);
        prop_assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "{heard:?}");
        prop_assert!(heard.iter().all(|frame| arrivals.iter().any(|(_, number)| number == frame)));
        let counts = buffer.counts();
        prop_assert!(buffer.is_empty() && buffer.is_silent());
        prop_assert_eq!(counts.received, arrivals.len() as u64);
        prop_assert_eq!(counts.played, heard.len() as u64);
        prop_assert_eq!(counts.received, counts.played + counts.late + counts.doubled + counts.dropped);
        let made_up = count(&turns, |turn| matches!(turn, Turn::Conceal(_)));
        prop_assert_eq!(counts.concealed, made_up as u64);
    }

    /// Numbers from anywhere do not make it grow, hang or panic.
    #[test]
    fn any_numbers_are_harmless(
        inserts in prop::collection::vec((0_u64..200, prop_oneof![0_u64..100, any::<u64>()]), 1..200),
    ) {
        let mut buffer = Buffer::new();
        let mut now = Duration::ZERO;
        for (later, number) in inserts {
            now += ms(later);
            buffer.insert(now, number, false, number);
            prop_assert!(buffer.len() as u64 <= WAITING_FRAMES_MAX);
            let _ = turn(&mut buffer, now);
        }
        let counts = buffer.counts();
        let inside = buffer.len() as u64;
        let out = counts.played + counts.late + counts.doubled + counts.dropped;
        prop_assert_eq!(counts.received, out + inside);
    }
}
