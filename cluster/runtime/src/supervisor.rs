//! [`Supervisor`]: keyed actors run under one, and their end is never missed.
//!
//! ractor's default for a child's end is that the parent stops too, and its join handle says `Ok` for a
//! panic. So this parent stays, and tells a callback of each end. It restarts nothing by itself: a
//! room or a session comes back when somebody asks for it, from what is durable.

use std::fmt;
use std::sync::Arc;

use ractor::{
    Actor, ActorId, ActorProcessingErr, ActorRef, ActorRuntime, SpawnErr, SupervisionEvent,
};

/// How an actor ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Exit {
    /// It stopped as asked, or had nothing more to do.
    Stopped,
    /// It gave up: its memory may disagree with the store, or it panicked. The text is for the log.
    Failed(String),
}

type OnExit = dyn Fn(ActorId, Exit) + Send + Sync;

/// Runs actors of one kind. Clones are the same supervisor.
#[derive(Clone)]
pub struct Supervisor {
    actor: ActorRef<Never>,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Supervisor({})", self.actor.get_id())
    }
}

impl Supervisor {
    /// Starts a supervisor that calls `on_exit` once for each actor that ends. The callback must be
    /// quick: it runs on the supervisor.
    ///
    /// # Errors
    /// Only if the runtime is going down.
    pub async fn start(
        on_exit: impl Fn(ActorId, Exit) + Send + Sync + 'static,
    ) -> Result<Self, SpawnErr> {
        let (actor, _join) = Actor::spawn(None, Parent, Arc::new(on_exit) as Arc<OnExit>).await?;
        Ok(Self { actor })
    }

    /// Starts `actor` under this supervisor, without waiting for it: so a caller that is cancelled
    /// leaves no actor half started. Messages may be sent at once.
    ///
    /// The actor's `pre_start` must not fail: its end would not be told. Load lazily instead.
    ///
    /// # Errors
    /// Never for actors without a name, which these are; the signature is ractor's.
    pub fn spawn<A: Actor>(
        &self,
        actor: A,
        arguments: A::Arguments,
    ) -> Result<ActorRef<A::Msg>, SpawnErr> {
        let parent = self.actor.get_cell();
        let (actor, _join) = ActorRuntime::spawn_linked_instant(None, actor, arguments, parent)?;
        Ok(actor)
    }

    /// Stops all actors after what each has at hand, then the supervisor.
    pub async fn stop(&self) {
        self.actor.stop_children_and_wait(None, None).await;
        // It fails only if the supervisor is gone already.
        let _gone = self.actor.stop_and_wait(None, None).await;
    }
}

/// A supervisor takes no messages.
#[derive(Debug)]
enum Never {}

struct Parent;

impl Actor for Parent {
    type Msg = Never;
    type State = Arc<OnExit>;
    type Arguments = Arc<OnExit>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Never>,
        on_exit: Arc<OnExit>,
    ) -> Result<Arc<OnExit>, ActorProcessingErr> {
        Ok(on_exit)
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Never>,
        event: SupervisionEvent,
        on_exit: &mut Arc<OnExit>,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                on_exit(actor.get_id(), Exit::Stopped)
            }
            SupervisionEvent::ActorFailed(actor, error) => {
                on_exit(actor.get_id(), Exit::Failed(error.to_string()));
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    struct Child;

    #[derive(Debug)]
    enum Order {
        Fail,
        Panic,
        Stop,
    }

    impl Actor for Child {
        type Msg = Order;
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }

        async fn handle(
            &self,
            myself: ActorRef<Order>,
            order: Order,
            (): &mut (),
        ) -> Result<(), ActorProcessingErr> {
            match order {
                Order::Fail => Err("memory may be wrong".into()),
                Order::Panic => panic!("a defect"),
                Order::Stop => {
                    myself.stop(None);
                    Ok(())
                }
            }
        }
    }

    #[tokio::test]
    async fn each_end_is_told_once_and_the_supervisor_stays() {
        let (exits, mut told) = mpsc::channel(8);
        let on_exit = move |_, exit| exits.try_send(exit).expect("room for every exit");
        let supervisor = Supervisor::start(on_exit).await.expect("starts");
        for (order, text) in [(Order::Fail, "memory"), (Order::Panic, "a defect")] {
            let child = supervisor.spawn(Child, ()).expect("starts");
            child.send_message(order).expect("runs");
            match told.recv().await {
                Some(Exit::Failed(error)) => assert!(error.contains(text), "{error}"),
                other => panic!("unexpected: {other:?}"),
            }
        }
        let child = supervisor.spawn(Child, ()).expect("the supervisor stays");
        child.send_message(Order::Stop).expect("runs");
        assert_eq!(told.recv().await, Some(Exit::Stopped));
        supervisor.stop().await;
    }
}
