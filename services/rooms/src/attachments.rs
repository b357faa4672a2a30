//! [`Attachment`]: a file that comes with a message, as rooms know it.
//!
//! Invariant: neither its key nor its name can be printed.
//!
//! Leaves out: the bytes of files, and what may be sent.

use std::fmt;
use std::sync::Arc;

use cluster_types::FileId;
use services_vault::KeyBytes;

/// A file that comes with a message, with all that is needed to read it.
#[derive(Clone)]
pub struct Attachment {
    /// Which file.
    pub file: FileId,
    /// What its bytes are sealed under.
    pub key: Arc<KeyBytes>,
    /// What its sender calls it.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// What its first bytes show.
    pub media_type: String,
    /// Of all its bytes.
    pub sha256: [u8; 32],
}

impl PartialEq for Attachment {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            file,
            key,
            name,
            size,
            media_type,
            sha256,
        } = self;
        key.is(&other.key)
            && (file, name, size, media_type, sha256)
                == (
                    &other.file,
                    &other.name,
                    &other.size,
                    &other.media_type,
                    &other.sha256,
                )
    }
}

impl Eq for Attachment {}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("file", &self.file)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
