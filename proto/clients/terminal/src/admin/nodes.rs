//! `rookery admin cluster` and `drain`: the nodes that share a store.

use rookery_client::Client;
use rookery_client::v1::server_node::State;
use rookery_client::v1::{HotRoom, NodeLoad, ServerNode};
use serde_json::{Value, json};

use super::Found;
use super::table::Table;
use crate::exit::Failure;
use crate::limits::HOTTEST_SHOWN;

pub(super) async fn nodes(client: &Client) -> Result<Found, Failure> {
    let all = client.server_nodes_and_load().await?;
    Ok(Found {
        text: [table(&all), hottest(&all)].concat(),
        json: all.iter().map(node_json).collect(),
    })
}

pub(super) async fn drain(client: &Client, node: &str, cancel: bool) -> Result<Found, Failure> {
    if cancel {
        client.resume_server_node(node).await?;
    } else {
        client.drain_server_node(node).await?;
    }
    let text = if cancel {
        format!("{node} takes its part again")
    } else {
        format!("{node} gives its rooms away: `rookery admin cluster` shows how far it is")
    };
    Ok(Found {
        text,
        json: json!({ "name": node, "draining": !cancel }),
    })
}

fn table(all: &[ServerNode]) -> String {
    let mut table = Table::new(&[
        "NAME", "VERSION", "STATE", "SHARDS", "EPOCH", "SESSIONS", "ROOMS", "CLIENTS", "NODES", "",
    ]);
    for node in all {
        let (shards, epoch) = (node.shards.to_string(), node.epoch_max.to_string());
        // One that does not answer may have any.
        let of_load = |number: fn(&NodeLoad) -> u64| {
            let load = node.load.as_ref().map(number);
            load.map_or_else(|| "?".to_owned(), |number| number.to_string())
        };
        let sessions = of_load(|load| load.sessions);
        let rooms = of_load(|load| load.active_rooms);
        table.row(&[
            &node.name,
            &node.version,
            state(node.state()),
            &shards,
            &epoch,
            &sessions,
            &rooms,
            &node.public_address,
            &node.cluster_address,
            if node.answering { "answers" } else { "" },
        ]);
    }
    table.to_string()
}

/// The rooms of all nodes in which most happens.
fn hottest(all: &[ServerNode]) -> String {
    let of_node = |node| {
        let rooms = hot_rooms(node).iter();
        rooms.map(move |room| (room, &node.name))
    };
    let mut rooms: Vec<_> = all.iter().flat_map(of_node).collect();
    if rooms.is_empty() {
        return String::new();
    }
    rooms.sort_by_key(|(room, _)| std::cmp::Reverse(room.events_per_minute));
    let mut table = Table::new(&["HOTTEST ROOM", "NODE", "EVENTS/MIN"]);
    for (room, node) in rooms.into_iter().take(HOTTEST_SHOWN) {
        table.row(&[&room.name, node, &room.events_per_minute.to_string()]);
    }
    format!("\n{table}")
}

fn hot_rooms(node: &ServerNode) -> &[HotRoom] {
    node.load
        .as_ref()
        .map_or(&[], |load| &load.hottest_rooms[..])
}

fn node_json(node: &ServerNode) -> Value {
    let hot =
        |room: &HotRoom| json!({ "name": room.name, "events_per_minute": room.events_per_minute });
    let load = |load: &NodeLoad| {
        json!({
            "sessions": load.sessions,
            "active_rooms": load.active_rooms,
            "hottest_rooms": load.hottest_rooms.iter().map(hot).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": node.name,
        "version": node.version,
        "state": state(node.state()),
        "cluster_address": node.cluster_address,
        "public_address": node.public_address,
        "voice_address": node.voice_address,
        "shards": node.shards,
        "epoch_max": node.epoch_max,
        "answering": node.answering,
        "load": node.load.as_ref().map(load),
    })
}

const fn state(state: State) -> &'static str {
    match state {
        State::Joining | State::Unspecified => "joining",
        State::Serving => "serving",
        State::Draining => "draining",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_a_line_that_says_where_it_is_and_what_it_has() {
        let node = ServerNode {
            name: "nodes/1".to_owned(),
            version: "1.2.3".to_owned(),
            state: State::Draining.into(),
            public_address: "chat.example.org:7443".to_owned(),
            shards: 341,
            epoch_max: 7,
            answering: true,
            load: Some(NodeLoad {
                sessions: 1_204,
                active_rooms: 87,
                hottest_rooms: vec![hot("rooms/a", 3), hot("rooms/b", 2)],
            }),
            ..ServerNode::default()
        };
        let lines = table(std::slice::from_ref(&node));
        let line = lines.lines().last().expect("a line");
        let words: Vec<_> = line.split_whitespace().collect();
        let expected = [
            "nodes/1",
            "1.2.3",
            "draining",
            "341",
            "7",
            "1204",
            "87",
            "chat.example.org:7443",
            "answers",
        ];
        assert_eq!(words, expected);
        let json = node_json(&node);
        assert_eq!(
            (&json["shards"], &json["load"]["sessions"]),
            (&json!(341), &json!(1204))
        );
        assert_eq!(json["load"]["hottest_rooms"][1]["name"], "rooms/b");
    }

    #[test]
    fn the_hottest_rooms_of_all_nodes_are_one_list() {
        let with = |name: &str, hottest_rooms| ServerNode {
            name: name.to_owned(),
            load: Some(NodeLoad {
                hottest_rooms,
                ..NodeLoad::default()
            }),
            ..ServerNode::default()
        };
        let quiet = ServerNode {
            name: "nodes/3".to_owned(),
            ..ServerNode::default()
        };
        let rooms = |from: u32| {
            (from..from + 5)
                .map(|n| hot(&format!("rooms/{n}"), n))
                .rev()
        };
        let all = [
            with("nodes/1", rooms(1).collect()),
            with("nodes/2", rooms(4).collect()),
            quiet,
        ];
        let text = hottest(&all);
        let lines: Vec<_> = text.trim().lines().map(str::split_whitespace).collect();
        let first = lines[1].clone().collect::<Vec<_>>();
        assert_eq!(first, ["rooms/8", "nodes/2", "8"]);
        assert_eq!(lines.len(), 1 + HOTTEST_SHOWN);
        assert_eq!(hottest(&all[2..]), "", "nobody says anything");
        assert!(
            table(&all[2..]).contains('?'),
            "nobody knows how many sessions there are"
        );
    }

    fn hot(name: &str, events_per_minute: u32) -> HotRoom {
        HotRoom {
            name: name.to_owned(),
            events_per_minute,
        }
    }
}
