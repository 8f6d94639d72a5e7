//! Mistakes in sharing a pool that the simulator must find, one at a time. Built only with the feature
//! `faults`, and never seeded but by its tests.

use std::cell::Cell;

/// A mistake that overspends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The root takes back a lease of a holder that has been silent for long.
    ReclaimByTime,
    /// After a failover the root lends before everybody has said what it holds.
    Learning,
    /// A sidecar adds what it is lent to what it has.
    GrantsAsDeltas,
    /// A sidecar deducts a return once it is acknowledged.
    ReturnAfterAck,
    /// A sidecar goes on with its old lease after its host has crashed.
    ResumeLease,
    /// A journal whose end was not synced is believed after its host has crashed.
    TrustUnsynced,
    /// Nobody notices that the store is an older state of itself.
    StaleStore,
    /// A copied journal is believed while the process that it was copied from lives.
    TrustCopy,
    /// Incarnations are numbered by the store.
    StoreNumbers,
    /// What earlier incarnations spent is not told after a failover.
    ForgetLives,
    /// An emptied store lends as soon as those have told that it has heard of.
    LendUnheard,
    /// What is put again is lent before those have told who named it while it was forgotten.
    LendUntold,
}

impl Fault {
    /// Those that matter where a store forgets everything.
    pub const OF_EMPTIED: [Self; 3] = [Self::Learning, Self::LendUnheard, Self::LendUntold];

    /// The others, and what matters there too.
    pub const ALL: [Self; 10] = [
        Self::ReclaimByTime,
        Self::Learning,
        Self::GrantsAsDeltas,
        Self::ReturnAfterAck,
        Self::ResumeLease,
        Self::TrustUnsynced,
        Self::StaleStore,
        Self::TrustCopy,
        Self::StoreNumbers,
        Self::ForgetLives,
    ];
}

thread_local! {
    static SEEDED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Seeds a mistake on this thread, or none.
pub fn seed(fault: Option<Fault>) {
    SEEDED.set(fault);
}

/// Whether this mistake is seeded on this thread.
pub fn has(fault: Fault) -> bool {
    SEEDED.get() == Some(fault)
}
