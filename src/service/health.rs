//! What the loops say about whether it is safe to go on deciding.

use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by the service, which asks, and the loops, which tell.
#[derive(Debug, Default)]
pub struct Health {
    refused: AtomicBool,
    broken: AtomicBool,
    store_away: AtomicBool,
    lease_ended: AtomicBool,
}

impl Health {
    /// The store has refused this sidecar: another one has taken over. Stays.
    pub fn refuse(&self) {
        self.refused.store(true, Ordering::Release);
    }

    /// Whether the last sync came through.
    pub fn synced(&self, came_through: bool) {
        self.store_away.store(!came_through, Ordering::Release);
    }

    /// Whether the last sync did not come through.
    pub fn is_store_away(&self) -> bool {
        self.store_away.load(Ordering::Acquire)
    }

    /// Whether the leases that are held have run out, because no sync has come through for too long.
    pub fn leases(&self, may_be_spent: bool) {
        self.lease_ended.store(!may_be_spent, Ordering::Release);
    }

    /// Whether draws must wait for a sync: open holds may still end.
    pub fn is_lease_ended(&self) -> bool {
        self.lease_ended.load(Ordering::Acquire)
    }

    /// Why nothing may be decided any more, if so.
    pub fn why_not(&self) -> Option<&'static str> {
        if self.refused.load(Ordering::Acquire) {
            return Some("the store has refused this sidecar");
        }
        self.broken.load(Ordering::Acquire).then_some("a loop has ended by a panic")
    }
}

/// Tells when the loop that holds it ends by a panic: without it nothing would be flushed or
/// expired, and nobody would know.
pub struct Watched(pub std::sync::Arc<Health>);

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_and_a_panic_in_a_loop_stay() {
        let health = std::sync::Arc::new(Health::default());
        assert_eq!(health.why_not(), None);
        let watched = Watched(std::sync::Arc::clone(&health));
        let ended = std::thread::spawn(move || {
            let _watched = watched;
            panic!("a loop breaks");
        });
        assert!(ended.join().is_err());
        assert_eq!(health.why_not(), Some("a loop has ended by a panic"));
        health.refuse();
        assert_eq!(health.why_not(), Some("the store has refused this sidecar"));
    }

    #[test]
    fn a_store_is_away_from_a_failed_sync_to_the_next_that_comes_through() {
        let health = Health::default();
        health.synced(false);
        assert!(health.is_store_away());
        health.synced(true);
        assert!(!health.is_store_away());
    }
}
