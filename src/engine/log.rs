//! Where the engine hands its entries: the journal's queue, as the engine sees it.

use crate::domain::Entry;

/// There is no room for an entry, or the journal has failed: nothing can be decided safely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal takes no entries")]
pub struct NoRoom;

/// Takes entries in the order of decisions. Room is taken before any lock, so that handing an
/// entry over under the locks cannot fail.
pub trait Log: Send + Sync + 'static {
    /// Room for some entries; what is not used is given back when it is dropped.
    type Room;

    /// Takes room for `entries` entries.
    fn reserve(&self, entries: usize) -> Result<Self::Room, NoRoom>;

    /// Takes an entry; answers its number, one above the last.
    fn push(&self, room: &mut Self::Room, entry: &Entry) -> u64;
}
