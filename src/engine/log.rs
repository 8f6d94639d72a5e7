//! Where the engine hands its entries: the journal's queue, as the engine sees it.

use crate::domain::Entry;
use crate::journal::codec::{ENTRY_BYTES_MAX, encode};
use crate::journal::{Journal, Room};

/// There is no room for an entry, or the journal has failed: nothing can be decided safely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal takes no entries")]
pub struct NoRoom;

/// Takes entries in the order of decisions. Room is taken before any lock, so that handing an
/// entry over under the locks cannot fail.
pub trait Log: Send + Sync + 'static {
    /// Room for some entries; what is not used is given back when it is dropped.
    type Room<'a>
    where
        Self: 'a;

    /// Takes room for `entries` entries.
    fn reserve(&self, entries: usize) -> Result<Self::Room<'_>, NoRoom>;

    /// Takes an entry; answers its number, one above the last.
    fn push(&self, room: &mut Self::Room<'_>, entry: &Entry) -> u64;
}

impl Log for Journal {
    type Room<'a> = Room<'a>;

    fn reserve(&self, entries: usize) -> Result<Room<'_>, NoRoom> {
        Self::reserve(self, entries, entries * ENTRY_BYTES_MAX).map_err(|_| NoRoom)
    }

    fn push(&self, room: &mut Room<'_>, entry: &Entry) -> u64 {
        room.push(|bytes| encode(entry, bytes)).0
    }
}
