//! The client's network: one thread, started once in the life of a process.
//!
//! Invariant: it runs while a store is open, and is stopped, and its thread joined, when the last one goes.
//! FoundationDB demands that before the process ends, and does not start it a second time.

use std::fs::File;
use std::sync::{Arc, Weak};

use foundationdb::api::{FdbApiBuilder, NetworkAutoStop, NetworkBuilder, get_max_api_version};
use foundationdb::options::NetworkOption;
use parking_lot::Mutex;

use super::{as_text, refused};
use crate::limits::API_VERSION;
use crate::{OpenError, TlsFiles};

/// The network of this process.
static NETWORK: Mutex<State> = Mutex::new(State::Unused);

enum State {
    Unused,
    /// Started with these certificates. It has ended once nobody holds it.
    Started(Option<TlsFiles>, Weak<Network>),
    /// It failed to start, and the client does not let anybody try twice.
    Failed,
}

/// The running network; whoever holds it keeps it running.
pub(super) struct Network {
    _stop: NetworkAutoStop,
}

impl Network {
    /// The network of this process, started if it was not yet.
    pub(super) fn run(tls: Option<&TlsFiles>) -> Result<Arc<Self>, OpenError> {
        let mut state = NETWORK.lock();
        match &*state {
            State::Started(with, network) => {
                let network = network.upgrade().ok_or(OpenError::NetworkEnded)?;
                return if with.as_ref() == tls {
                    Ok(network)
                } else {
                    Err(OpenError::OtherTls)
                };
            }
            State::Failed => return Err(OpenError::NetworkEnded),
            State::Unused => {}
        }
        // What can be wrong with files is found before the one try is used up.
        let options = tls.map(network_options).transpose()?.unwrap_or_default();
        let found = get_max_api_version();
        if found < API_VERSION {
            let needed = API_VERSION;
            return Err(OpenError::ClientTooOld { found, needed });
        }
        *state = State::Failed;
        let network = Arc::new(start(options)?);
        *state = State::Started(tls.cloned(), Arc::downgrade(&network));
        Ok(network)
    }
}

fn start(options: Vec<NetworkOption>) -> Result<Network, OpenError> {
    let builder = FdbApiBuilder::default().set_runtime_version(API_VERSION);
    let builder = builder.build();
    let builder = builder.map_err(|error| refused("the version of its interface", error))?;
    let builder = options
        .into_iter()
        .try_fold(builder, NetworkBuilder::set_option);
    let builder = builder.map_err(|error| refused("the TLS files", error))?;
    #[expect(
        unsafe_code,
        reason = "the network must be stopped before the process ends: every store holds it, closing drops \
                  it, and dropping it stops it"
    )]
    // SAFETY: as in the reason above.
    let network = unsafe { builder.boot() };
    Ok(Network {
        _stop: network.map_err(|error| refused("to start its network", error))?,
    })
}

fn network_options(tls: &TlsFiles) -> Result<Vec<NetworkOption>, OpenError> {
    for path in [&tls.cert, &tls.key, &tls.ca] {
        File::open(path).map_err(|source| OpenError::File {
            path: path.clone(),
            source,
        })?;
    }
    let text = |path| as_text(path).map(str::to_owned);
    let mut options = vec![
        NetworkOption::TLSCertPath(text(&tls.cert)?),
        NetworkOption::TLSKeyPath(text(&tls.key)?),
        NetworkOption::TLSCaPath(text(&tls.ca)?),
    ];
    if let Some(verify_peers) = &tls.verify_peers {
        let verify_peers = verify_peers.as_bytes().to_vec();
        options.push(NetworkOption::TLSVerifyPeers(verify_peers));
    }
    Ok(options)
}
