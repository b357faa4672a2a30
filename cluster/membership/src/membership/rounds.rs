//! The rounds of a member: renew, read, decide, act.
//!
//! Invariant: only a round whose heartbeat is known to have succeeded reaches the algorithm, with the time at which
//! it began. What a transaction was meant to change is believed when it is known to have committed, or when a later
//! round has read it.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cluster_runtime::TaskKind;
use cluster_store::schema::SCHEMA_VERSION;
use cluster_store::{StoreError, Transaction};
use cluster_types::{BootId, Life, Shard};
use tokio::time::{sleep, sleep_until, timeout, timeout_at};

use super::entering::Attempt;
use super::{Inner, Parts, micros};
use crate::algorithm::{Algorithm, Changes, Move, Plan, Reading, Round};
use crate::entrance::Entrance;
use crate::error::JoinError;
use crate::limits::{LOOK_EVERY, TAKE_AGAIN_EVERY};
use crate::{Member, Owner, View, store};

/// What the rounds remember from one to the next.
struct Course {
    /// Since this node was evicted, until it has entered anew.
    outside: Option<Entrance>,
    renewal: Renewal,
}

/// What the log knows of this node's heartbeats.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Renewal {
    /// None yet in this life.
    None,
    InTime,
    /// Too late, or it cannot enter.
    Late,
    /// Its node id is somebody else's, too.
    Taken,
}

impl Inner {
    /// Goes on until the node stops or leaves.
    pub(super) async fn run(self: Arc<Self>) {
        let _ended = self.ended.clone().drop_guard();
        let mut course = Course {
            outside: None,
            renewal: Renewal::None,
        };
        let rounds = async {
            loop {
                let begun = self.now();
                let plan = self.counted(self.round(&mut course, begun)).await;
                if let Some(plan) = plan {
                    self.act(plan).await;
                }
                self.wait(begun).await;
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = rounds => {}
        }
        self.say_handed();
    }

    /// A round that [`Membership::look`] may wait for.
    ///
    /// [`Membership::look`]: super::Membership::look
    async fn counted<T>(&self, round: impl Future<Output = T>) -> T {
        self.rounds.lock().begun += 1;
        let outcome = round.await;
        {
            let mut rounds = self.rounds.lock();
            rounds.ended = rounds.begun;
        }
        self.round_ended.notify_waiters();
        outcome
    }

    /// Until the next round is due, or somebody is in a hurry.
    async fn wait(&self, begun: Duration) {
        let due = self.start + begun + self.parts.timing.heartbeat_every;
        let hurry = async {
            self.hurry.notified().await;
            sleep_until(self.start + begun + LOOK_EVERY).await;
        };
        tokio::select! {
            biased;
            () = sleep_until(due) => {}
            () = hurry => {}
        }
    }

    async fn round(&self, course: &mut Course, begun: Duration) -> Option<Plan> {
        if course.outside.is_some() {
            self.enter_anew(course).await;
            return None;
        }
        match self.renew(course).await {
            Ok(Some(reading)) => {
                let ended = self.now();
                if course.renewal == Renewal::Late {
                    tracing::info!("renews again, and serves its rooms");
                }
                course.renewal = Renewal::InTime;
                Some(self.read(Round { begun, ended }, reading))
            }
            Ok(None) => {
                self.evicted(course);
                None
            }
            Err(error) => {
                if micros(self.now()) >= self.serves_until.load(Ordering::Acquire) {
                    suspended(course, &error);
                }
                None
            }
        }
    }

    /// One heartbeat, which is given up after a while: its outcome is unknown then. Says when it comes too late.
    async fn renew(&self, course: &mut Course) -> Result<Option<Reading>, StoreError> {
        let (me, mark, until) = {
            let algorithm = self.algorithm.lock();
            let me = algorithm.view().me();
            (me, algorithm.mark(), algorithm.serves_until())
        };
        let heartbeat = store::heartbeat(&self.parts.store, me, mark);
        let mut heartbeat = pin!(self.within(heartbeat));
        if course.renewal == Renewal::InTime {
            match timeout_at(self.start + until, &mut heartbeat).await {
                Ok(renewed) => return renewed,
                Err(_) => suspended(course, &StoreError::CommitUnknown),
            }
        }
        heartbeat.await
    }

    /// Takes a reading in, tells everybody, and says what to do.
    fn read(&self, round: Round, reading: Reading) -> Plan {
        let (changes, plan, before, view, rests) = {
            let mut algorithm = self.algorithm.lock();
            let before = Arc::clone(algorithm.view());
            let changes = algorithm.observe(round, reading);
            let plan = algorithm.plan(round);
            self.publish(&algorithm);
            let view = Arc::clone(algorithm.view());
            (changes, plan, before, view, algorithm.is_at_rest(round))
        };
        self.tell_changes(&changes);
        if rests {
            self.say_handed();
        }
        say_strangers(&before, &view);
        if let Some(me) = view.living(view.me()) {
            self.withdrawn.store(me.withdrawn, Ordering::Release);
        }
        plan
    }

    /// Takes in what was handed over, without a round.
    pub(super) fn hear(&self, handed: &[(Shard, Owner)]) {
        let changes = {
            let mut algorithm = self.algorithm.lock();
            let changes = algorithm.hear(self.now(), handed);
            self.publish(&algorithm);
            changes
        };
        self.tell_changes(&changes);
    }

    fn tell_changes(&self, changes: &Changes) {
        self.tell(&changes.handed, |tenant, handed| tenant.handed(handed));
        self.tell(&changes.lost, |tenant, shards| tenant.lost(shards));
        self.tell(&changes.gained, |tenant, shards| tenant.gained(shards));
        let mut handed = self.handed.lock();
        for heir in changes.handed.iter().filter_map(|(_, owner)| owner.life) {
            *handed.entry(heir.node).or_default() += 1;
        }
    }

    fn publish(&self, algorithm: &Algorithm) {
        let until = micros(algorithm.serves_until());
        self.serves_until.store(until, Ordering::Release);
        let former = std::mem::replace(&mut *self.view.write(), Arc::clone(algorithm.view()));
        if !Arc::ptr_eq(&former, algorithm.view()) {
            self.changed.notify_waiters();
        }
    }

    /// Carries a plan out. Whatever comes of it is read in the next round, which begins at once.
    async fn act(self: &Arc<Self>, plan: Plan) {
        let Parts { store, rng, .. } = &self.parts;
        let (view, wanted) = (self.view(), self.due_state());
        let me = view.me();
        let mut acted = plan.evict.len() + plan.claim.len() > 0;
        if view.living(me).is_some_and(|member| member.state != wanted) {
            let set = store::set_state(store, me, wanted);
            say_failed("it serves or drains", self.within(set).await);
            acted = true;
        }
        for (node, beat) in plan.evict {
            let evict = store::evict(store, me, node, beat);
            let evicted = say_failed("an eviction", self.within(evict).await);
            if evicted == Some(true) {
                tracing::warn!(%node, "evicted another node: it was silent for a lease");
            }
        }
        if !plan.claim.is_empty() {
            let claim = store::claim(store, rng, me, &plan.claim);
            match say_failed("a claim", self.within(claim).await) {
                None | Some(0) => {}
                Some(shards) => tracing::info!(shards, "claimed shards"),
            }
        }
        if !plan.hand_over.is_empty() {
            let hand_over = Arc::clone(self).hand_over(me, plan.hand_over);
            let tasks = &self.parts.tasks;
            tasks.spawn(TaskKind::Membership, "hand-over", hand_over);
        }
        if acted {
            self.hurry.notify_one();
        }
    }

    /// Hands shards over that nobody is told are here any more.
    async fn hand_over(self: Arc<Self>, me: Life, moves: Vec<Move>) {
        let span = self.parts.timing.release_within;
        let shards: Vec<Shard> = moves.iter().map(|a_move| a_move.shard).collect();
        if let Some(tenant) = self.tenant.get()
            && timeout(span, tenant.release(&shards)).await.is_err()
        {
            // On a slow disk in each batch of a drain in which nothing is wrong.
            tracing::debug!(
                shards = shards.len(),
                "rooms did not finish in time; they are fenced"
            );
        }
        let Parts { store, rng, .. } = &self.parts;
        let handed = self.within(store::hand_over(store, rng, me, &moves)).await;
        // Of what is unknown the next round reads what became of it.
        self.hear(&say_failed("a hand-over", handed).unwrap_or_default());
        self.algorithm.lock().settle(self.now());
        self.hurry.notify_one();
    }

    /// The outcome of a transaction, which is unknown if it does not come in time.
    async fn within<T>(
        &self,
        transaction: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let outcome = timeout(self.parts.timing.patience, transaction).await;
        outcome.unwrap_or(Err(StoreError::CommitUnknown))
    }

    fn say_handed(&self) {
        for (to, shards) in std::mem::take(&mut *self.handed.lock()) {
            tracing::info!(shards, %to, "handed shards over");
        }
    }

    /// Somebody has removed this node's row: it goes on in a new life.
    fn evicted(&self, course: &mut Course) {
        let boot = BootId::random(&self.parts.rng);
        let node = self.parts.myself.node;
        let lost = {
            let mut algorithm = self.algorithm.lock();
            let lost = algorithm.evicted(Life { node, boot });
            self.publish(&algorithm);
            lost
        };
        let shards = lost.len();
        tracing::warn!(%node, shards, "was evicted: it did not renew in time, owns nothing, and joins anew");
        self.tell(&lost, |tenant, shards| tenant.lost(shards));
        course.renewal = Renewal::None;
        course.outside = Some(Entrance::default());
        self.hurry.notify_one();
    }

    async fn enter_anew(&self, course: &mut Course) {
        let Some(entrance) = &mut course.outside else {
            return;
        };
        match self.try_enter(entrance).await {
            Ok(Attempt::In) => {
                course.outside = None;
                course.renewal = Renewal::None;
                self.hurry.notify_one();
            }
            Ok(Attempt::Taken(node)) if course.renewal != Renewal::Taken => {
                course.renewal = Renewal::Taken;
                tracing::error!(%node, "its node id is in use by another process that is alive: stop one of them");
            }
            Ok(Attempt::Waiting | Attempt::Taken(_)) => {}
            Err(error) if course.renewal != Renewal::Late => {
                course.renewal = Renewal::Late;
                tracing::error!(
                    error = &error as &dyn Error,
                    "cannot join anew, and goes on trying"
                );
            }
            Err(_) => {}
        }
    }

    /// Enters as the only one, and claims every shard.
    pub(super) async fn take_store(&self) -> Result<(), JoinError> {
        self.enter().await?;
        self.take_all().await
    }

    /// Goes on with it, for a store that had no space.
    pub(super) async fn take_store_later(self: Arc<Self>) {
        let _ended = self.ended.clone().drop_guard();
        let taken = async {
            loop {
                sleep(TAKE_AGAIN_EVERY).await;
                match self.counted(self.take_store()).await {
                    Ok(()) => {
                        *self.kept_out.lock() = None;
                        tracing::info!("has taken the store: rooms can be written");
                        return;
                    }
                    Err(error) => self.stays_out(error),
                }
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = taken => {}
        }
    }

    /// The store is still not taken. Says why when that is another reason than before.
    fn stays_out(&self, error: JoinError) {
        let because = match &error {
            JoinError::Store(error) => error.clone(),
            // Nobody can have entered since: the process has the store to itself.
            JoinError::InUse { .. }
            | JoinError::Alone { .. }
            | JoinError::Cluster { .. }
            | JoinError::Schema { .. } => StoreError::Unavailable,
        };
        let mut kept_out = self.kept_out.lock();
        if kept_out.as_ref() != Some(&because) {
            let error = &error as &dyn Error;
            tracing::error!(error, "cannot take the store, and goes on trying");
            *kept_out = Some(because);
        }
    }

    async fn take_all(&self) -> Result<(), JoinError> {
        let Parts { store, rng, .. } = &self.parts;
        loop {
            let begun = self.now();
            let mark = self.algorithm.lock().mark();
            let read = |tx: Transaction| async move { store::read(&tx, mark).await };
            let reading = store.read(read).await?;
            let ended = self.now();
            let plan = self.read(Round { begun, ended }, reading);
            if plan.claim.is_empty() {
                return Ok(());
            }
            let me = self.view().me();
            match store::claim(store, rng, me, &plan.claim).await {
                // What came of it is read.
                Ok(_) | Err(StoreError::CommitUnknown) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn say_failed<T>(what: &'static str, outcome: Result<T, StoreError>) -> Option<T> {
    let say = |error: &StoreError| {
        tracing::warn!(
            what,
            error = error as &dyn Error,
            "the store did not take it; reads again"
        );
    };
    outcome.inspect_err(say).ok()
}

fn suspended(course: &mut Course, error: &StoreError) {
    if course.renewal == Renewal::InTime {
        course.renewal = Renewal::Late;
        let error = error as &dyn Error;
        tracing::warn!(error, "cannot renew, serves no rooms until it can");
    }
}

/// Names members that are new and too far from this release.
fn say_strangers(before: &View, now: &View) {
    let far = |member: &&Arc<Member>| member.schema_version.abs_diff(SCHEMA_VERSION) > 1;
    for member in now.members().filter(far) {
        if before.living(member.life).is_none() {
            let (node, version) = (member.life.node, &member.version);
            tracing::error!(%node, version, "a node has joined that is too far from this release: stop one of them");
        }
    }
}
