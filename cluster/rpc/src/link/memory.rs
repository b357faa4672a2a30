//! [`MemoryNetwork`]: a network in memory, for tests and simulations, with the trouble of real ones.
//!
//! What is sent from one node to another can be held, for as long as it is, or delayed, each way by itself;
//! connections can be broken. Held bytes are not lost but late, as on a connection whose packets are sent
//! anew until they arrive.
//!
//! Leaves out: certificates. A node is who it says it is.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use async_trait::async_trait;
use cluster_types::NodeId;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use super::limits::{MEMORY_BACKLOG_MAX, MEMORY_PIPE_BYTES};
use super::network::{Incoming, Network, Stream};

/// A network. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    hub: Arc<Mutex<Hub>>,
}

/// A node's place in a [`MemoryNetwork`]. Its address is the text of its id.
#[derive(Debug)]
pub struct MemoryNode {
    node: NodeId,
    network: MemoryNetwork,
    door: Arc<Door>,
}

#[derive(Debug, Default)]
struct Hub {
    doors: BTreeMap<NodeId, Arc<Door>>,
    ways: BTreeMap<(NodeId, NodeId), Arc<Way>>,
}

/// Where connections to a node wait to be taken.
#[derive(Debug, Default)]
struct Door {
    waiting: Mutex<VecDeque<Piped>>,
    came: Notify,
}

/// From one node to another.
#[derive(Debug, Default)]
struct Way(Mutex<Weather>);

#[derive(Debug, Default)]
struct Weather {
    held: bool,
    delay: Duration,
    /// Rises with each break: a connection from before is broken.
    breaks: u64,
    /// Who waits for a change, by the number of its ticket.
    waiting: BTreeMap<u64, Waker>,
    tickets: u64,
}

/// Lets one at a time wait for a change of a way.
#[derive(Debug)]
struct Ticket {
    way: Arc<Way>,
    number: u64,
}

/// One end of a connection.
#[derive(Debug)]
struct Piped {
    pipe: DuplexStream,
    /// For the way by which bytes come in.
    ticket: Ticket,
    /// Of the way, when the connection was made.
    breaks: u64,
    /// Bytes that have come in and are not handed on yet.
    late: Option<Late>,
}

#[derive(Debug)]
struct Late {
    bytes: Vec<u8>,
    read: usize,
    until: Pin<Box<Sleep>>,
}

// === impl MemoryNetwork ===

impl MemoryNetwork {
    /// A network without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A place for `node`; whoever had it before takes no connections any more.
    pub fn node(&self, node: NodeId) -> MemoryNode {
        let door = Arc::new(Door::default());
        self.hub.lock().doors.insert(node, Arc::clone(&door));
        MemoryNode {
            node,
            network: self.clone(),
            door,
        }
    }

    /// Holds what `from` sends to `to`, until it is released. Nobody can connect meanwhile.
    pub fn hold(&self, from: NodeId, to: NodeId) {
        self.way(from, to).change(|weather| weather.held = true);
    }

    /// Lets what `from` sends to `to` pass, and what was held.
    pub fn release(&self, from: NodeId, to: NodeId) {
        self.way(from, to).change(|weather| weather.held = false);
    }

    /// Holds everything between two nodes, both ways.
    pub fn part(&self, a: NodeId, b: NodeId) {
        self.hold(a, b);
        self.hold(b, a);
    }

    /// Undoes [`Self::part`].
    pub fn heal(&self, a: NodeId, b: NodeId) {
        self.release(a, b);
        self.release(b, a);
    }

    /// From now on what `from` sends to `to` arrives so much later.
    pub fn delay(&self, from: NodeId, to: NodeId, delay: Duration) {
        self.way(from, to).change(|weather| weather.delay = delay);
    }

    /// Breaks all connections between two nodes: both ends see it at once. They may connect again.
    pub fn sever(&self, a: NodeId, b: NodeId) {
        for way in [self.way(a, b), self.way(b, a)] {
            way.change(|weather| weather.breaks += 1);
        }
    }

    fn way(&self, from: NodeId, to: NodeId) -> Arc<Way> {
        Arc::clone(self.hub.lock().ways.entry((from, to)).or_default())
    }
}

#[async_trait]
impl Network for MemoryNode {
    async fn dial(&self, peer: NodeId, _address: &str) -> io::Result<Box<dyn Stream>> {
        let to = self.network.way(self.node, peer);
        let from = self.network.way(peer, self.node);
        Ticket::new(&to).open().await;
        Ticket::new(&from).open().await;
        let door = self.network.hub.lock().doors.get(&peer).map(Arc::clone);
        let door = door.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (near, far) = duplex(MEMORY_PIPE_BYTES);
        let mut waiting = door.waiting.lock();
        if waiting.len() >= MEMORY_BACKLOG_MAX {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        waiting.push_back(Piped::new(far, &to));
        drop(waiting);
        door.came.notify_one();
        Ok(Box::new(Piped::new(near, &from)))
    }

    async fn accept(&self) -> io::Result<Incoming> {
        loop {
            if let Some(piped) = self.door.waiting.lock().pop_front() {
                return Ok(Incoming {
                    stream: Box::new(piped),
                    proven: None,
                });
            }
            self.door.came.notified().await;
        }
    }
}

impl Drop for MemoryNode {
    fn drop(&mut self) {
        let mut hub = self.network.hub.lock();
        let is_this = |door: &Arc<Door>| Arc::ptr_eq(door, &self.door);
        if hub.doors.get(&self.node).is_some_and(is_this) {
            hub.doors.remove(&self.node);
        }
    }
}

// === impl Way ===

impl Way {
    fn change(&self, change: impl FnOnce(&mut Weather)) {
        let waiting = {
            let mut weather = self.0.lock();
            change(&mut weather);
            std::mem::take(&mut weather.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }
}

// === impl Ticket ===

impl Ticket {
    fn new(way: &Arc<Way>) -> Self {
        let mut weather = way.0.lock();
        weather.tickets += 1;
        Self {
            way: Arc::clone(way),
            number: weather.tickets,
        }
    }

    /// Waits until nothing is held.
    async fn open(&self) {
        std::future::poll_fn(|context| self.poll_open(context)).await;
    }

    fn poll_open(&self, context: &Context<'_>) -> Poll<()> {
        let mut weather = self.way.0.lock();
        if !weather.held {
            return Poll::Ready(());
        }
        weather.wait(self.number, context);
        Poll::Pending
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.way.0.lock().waiting.remove(&self.number);
    }
}

impl Weather {
    fn wait(&mut self, ticket: u64, context: &Context<'_>) {
        self.waiting.insert(ticket, context.waker().clone());
    }
}

// === impl Piped ===

impl Piped {
    fn new(pipe: DuplexStream, way: &Arc<Way>) -> Self {
        let breaks = way.0.lock().breaks;
        Self {
            pipe,
            ticket: Ticket::new(way),
            breaks,
            late: None,
        }
    }

    /// Fails once the connection is broken; until then the caller is woken when it breaks.
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        let mut weather = self.ticket.way.0.lock();
        if weather.breaks != self.breaks {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        weather.wait(self.ticket.number, context);
        Ok(())
    }

    /// Waits for bytes to come in, and for their delay.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.late.is_none() {
            let mut bytes = vec![0; MEMORY_PIPE_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.pipe).poll_read(context, &mut buffer))?;
            let filled = buffer.filled().len();
            bytes.truncate(filled);
            let until = Instant::now() + self.ticket.way.0.lock().delay;
            self.late = Some(Late {
                bytes,
                read: 0,
                until: Box::pin(sleep_until(until)),
            });
        }
        if let Some(late) = &mut self.late
            && late.until.deadline() > Instant::now()
        {
            ready!(late.until.as_mut().poll(context));
        }
        self.ticket.poll_open(context).map(Ok)
    }
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        ready!(self.poll_late(context))?;
        let Some(late) = &mut self.late else {
            return Poll::Ready(Ok(()));
        };
        let rest = &late.bytes[late.read..];
        let taken = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..taken]);
        late.read += taken;
        if late.read == late.bytes.len() {
            self.late = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Piped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.pipe).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
}
