//! An ended sign-in opens nothing: at once where there is one node, and within [`SIGN_OUT_WITHIN`] on all of
//! several.
//!
//! Whatever fails, a call is refused by then. A stream ends with the next look of its node at what others did to
//! sign-ins, which needs the store: so on a stream the time counts from when nothing keeps a node from its store,
//! and the client reads, for whom something may have been on its way.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::{About, Rule, Verdict, numbered};
use crate::history::{Answer, Item, Moment, OnNode, OnStream, What, World};
use crate::limits::SIGN_OUT_WITHIN;
use crate::names::{Device, Stream};

pub(super) fn check(facts: &Facts<'_>, verdict: &mut Verdict) {
    let ended = Ended::gather(facts);
    streams(facts, &ended, verdict);
    for (op, order) in &facts.orders {
        for attempt in &order.attempts {
            if let Some((at, Answer::Done(_))) = attempt.answer
                && ended.is_over(order.device, attempt.asked, Moment(0))
            {
                let what = format!("{} has signed out, and {op} was done for it", order.device);
                verdict.broken(Rule::SignedOut, About::entry(at).op(*op), what);
            }
        }
    }
}

fn streams(facts: &Facts<'_>, ended: &Ended<'_>, verdict: &mut Verdict) {
    let mut devices: BTreeMap<Stream, Device> = BTreeMap::new();
    let mut read_on: BTreeMap<Stream, Moment> = BTreeMap::new();
    let mut weather = Weather::default();
    for (at, what) in numbered(facts.history) {
        match what {
            What::World(world) => weather.change(world, ended.moment(at)),
            What::Stream(stream, OnStream::Opened { device, .. }) => {
                devices.insert(*stream, *device);
            }
            What::Stream(stream, OnStream::ReadsOn) => {
                read_on.insert(*stream, ended.moment(at));
            }
            What::Stream(stream, OnStream::Got(item)) => {
                let farewell = matches!(item, Item::Farewell { .. });
                let device = devices.get(stream).filter(|_| !farewell);
                let fair = match ended.has_nodes {
                    true => weather.fair_since(),
                    false => Some(Moment(0)),
                };
                let read_on = read_on.get(stream).copied().unwrap_or_default();
                if let (Some(device), Some(fair)) = (device, fair)
                    && ended.is_over(*device, at, fair.max(read_on))
                {
                    let what = format!("{device} has signed out, and gets {item:?}");
                    verdict.broken(Rule::SignedOut, About::entry(at).stream(*stream), what);
                }
            }
            _ => {}
        }
    }
}

/// Sign-ins that have ended.
struct Ended<'a> {
    facts: &'a Facts<'a>,
    has_nodes: bool,
}

impl<'a> Ended<'a> {
    fn gather(facts: &'a Facts<'a>) -> Self {
        let mut all = numbered(facts.history);
        let has_nodes = all.any(|(_, what)| matches!(what, What::World(World::Node(..))));
        Self { facts, has_nodes }
    }

    fn moment(&self, entry: usize) -> Moment {
        let entry = self.facts.history.entries.get(entry);
        entry.map_or(Moment(u64::MAX), |entry| entry.at)
    }

    /// Whether a device has to be out by this entry, and by so long after `fair`.
    fn is_over(&self, device: Device, entry: usize, fair: Moment) -> bool {
        let Some((_, Some(ended))) = self.facts.sign_outs.get(&device) else {
            return false;
        };
        if !self.has_nodes {
            return entry > *ended;
        }
        let within = u64::try_from(SIGN_OUT_WITHIN.as_micros()).unwrap_or(u64::MAX);
        self.moment(entry).0 > self.moment(*ended).max(fair).0.saturating_add(within)
    }
}

/// What keeps nodes from their store, and since when nothing does.
#[derive(Default)]
struct Weather {
    is_rough: bool,
    away: BTreeSet<u32>,
    standing: BTreeSet<u32>,
    since: Moment,
}

impl Weather {
    fn change(&mut self, world: &World, now: Moment) {
        match world {
            World::Weather(words) => self.is_rough = words != "calm",
            World::Node(node, OnNode::CutOff(true)) => _ = self.away.insert(*node),
            World::Node(node, OnNode::CutOff(false)) => _ = self.away.remove(node),
            World::Node(node, OnNode::Stands) => _ = self.standing.insert(*node),
            World::Node(node, OnNode::GoesOn | OnNode::Starts(_)) => {
                self.standing.remove(node);
            }
            _ => return,
        }
        self.since = now;
    }

    fn fair_since(&self) -> Option<Moment> {
        let is_fair = !self.is_rough && self.away.is_empty() && self.standing.is_empty();
        is_fair.then_some(self.since)
    }
}
