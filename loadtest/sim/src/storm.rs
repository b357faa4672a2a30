//! What goes wrong around the node while it lives: the store's moods, a full disk, a clock that jumps.

use cluster_store::SimulatedDisk;
use cluster_types::Rng;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::WallClock;
use crate::history::World as Happened;
use crate::limits::CLOCK_JUMP_MAX;
use crate::plan::{FaultKind, Plan, among, millis, percent};
use crate::world::World;

/// Makes things go wrong until it is cancelled.
pub(crate) struct Storm {
    pub(crate) disk: SimulatedDisk,
    /// Of each machine.
    pub(crate) clocks: Vec<WallClock>,
    pub(crate) world: World,
    pub(crate) rng: Rng,
}

impl Storm {
    /// Rages until `enough`, and leaves the weather calm.
    pub(crate) async fn rage(&self, plan: &Plan, enough: &CancellationToken) {
        let raging = async {
            loop {
                self.change(plan).await;
                sleep(millis(among(&self.rng, 50..=3_000))).await;
            }
        };
        let _enough = enough.run_until_cancelled(raging).await;
        self.calm_down(plan);
    }

    /// From here on, nothing goes wrong.
    pub(crate) fn calm_down(&self, plan: &Plan) {
        self.disk.set_faults(plan.weather.calm());
        self.disk.set_full(false);
        self.world.note_world(Happened::Full(false));
        self.world.note_world(Happened::Weather("calm".to_owned()));
    }

    async fn change(&self, plan: &Plan) {
        match self.rng.below(10) {
            0 => {
                self.disk.set_faults(plan.weather.calm());
                self.world.note_world(Happened::Weather("calm".to_owned()));
            }
            1 if plan.kinds.has(FaultKind::Full) => {
                self.set_full(true);
                sleep(millis(among(&self.rng, 5..=4_000))).await;
                self.set_full(false);
            }
            2 if plan.kinds.has(FaultKind::Clocks) => {
                let span = self.rng.below(CLOCK_JUMP_MAX >> self.rng.below(20));
                let span = i64::try_from(span).unwrap_or_default();
                let millis = if percent(&self.rng, 50) { -span } else { span };
                let clocks = self.clocks.len() as u64;
                let which = if clocks > 1 {
                    self.rng.below(clocks)
                } else {
                    0
                };
                if let Some(clock) = self.clocks.get(usize::try_from(which).unwrap_or_default()) {
                    clock.jump_to(millis);
                }
                self.world.note_world(Happened::Clock { millis });
            }
            _ => {
                let storm = plan.weather.storm(&self.rng);
                self.disk.set_faults(storm);
                self.world
                    .note_world(Happened::Weather(format!("{storm:?}")));
            }
        }
    }

    fn set_full(&self, full: bool) {
        self.disk.set_full(full);
        self.world.note_world(Happened::Full(full));
    }
}
