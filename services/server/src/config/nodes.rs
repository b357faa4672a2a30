//! [`NodesConfig`]: this server as a node among others.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::stores::StoreAt;

/// How nodes that share a store reach each other. Without any of it a server is alone.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodesConfig {
    /// Where other nodes are listened for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// The folder with this node's certificate, as `rookery cluster issue` makes it: `ca.pem`, `node.pem`,
    /// `node-key.pem`. It says which node this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
    /// Where other nodes reach it: host and port. What it listens on, if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where clients reach it, for who looks at the cluster. What it listens on for them, if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// Where voice reaches it. Nowhere, if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_address: Option<String>,
}

impl NodesConfig {
    /// Whether this server is to be one of several.
    pub(crate) fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// What cannot work although each value has its form: keys below `cluster`, and what would be right.
    pub(super) fn mistakes(&self, store: &StoreAt) -> Vec<(&'static str, String)> {
        if !self.is_set() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut add = |key, text: &str| found.push((key, text.to_owned()));
        if *store == StoreAt::Embedded {
            let text = "cannot be used with an embedded store, which one process has to itself; set store to \
                        fdb:CLUSTER_FILE, or leave out [cluster]";
            add("cluster", text);
        }
        match self.listen {
            None => add(
                "cluster.listen",
                "is missing; name where other nodes are listened for, as in 10.0.0.1:7444",
            ),
            Some(listen) if listen.ip().is_unspecified() && self.address.is_none() => add(
                "cluster.address",
                "is missing; cluster.listen is no address that others can connect to, so name one",
            ),
            Some(_) => {}
        }
        if self.certificates.is_none() {
            let text =
                "is missing; name the folder that rookery cluster issue has made for this node";
            add("cluster.certificates", text);
        }
        let addresses = [
            ("cluster.address", &self.address),
            ("cluster.public_address", &self.public_address),
            ("cluster.voice_address", &self.voice_address),
        ];
        for (key, address) in addresses {
            if address.as_deref().is_some_and(|text| !is_address(text)) {
                add(
                    key,
                    "has to be a host and a port, as in node1.example.org:7444",
                );
            }
        }
        found
    }
}

fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &NodesConfig) -> Vec<&'static str> {
        let mistakes = config.mistakes(&StoreAt::Embedded).into_iter();
        mistakes.map(|(key, _)| key).collect()
    }

    #[test]
    fn a_server_that_is_alone_needs_nothing() {
        assert_eq!(keys(&NodesConfig::default()), [""; 0]);
    }

    #[test]
    fn a_node_needs_a_store_for_several_and_a_way_to_be_reached() {
        let mut config = NodesConfig {
            voice_address: Some("nowhere".to_owned()),
            ..NodesConfig::default()
        };
        let missing = [
            "cluster",
            "cluster.listen",
            "cluster.certificates",
            "cluster.voice_address",
        ];
        assert_eq!(keys(&config), missing);
        config = NodesConfig {
            listen: Some(SocketAddr::from(([0, 0, 0, 0], 7444))),
            certificates: Some("node".into()),
            ..NodesConfig::default()
        };
        assert_eq!(keys(&config), ["cluster", "cluster.address"]);
        config.address = Some("node1.example.org:7444".to_owned());
        assert_eq!(keys(&config), ["cluster"]);
    }
}
