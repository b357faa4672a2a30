//! [`Process`]: one node of several, on a runtime of its own whose clock a scheduler moves.
//!
//! A step lets the runtime do what there is to do until its clock has gone on by so much; between two steps
//! nothing of it runs. So a node that stands still is one that is not stepped; one whose clock drifts gets
//! longer or shorter steps; and one that is killed is dropped where it stands. When one that stood still goes
//! on, its clock jumps: monotonic clocks of machines do not stop with a process.
//!
//! Leaves out: when any of this happens (`trouble`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use cluster_runtime::{TaskKind, Tasks};
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::time::{Instant, advance, sleep, sleep_until, timeout};

use crate::limits::{CONNECTIONS_END_LOOK, CONNECTIONS_END_WITHIN, HAND_OVER_WITHIN, PACE_RIGHT};
use crate::node::{Ground, Node};
use crate::reach::Reach;

/// A runtime whose clock is moved from outside.
#[derive(Debug)]
pub(super) struct Stepped {
    runtime: Runtime,
    began: Instant,
    age: Duration,
}

/// A node that runs, or is about to.
#[derive(Debug)]
pub(super) struct Process {
    stepped: Stepped,
    /// How fast its monotonic clock goes, in thousandths of the right pace.
    pace: u32,
    pub(super) stands: bool,
    start: Arc<Mutex<Option<anyhow::Result<Node>>>>,
    reach: Option<Reach>,
    /// From when it drains on: whether it is done.
    drained: Option<Arc<AtomicBool>>,
    tasks: Tasks,
}

/// What a process has come to since it was asked last.
#[derive(Debug)]
pub(super) enum News {
    /// It takes clients.
    Serves(Box<Reach>),
    /// It could not start, for this reason.
    Failed(String),
    /// It has drained.
    Ended,
}

// === impl Stepped ===

impl Stepped {
    pub(super) fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .context("no runtime")?;
        let began = runtime.block_on(async { Instant::now() });
        Ok(Self {
            runtime,
            began,
            age: Duration::ZERO,
        })
    }

    pub(super) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Does what there is to do in so much time.
    pub(super) fn step(&mut self, span: Duration) {
        self.age += span;
        let until = self.began + self.age;
        self.runtime.block_on(async { sleep_until(until).await });
    }

    /// Lets time pass in which nothing is done.
    const fn skip(&mut self, span: Duration) {
        self.age = self.age.saturating_add(span);
    }

    /// Sets the clock to where it is by now, before anything else is done.
    fn catch_up(&self) {
        let now = self.began + self.age;
        self.runtime.block_on(async {
            let missed = now.saturating_duration_since(Instant::now());
            advance(missed).await;
        });
    }
}

// === impl Process ===

impl Process {
    /// Starts a node, which takes some steps.
    pub(super) fn start(ground: Ground, pace: u32) -> anyhow::Result<Self> {
        let process = Self {
            stepped: Stepped::new()?,
            pace,
            stands: false,
            start: Arc::default(),
            reach: None,
            drained: None,
            tasks: Tasks::new(),
        };
        let started = Arc::clone(&process.start);
        process.spawn("sim: start", async move {
            let node = Node::start(&ground).await;
            *started.lock() = Some(node);
        });
        Ok(process)
    }

    /// Does what there is to do in so much time, unless it stands still.
    pub(super) fn step(&mut self, span: Duration) {
        let span = span * self.pace / PACE_RIGHT;
        if self.stands {
            self.stepped.skip(span);
        } else {
            self.stepped.step(span);
        }
    }

    /// Goes on after it has stood still.
    pub(super) fn go_on(&mut self) {
        if std::mem::take(&mut self.stands) {
            self.stepped.catch_up();
        }
    }

    /// Whether it has started, and has not been told to end.
    pub(super) const fn is_serving(&self) -> bool {
        self.reach.is_some() && self.drained.is_none()
    }

    pub(super) fn news(&mut self) -> Option<News> {
        if let Some(drained) = &self.drained {
            return drained.load(Ordering::SeqCst).then_some(News::Ended);
        }
        match self.start.lock().take()? {
            Ok(node) => {
                let runtime = self.stepped.runtime().handle().clone();
                let reach = Reach::there(node, runtime);
                self.reach = Some(reach.clone());
                Some(News::Serves(Box::new(reach)))
            }
            Err(error) => Some(News::Failed(format!("{error:#}"))),
        }
    }

    /// Gives its rooms away, asks its clients to go, and ends, as the server does.
    pub(super) fn drain(&mut self) {
        let Some(reach) = self.reach.clone() else {
            return;
        };
        let done = Arc::new(AtomicBool::new(false));
        self.drained = Some(Arc::clone(&done));
        self.spawn("sim: drain", async move {
            let node = &reach.node;
            // Rooms that nobody has taken by then are claimed.
            let _late = timeout(HAND_OVER_WITHIN, node.services.hand_over()).await;
            node.services.drain();
            let gone = async {
                while reach.connections() > 0 {
                    sleep(CONNECTIONS_END_LOOK).await;
                }
            };
            let _late = timeout(CONNECTIONS_END_WITHIN, gone).await;
            node.stop().await;
            done.store(true, Ordering::SeqCst);
        });
    }

    /// Dies where it stands.
    pub(super) fn die(self) {
        if let Some(reach) = &self.reach {
            reach.died().cancel();
        }
    }

    fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let _inside = self.stepped.runtime().enter();
        drop(self.tasks.spawn(TaskKind::Housekeeping, name, work));
    }
}
