//! The console of a dev-cluster: what is typed, and what is shown.

use std::fmt;
use std::str::FromStr;

use cluster_store::StoreError;
use cluster_types::RoomId;
use tokio::sync::mpsc;

use super::{DevCluster, DevError, NodeStatus, is_terminal};

const HELP: &str = "  status          how the nodes stand; `status json` for programs
  owner ROOM      which of them has a room
  kill N          ends a node where it stands, as kill -9 does
  pause N         has it stand still, as SIGSTOP does; `resume N` lets it go on
  cut N           cuts it off from the other nodes; `heal N` undoes it
  drain N         has it hand over its rooms and leave
  restart N       starts it again
  help, quit";

/// What can be typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wish {
    Status { json: bool },
    Owner(RoomId),
    Kill(u8),
    Pause(u8),
    Resume(u8),
    Cut(u8),
    Heal(u8),
    Drain(u8),
    Restart(u8),
    Help,
    Quit,
}

impl FromStr for Wish {
    type Err = &'static str;

    fn from_str(line: &str) -> Result<Self, &'static str> {
        let mut words = line.split_whitespace();
        let (verb, object) = (words.next(), words.next());
        if words.next().is_some() {
            return Err("that is more than one wish: try help");
        }
        let number = || {
            let number = object.and_then(|word| word.parse().ok());
            number.ok_or("which node? Say its number after it")
        };
        Ok(match verb {
            None | Some("status") => Self::Status {
                json: object == Some("json"),
            },
            Some("owner") => {
                let room = object.and_then(|name| cluster_rpc::name::room(name, "room").ok());
                Self::Owner(room.ok_or("which room? Say its name after it: rooms/...")?)
            }
            Some("kill") => Self::Kill(number()?),
            Some("pause") => Self::Pause(number()?),
            Some("resume") => Self::Resume(number()?),
            Some("cut") => Self::Cut(number()?),
            Some("heal") => Self::Heal(number()?),
            Some("drain") => Self::Drain(number()?),
            Some("restart") => Self::Restart(number()?),
            Some("help" | "?") => Self::Help,
            Some("quit" | "exit" | "q") => Self::Quit,
            Some(_) => return Err("there is no such wish: try help"),
        })
    }
}

/// Greets, and does what is typed until somebody quits, the input of a person ends, or ctrl-c. Without a terminal
/// the nodes go on after the input has ended.
#[expect(clippy::print_stdout, reason = "this is what a person reads")]
pub(super) async fn run(
    cluster: &mut DevCluster,
    mut typed: mpsc::Receiver<String>,
) -> Result<(), StoreError> {
    greet(cluster).await?;
    loop {
        let line = tokio::select! {
            line = typed.recv() => line,
            _ctrl_c = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Some(line) = line else {
            if !is_terminal() {
                let _ctrl_c = tokio::signal::ctrl_c().await;
            }
            return Ok(());
        };
        match line.parse() {
            Ok(Wish::Quit) => return Ok(()),
            Ok(wish) => match obey(cluster, wish).await {
                Ok(shown) => println!("{shown}"),
                Err(error) => println!("{}", told(&error)),
            },
            Err(problem) => println!("{problem}"),
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what a person reads")]
async fn greet(cluster: &DevCluster) -> Result<(), StoreError> {
    println!("{}", table(&cluster.status()));
    let Some(app) = cluster.app(1) else {
        return Ok(());
    };
    let fingerprint = app.gateway().certificates().fingerprint();
    println!(
        "\nClients reach all of them at https://{}",
        cluster.address()
    );
    println!("One certificate for all of them, SHA-256 {fingerprint}");
    if let Some(secret) = app.first_invitation().await? {
        let (server, secret) = (cluster.address(), secret.reveal());
        println!("Nobody is here yet. In a second terminal:\n");
        println!("  rookery chat --server https://{server} --invitation {secret}");
    }
    println!("\n{HELP}\n");
    Ok(())
}

async fn obey(cluster: &mut DevCluster, wish: Wish) -> Result<String, DevError> {
    match wish {
        Wish::Status { json: true } => return Ok(json(&cluster.status())),
        Wish::Owner(room) => {
            let owner = cluster.owner(room);
            return Ok(owner.map_or_else(|| "nobody".to_owned(), |number| number.to_string()));
        }
        Wish::Status { json: false } => {}
        Wish::Help | Wish::Quit => return Ok(HELP.to_owned()),
        Wish::Kill(number) => cluster.kill(number)?,
        Wish::Pause(number) => cluster.pause(number)?,
        Wish::Resume(number) => cluster.resume(number)?,
        Wish::Cut(number) => cluster.cut(number)?,
        Wish::Heal(number) => cluster.heal(number)?,
        Wish::Drain(number) => cluster.drain(number).await?,
        Wish::Restart(number) => cluster.restart(number).await?,
    }
    Ok(table(&cluster.status()))
}

fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n  because: {error}"));
        cause = error.source();
    }
    text
}

struct Row<'a>(&'a NodeStatus);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NodeStatus {
            number,
            address,
            standing,
            shards,
            sessions,
            rooms,
            ..
        } = self.0;
        let (address, standing) = (address.to_string(), standing.to_string());
        write!(
            f,
            "{number:>6}  {standing:<8}  {address:<21}  {shards:>6}  {rooms:>6}  {sessions:>7}"
        )
    }
}

fn table(nodes: &[NodeStatus]) -> String {
    let mut text = format!(
        "{:>6}  {:<8}  {:<21}  {:>6}  {:>6}  {:>7}",
        "node", "is", "address", "shards", "rooms", "streams"
    );
    for node in nodes {
        text.push_str(&format!("\n{}", Row(node)));
    }
    text
}

fn json(nodes: &[NodeStatus]) -> String {
    let node = |node: &NodeStatus| {
        serde_json::json!({
            "number": node.number,
            "id": node.id.to_string(),
            "address": node.address.to_string(),
            "standing": node.standing.to_string(),
            "shards": node.shards,
            "rooms": node.rooms,
            "sessions": node.sessions,
        })
    };
    serde_json::Value::from_iter(nodes.iter().map(node)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_understood_or_refused_with_what_to_type() {
        let read = |line: &str| line.parse::<Wish>();
        assert_eq!(read(""), Ok(Wish::Status { json: false }));
        assert_eq!(read("status json"), Ok(Wish::Status { json: true }));
        assert_eq!(read("  kill   2 "), Ok(Wish::Kill(2)));
        assert_eq!(read("restart 3"), Ok(Wish::Restart(3)));
        assert!(read("kill").is_err_and(|told| told.contains("number")));
        assert!(read("kill them all").is_err_and(|told| told.contains("help")));
        assert!(read("dance").is_err_and(|told| told.contains("help")));
    }
}
