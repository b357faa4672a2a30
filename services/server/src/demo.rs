//! `rookery demo`: three nodes, a few hundred people who say what was really said, and what goes wrong with nodes.
//!
//! Invariant: what is told at the end was counted. The exit code is 0 only if every promise held.
//!
//! Leaves out: the nodes and what can be done to them (`dev_cluster`).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use services_gateway::{Rate, Span};
use tempfile::TempDir;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::cli::EXIT_SOFTWARE;
use crate::config::Config;
use crate::dev_cluster::{DevCluster, NodeStatus};
use crate::{descriptors, logging, serve};

mod audience;
mod cast;
mod promises;
mod screen;
mod speakers;
mod witness;

use audience::Audience;
use cast::Cast;
use promises::Promises;
use screen::{Act, Screen};
use speakers::Speakers;
use witness::Witness;

/// How many nodes there are.
const NODES: u8 = 3;

/// How long the conversations go on after something was done to a node, and before.
const ACT_FOR: Duration = Duration::from_secs(5);

/// How long a node is cut off: it takes two seconds to believe it, and its clients some more to go elsewhere.
const CUT_FOR: Duration = Duration::from_secs(8);

/// How often it is looked who serves what, and the screen is drawn.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// All people have one address here, and arrive at the same time.
const RATE: Rate = Rate {
    per_second: 100_000,
    burst: 100_000,
};

/// Exit code of a run that was interrupted, as shells know it.
const EXIT_INTERRUPTED: u8 = 130;

/// How the demo tells what it has seen.
#[derive(Args, Clone, Copy, Debug)]
pub struct DemoArgs {
    /// End with one object on standard output, and no table.
    #[arg(long)]
    pub json: bool,
}

/// Shows what a cluster promises, in about a minute.
pub fn demo(args: DemoArgs) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return serve::fail(&error, EXIT_SOFTWARE),
    };
    let shown = runtime.block_on(show(args));
    runtime.shutdown_background();
    match shown {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::FAILURE,
        Ok(None) => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) => serve::fail(&*error, EXIT_SOFTWARE),
    }
}

/// Whether every promise held; `None` if somebody interrupted it.
async fn show(args: DemoArgs) -> anyhow::Result<Option<bool>> {
    let folder = TempDir::with_prefix("rookery-demo-").context("no folder for the demo")?;
    let config = config(&folder);
    logging::start(&config);
    descriptors::raise(config.limits.connections.count_max);
    let mut screen = Screen::new(args.json);
    screen.begin("three nodes start");
    let began = Instant::now();
    let mut cluster = DevCluster::start(config, NODES).await?;
    screen.end(Act::new(began.elapsed()));
    // The nodes have to be stopped, however it ends.
    let played = tokio::select! {
        played = play(&mut cluster, &folder, &mut screen) => played.map(Some),
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None).map_err(Into::into),
    };
    screen.clear();
    cluster.stop().await;
    played
}

/// What everybody would set who has hundreds of people at one address, and a quick end.
fn config(folder: &TempDir) -> Config {
    let mut config = Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        data_dir: folder.path().join("data"),
        log: "off".to_owned(),
        stop_within: Span::seconds(4),
        ..Config::default()
    };
    let limits = &mut config.limits;
    limits.connections.unauthenticated_per_address_max = limits.connections.unauthenticated_max;
    limits.connections.unauthenticated_calls_max = RATE.burst;
    limits.calls.account_rate = RATE;
    limits.calls.address_rate = RATE;
    config
}

/// All acts, and the proof.
async fn play(
    cluster: &mut DevCluster,
    folder: &TempDir,
    screen: &mut Screen,
) -> anyhow::Result<bool> {
    screen.begin("people come in");
    let began = Instant::now();
    let cast = Cast::gather(cluster, folder.path()).await?;
    let audience = Audience::gather(&cast).await?;
    screen.named(format!(
        "{} people come into {} rooms",
        cast.people.len(),
        cast.scenes.len()
    ));
    screen.end(Act::new(began.elapsed()));

    let speakers = Speakers::start(&cast, &audience);
    let mut stage = Stage {
        witness: Witness::of(cluster),
        screen,
        audience: &audience,
        speakers: &speakers,
    };
    acts(cluster, &cast, &mut stage).await?;
    stage.screen.begin("everybody has heard everything");
    let began = Instant::now();
    let said = speakers.stop().await?;
    let mut witness = stage.witness;
    let promises = Promises::prove(cluster, &cast, &said, &audience, &mut witness).await?;
    screen.end(Act::new(began.elapsed()));
    screen.tell(&promises)?;
    Ok(promises.held())
}

/// What happens.
async fn acts(cluster: &mut DevCluster, cast: &Cast, stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let busiest = &cast.scenes[0];
    stage.act("they talk", sleep(ACT_FOR)).await;

    let killed = cluster.owner(busiest.id).context("a room has no node")?;
    cluster.kill(killed)?;
    let what = format!("node {killed}, which has the busiest room, is killed");
    stage.act(&what, sleep(ACT_FOR)).await;
    let back = back(cluster, killed);
    stage
        .act(&format!("node {killed} comes back"), back)
        .await?;
    stage.witness.follow(cluster);

    let cut = another(cluster, &[killed])?;
    cluster.cut(cut)?;
    let what = format!("node {cut} reaches no other node");
    stage.act(&what, sleep(CUT_FOR)).await;
    cluster.heal(cut)?;
    let what = format!("node {cut} reaches them again");
    stage.act(&what, cluster.settle()).await?;

    let drained = another(cluster, &[killed, cut])?;
    let leaves = async {
        cluster.drain(drained).await?;
        sleep(ACT_FOR / 2).await;
        anyhow::Ok(())
    };
    stage
        .act(&format!("node {drained} leaves in order"), leaves)
        .await?;
    let back = self::back(cluster, drained);
    stage
        .act(&format!("node {drained} comes back"), back)
        .await?;
    stage.witness.follow(cluster);
    Ok(())
}

async fn back(cluster: &mut DevCluster, number: u8) -> anyhow::Result<()> {
    cluster.restart(number).await?;
    cluster.settle().await?;
    Ok(())
}

/// A node that nothing has been done to.
fn another(cluster: &DevCluster, but: &[u8]) -> anyhow::Result<u8> {
    let is_another = |node: &NodeStatus| !but.contains(&node.number);
    let nodes = cluster.status();
    let another = nodes.iter().find(|node| is_another(node));
    Ok(another.context("there are three nodes")?.number)
}

/// Where acts are played: who watches, and who is watched.
struct Stage<'a> {
    witness: Witness,
    screen: &'a mut Screen,
    audience: &'a Audience,
    speakers: &'a Speakers,
}

impl Stage<'_> {
    /// Watches while something happens, and tells what became of the conversations.
    async fn act<T>(&mut self, what: &str, happens: impl Future<Output = T>) -> T {
        self.screen.begin(what);
        let (began, said, heard) = (
            Instant::now(),
            self.speakers.said(),
            self.audience.hearing.events(),
        );
        self.speakers.forget_pauses();
        let so_far = |stage: &Self| Act {
            took: began.elapsed(),
            messages: Some(stage.speakers.said() - said),
            deliveries: Some(stage.audience.hearing.events() - heard),
            pause: Some(stage.speakers.longest_pause()),
        };
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut happens = std::pin::pin!(happens);
        let outcome = loop {
            tokio::select! {
                outcome = &mut happens => break outcome,
                _ = ticks.tick() => {
                    self.witness.look();
                    let act = so_far(self);
                    self.screen.draw(&act);
                }
            }
        };
        let act = so_far(self);
        self.screen.end(act);
        outcome
    }
}

/// Somebody has closed what is written to.
fn closed(error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("standard output is closed")
}
