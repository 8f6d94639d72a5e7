//! The data folder, kept by this process alone.
//!
//! Identity and journal both take a [`Claim`], so neither can be touched by two processes.

use std::sync::Arc;

use super::error::DiskError;
use super::media::{Folder, Hold};

const LOCK_NAME: &str = "lock";

/// A data folder that no other process uses as long as this lives.
#[derive(Debug)]
pub struct Claim {
    pub(super) folder: Arc<dyn Folder>,
    _hold: Kept,
}

struct Kept(#[expect(dead_code, reason = "kept for its drop")] Hold);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hold")
    }
}

/// Why the folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process has it.
    #[error(
        "the data folder {0} is in use by another purser; stop that one, or give this one a data folder of its own"
    )]
    InUse(String),
    /// The lock file cannot be made or locked.
    #[error(transparent)]
    Io(#[from] DiskError),
}

impl Claim {
    /// Takes the folder, without waiting.
    pub fn take(folder: Arc<dyn Folder>) -> Result<Self, ClaimError> {
        let place = folder.place();
        match folder.lock(LOCK_NAME).map_err(DiskError::on("locking", &place))? {
            Some(hold) => Ok(Self { folder, _hold: Kept(hold) }),
            None => Err(ClaimError::InUse(place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::media::memory::MemoryFolder;

    #[test]
    fn a_second_claim_is_refused_until_the_first_is_dropped() {
        let folder = Arc::new(MemoryFolder::default());
        let first = Claim::take(folder.clone()).expect("is free");
        assert!(matches!(Claim::take(folder.clone()), Err(ClaimError::InUse(place)) if place == "memory"));
        drop(first);
        Claim::take(folder).expect("is free again");
    }
}
