//! [`Cutter`]: what stands between a client and a server, and cuts.
//!
//! Invariant: after a cut nothing of what was on its way arrives; a new connection goes through.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Hands bytes on between clients and one server. Ends with its handle.
#[derive(Debug)]
pub(super) struct Cutter {
    address: SocketAddr,
    connections: Arc<Mutex<JoinSet<()>>>,
    _accepting: JoinSet<()>,
}

impl Cutter {
    /// Listens for what is to reach `server`.
    pub(super) async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("no free port on 127.0.0.1")?;
        let address = listener.local_addr().context("no address")?;
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server, Arc::clone(&connections)));
        Ok(Self {
            address,
            connections,
            _accepting: accepting,
        })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections. How many there were.
    pub(super) fn cut(&self) -> usize {
        let mut connections = std::mem::take(&mut *self.connections.lock());
        while connections.try_join_next().is_some() {}
        connections.len()
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, connections: Arc<Mutex<JoinSet<()>>>) {
    loop {
        if let Ok((client, _)) = listener.accept().await {
            connections.lock().spawn(hand_on(client, server));
        }
    }
}

/// Ends with either side, or where it is cut.
async fn hand_on(mut client: TcpStream, server: SocketAddr) {
    if let Ok(mut server) = TcpStream::connect(server).await
        && client.set_nodelay(true).is_ok()
        && server.set_nodelay(true).is_ok()
    {
        // However it ends, there is nobody to tell but the two, who see it.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_cut_ends_what_stands_and_lets_the_next_one_through() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = server.local_addr().expect("bound");
        let cutter = Cutter::start(address).await.expect("a port");
        let mut letter = [0];
        for _ in 0..2 {
            let client = TcpStream::connect(cutter.address()).await;
            let mut client = client.expect("it listens");
            let (mut arrived, _) = server.accept().await.expect("handed on");
            client.write_all(b"a").await.expect("open");
            arrived.read_exact(&mut letter).await.expect("handed on");
            assert_eq!(cutter.cut(), 1);
            assert!(!matches!(client.read(&mut letter).await, Ok(1..)));
            assert!(!matches!(arrived.read(&mut letter).await, Ok(1..)));
        }
        assert_eq!(cutter.cut(), 0);
    }
}
