//! The first frame of each direction: who speaks, and whether it may.
//!
//! Leaves out: whether it is a member, which may have to be waited for (`peers`).

use bytes::Bytes;
use cluster_types::{DeploymentId, Life, NodeId};
use proto::cluster::v1::{Credit, Hello};

use super::error::Refused;
use super::limits::Limits;

/// The oldest version of the protocol that this release speaks: that of the release before.
pub(super) const PROTOCOL_MIN: u32 = 1;

/// The newest one.
pub(super) const PROTOCOL_MAX: u32 = 1;

/// What is known of the other node before it says anything.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Expected {
    /// Whose certificate it has shown, where there are certificates.
    pub(super) proven: Option<NodeId>,
    /// Whom this node has dialled, if it has.
    pub(super) dialled: Option<NodeId>,
}

/// What a hello has told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Greeting {
    pub(super) life: Life,
    /// The version that both speak from here on.
    pub(super) version: u32,
    pub(super) credit: Credit,
}

/// What this node says.
pub(super) fn hello(myself: Life, deployment: DeploymentId, limits: &Limits) -> Hello {
    Hello {
        deployment_id: Bytes::copy_from_slice(deployment.as_bytes()),
        node_id: Bytes::copy_from_slice(myself.node.as_bytes()),
        boot_id: Bytes::copy_from_slice(myself.boot.as_bytes()),
        protocol_min: PROTOCOL_MIN,
        protocol_max: PROTOCOL_MAX,
        credit: Some(Credit {
            frames: limits.credit_frames,
            bytes: limits.credit_bytes.into(),
        }),
    }
}

/// Reads what the other node says.
pub(super) fn check(
    hello: &Hello,
    ours: DeploymentId,
    expected: Expected,
) -> Result<Greeting, Refused> {
    let damaged = |what| move |_| Refused::Damaged { what };
    // First of all, since a later version may say the rest in another way.
    let version = version(hello)?;
    let theirs = DeploymentId::try_from(&hello.deployment_id[..])
        .map_err(damaged("no id of a deployment"))?;
    if theirs != ours {
        return Err(Refused::OtherDeployment { theirs, ours });
    }
    let says = NodeId::try_from(&hello.node_id[..]).map_err(damaged("no id of a node"))?;
    if let Some(proven) = expected.proven.filter(|proven| *proven != says) {
        return Err(Refused::NotProven { says, proven });
    }
    if let Some(dialled) = expected.dialled.filter(|dialled| *dialled != says) {
        return Err(Refused::NotDialled { says, dialled });
    }
    let boot = hello.boot_id[..]
        .try_into()
        .map_err(damaged("no id of a life"))?;
    Ok(Greeting {
        life: Life { node: says, boot },
        version,
        credit: hello.credit.unwrap_or_default(),
    })
}

/// The highest version that both speak.
fn version(hello: &Hello) -> Result<u32, Refused> {
    let highest = hello.protocol_max.min(PROTOCOL_MAX);
    if highest < hello.protocol_min.max(PROTOCOL_MIN) {
        return Err(Refused::UnsupportedVersion {
            theirs_min: hello.protocol_min,
            theirs_max: hello.protocol_max,
            ours_min: PROTOCOL_MIN,
            ours_max: PROTOCOL_MAX,
        });
    }
    Ok(highest)
}

#[cfg(test)]
mod tests {
    use cluster_types::BootId;
    use prost::Message as _;
    use proto::cluster::v1::Frame;

    use super::*;

    const DEPLOYMENT: DeploymentId = DeploymentId::from_bytes([1; 16]);
    const NODE: NodeId = NodeId::from_bytes([2; 16]);
    const OTHER: NodeId = NodeId::from_bytes([3; 16]);

    fn said() -> Hello {
        let life = Life {
            node: NODE,
            boot: BootId::from_bytes([4; 16]),
        };
        hello(life, DEPLOYMENT, &Limits::default())
    }

    fn refused(hello: &Hello, expected: Expected) -> Refused {
        check(hello, DEPLOYMENT, expected).expect_err("refused")
    }

    #[test]
    fn a_hello_is_understood_by_its_own_release() {
        let greeting = check(&said(), DEPLOYMENT, Expected::default()).expect("taken");
        assert_eq!(greeting.life.node, NODE);
        assert_eq!(greeting.version, PROTOCOL_MAX);
        assert!(greeting.credit.frames > 0 && greeting.credit.bytes > 0);
    }

    #[test]
    fn two_releases_speak_the_highest_version_that_both_know() {
        let newer = Hello {
            protocol_max: PROTOCOL_MAX + 1,
            ..said()
        };
        let greeting = check(&newer, DEPLOYMENT, Expected::default()).expect("taken");
        assert_eq!(greeting.version, PROTOCOL_MAX);
        for (protocol_min, protocol_max) in [(PROTOCOL_MAX + 1, PROTOCOL_MAX + 2), (0, 0)] {
            let strange = Hello {
                protocol_min,
                protocol_max,
                ..said()
            };
            let refused = refused(&strange, Expected::default());
            assert!(matches!(refused, Refused::UnsupportedVersion { .. }));
        }
    }

    #[test]
    fn what_a_later_version_adds_is_skipped() {
        // Field 15, which no version has yet, with three bytes.
        let unknown = [0x7a, 3, 1, 2, 3];
        let frame = Frame::decode(&unknown[..]).expect("reads");
        assert_eq!(frame.kind, None, "a sign of life");
        let longer = [said().encode_to_vec(), unknown.to_vec()].concat();
        assert_eq!(Hello::decode(&longer[..]), Ok(said()));
    }

    #[test]
    fn each_wrong_hello_is_refused_for_what_is_wrong_with_it() {
        let elsewhere = Hello {
            deployment_id: Bytes::from_static(&[9; 16]),
            ..said()
        };
        assert_eq!(
            refused(&elsewhere, Expected::default()).reason(),
            proto::cluster::v1::FarewellReason::OtherDeployment
        );
        let proven = Expected {
            proven: Some(OTHER),
            ..Expected::default()
        };
        assert_eq!(
            refused(&said(), proven),
            Refused::NotProven {
                says: NODE,
                proven: OTHER
            }
        );
        let dialled = Expected {
            dialled: Some(OTHER),
            ..Expected::default()
        };
        assert_eq!(
            refused(&said(), dialled),
            Refused::NotDialled {
                says: NODE,
                dialled: OTHER
            }
        );
        let short = Hello {
            boot_id: Bytes::from_static(b"short"),
            ..said()
        };
        assert!(matches!(
            refused(&short, Expected::default()),
            Refused::Damaged { .. }
        ));
    }
}
