//! What a disk may hold after the power went away.

use cluster_types::Rng;

use super::recording::{Event, place, write_at};

/// The unit that a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Parts in a million of the unsynced writes that are kept, one of these per image.
const KEPT_PARTS: [u64; 6] = [0, 100_000, 500_000, 900_000, 999_000, 1_000_000];

/// One moment of a record, and what became of the writes that were not yet synced.
#[derive(Debug)]
pub(super) struct Crash {
    /// Events before the moment.
    pub(super) position: usize,
    /// Nothing was unsynced.
    pub(super) is_at_sync: bool,
    /// Parts in a million of unsynced events kept.
    kept_parts: u64,
    /// Parts in a million of kept writes that are torn.
    torn_parts: u64,
    /// The later ones reached the disk first.
    reversed: bool,
    /// Decides about each event.
    luck: u64,
}

impl Crash {
    /// Half of all crashes come right after a sync, the rest anywhere.
    pub(super) fn draw(events: &[Event], rng: &Rng) -> Self {
        let syncs = || {
            events
                .iter()
                .enumerate()
                .filter(|(_, event)| matches!(event, Event::Sync))
        };
        let count = syncs().count() as u64;
        let nth = usize::try_from(rng.below(count)).unwrap_or(0);
        let at_sync = syncs().nth(nth).map(|(index, _)| index + 1);
        let anywhere = usize::try_from(rng.below(events.len() as u64 + 1)).unwrap_or(0);
        let position = at_sync.filter(|_| rng.below(2) == 0).unwrap_or(anywhere);
        let kept = usize::try_from(rng.below(KEPT_PARTS.len() as u64)).unwrap_or(0);
        Self {
            position,
            is_at_sync: position > 0 && matches!(events[position - 1], Event::Sync),
            kept_parts: KEPT_PARTS[kept],
            torn_parts: rng.below(2) * 200_000,
            reversed: rng.below(2) == 1,
            luck: rng.below(u64::MAX),
        }
    }

    /// The disk as it is found afterwards, if it held `start` when the record began.
    pub(super) fn image(&self, start: &[u8], events: &[Event]) -> Vec<u8> {
        let events = &events[..self.position];
        let synced = events
            .iter()
            .rposition(|event| matches!(event, Event::Sync));
        let (synced, unsynced) = events.split_at(synced.map_or(0, |index| index + 1));
        let mut content = start.to_vec();
        for event in synced {
            apply(&mut content, event);
        }
        let rng = Rng::seeded(self.luck);
        let kept = unsynced
            .iter()
            .filter(|_| rng.one_in_million(self.kept_parts));
        let mut kept: Vec<Event> = kept.map(|event| self.tear(event, &rng)).collect();
        if self.reversed {
            kept.reverse();
        }
        for event in &kept {
            apply(&mut content, event);
        }
        content
    }

    /// Some sectors in a row of a write, or all of it.
    fn tear(&self, event: &Event, rng: &Rng) -> Event {
        let Event::Write { offset, data } = event else {
            return event.clone();
        };
        if !rng.one_in_million(self.torn_parts) {
            return event.clone();
        }
        let sectors = data.len().div_ceil(SECTOR_BYTES) as u64;
        let first = rng.below(sectors);
        let past = first + 1 + rng.below(sectors - first);
        let bytes = |sector: u64| {
            usize::try_from(sector)
                .unwrap_or(usize::MAX)
                .saturating_mul(SECTOR_BYTES)
        };
        let (begin, end) = (bytes(first), bytes(past).min(data.len()));
        Event::Write {
            offset: offset + begin as u64,
            data: data.slice(begin..end),
        }
    }
}

fn apply(content: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write { offset, data } => {
            let start = place(*offset).expect("it was in memory before");
            write_at(content, start, data);
        }
        Event::SetLength(length) => {
            content.resize(place(*length).expect("it was in memory before"), 0);
        }
        Event::Sync => {}
    }
}
