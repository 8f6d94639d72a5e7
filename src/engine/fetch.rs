//! Asking for memory ahead. Whoever is about to touch many places, one behind another, asks for all of them first, and then
//! waits for memory once instead of each time. To ask reads nothing and changes nothing.

use std::mem::offset_of;

use prefetch_index::prefetch_index;

use super::cells::{BookCell, TeamCell};
use super::lock::Mutex;
use super::members::MemberCell;
use crate::domain::{Book, SubscriptionId};

/// What the processor fetches at a time.
pub(super) const LINE_BYTES: usize = 64;

/// What a lock takes before what it locks.
const LOCK_BYTES: usize = 8;

const _: () = {
    let members = offset_of!(TeamCell, members) + size_of::<Vec<MemberCell>>();
    assert!(LOCK_BYTES + members <= LINE_BYTES, "a team's pool and its members begin in the line of its lock");
    let subscription = offset_of!(BookCell, book) + offset_of!(Book, subscription) + size_of::<SubscriptionId>();
    assert!(
        LOCK_BYTES + subscription <= 3 * LINE_BYTES,
        "a book's funds and its name lie in three lines with its lock"
    );
};

/// Asks for what leads from a team to its pool's book and to its members.
#[inline]
pub fn team(cell: &Mutex<TeamCell>) {
    fetch(cell, LINE_BYTES);
}

/// Asks for all that lies in a team itself: what leads to its members, its first answers and its pool.
#[inline]
pub(super) fn whole_team(cell: &Mutex<TeamCell>) {
    fetch(cell, size_of_val(cell));
}

/// Asks for what a draw touches of a book.
#[inline]
pub(super) fn book(cell: &Mutex<BookCell>) {
    fetch(cell, 3 * LINE_BYTES);
}

/// Asks for the first bytes of what lies somewhere.
#[inline]
pub(super) fn fetch<T>(at: &T, bytes: usize) {
    fetch_at(at, 0, bytes);
}

#[inline]
fn fetch_at<T>(at: &T, offset: usize, bytes: usize) {
    // Any index will do: it says which address is asked for, counted from some other, and nothing is read there.
    let origin: &[u8] = &[];
    let at = (std::ptr::from_ref(at).addr() + offset).wrapping_sub(origin.as_ptr().addr());
    for line in 0..bytes.div_ceil(LINE_BYTES) {
        prefetch_index(origin, at.wrapping_add(line * LINE_BYTES));
    }
}
