//! A disk in memory that records what it was asked to do.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use redb::StorageBackend;

use crate::embedded::Disk;

/// One thing that the disk was asked to do, and did.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Write {
        offset: u64,
        data: Bytes,
    },
    SetLength(u64),
    /// Everything before it is kept from now on.
    Sync,
}

/// Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct RecordingDisk {
    state: Arc<Mutex<State>>,
    lies: bool,
}

#[derive(Debug)]
struct State {
    content: Vec<u8>,
    events: Vec<Event>,
}

impl RecordingDisk {
    /// A disk that holds `content`, synced.
    pub(super) fn new(content: Vec<u8>) -> Self {
        let state = State {
            content,
            events: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            lies: false,
        }
    }

    /// A disk whose syncs do nothing.
    #[cfg(test)]
    pub(super) fn lying(content: Vec<u8>) -> Self {
        Self {
            lies: true,
            ..Self::new(content)
        }
    }

    /// What it holds, written and not yet synced.
    pub(super) fn content(&self) -> Vec<u8> {
        self.state.lock().content.clone()
    }

    /// How many things it has been asked to do.
    pub(super) fn position(&self) -> usize {
        self.state.lock().events.len()
    }

    /// Everything it was asked to do so far.
    pub(super) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.state.lock().events)
    }
}

impl Disk for RecordingDisk {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.clone()))
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn path(&self) -> &Path {
        Path::new("memory")
    }
}

impl StorageBackend for RecordingDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().content.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock();
        let start = place(offset)?;
        let found = state.content.get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.content.resize(place(len)?, 0);
        state.events.push(Event::SetLength(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if !self.lies {
            self.state.lock().events.push(Event::Sync);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        write_at(&mut state.content, place(offset)?, data);
        state.events.push(Event::Write {
            offset,
            data: Bytes::copy_from_slice(data),
        });
        Ok(())
    }
}

/// An offset as an index into memory.
pub(super) fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

/// Writes as a file does: past the end it grows, with zeros in between.
pub(super) fn write_at(content: &mut Vec<u8>, start: usize, data: &[u8]) {
    let end = start + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(data);
}
