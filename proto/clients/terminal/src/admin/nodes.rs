//! `rookery admin cluster` and `drain`: the nodes that share a store.

use rookery_client::Client;
use rookery_client::v1::ServerNode;
use rookery_client::v1::server_node::State;
use serde_json::{Value, json};

use super::Found;
use super::table::Table;
use crate::exit::Failure;

pub(super) async fn nodes(client: &Client) -> Result<Found, Failure> {
    let all = client.server_nodes().await?;
    Ok(Found {
        text: table(&all),
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
        "NAME", "VERSION", "STATE", "SHARDS", "EPOCH", "CLIENTS", "NODES", "",
    ]);
    for node in all {
        let (shards, epoch) = (node.shards.to_string(), node.epoch_max.to_string());
        table.row(&[
            &node.name,
            &node.version,
            state(node.state()),
            &shards,
            &epoch,
            &node.public_address,
            &node.cluster_address,
            if node.answering { "answers" } else { "" },
        ]);
    }
    table.to_string()
}

fn node_json(node: &ServerNode) -> Value {
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
            "chat.example.org:7443",
            "answers",
        ];
        assert_eq!(words, expected);
        assert_eq!(node_json(&node)["shards"], 341);
    }
}
