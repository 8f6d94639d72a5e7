//! The lock of teams and books: parking_lot's, or shuttle's where interleavings are explored.

#[cfg(not(feature = "shuttle"))]
pub use aligned::{Mutex, MutexGuard};

#[cfg(feature = "shuttle")]
pub use explored::{Mutex, MutexGuard};

#[cfg(not(feature = "shuttle"))]
mod aligned {
    pub use parking_lot::MutexGuard;

    /// parking_lot's mutex at the beginning of a line of the processor's cache, so that the line that has the lock has what comes
    /// first of what is locked, too.
    #[derive(Debug, Default)]
    #[repr(align(64))]
    pub struct Mutex<T>(parking_lot::Mutex<T>);

    impl<T> Mutex<T> {
        /// A mutex around `value`.
        pub fn new(value: T) -> Self {
            Self(parking_lot::Mutex::new(value))
        }

        /// Waits for the lock.
        #[inline]
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }
    }
}

#[cfg(feature = "shuttle")]
mod explored {
    pub use shuttle::sync::MutexGuard;

    /// shuttle's mutex with parking_lot's face: a panic while it is held ends the exploration anyway.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// A mutex around `value`.
        pub fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        /// Waits for the lock.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no holder of this lock panics")
        }
    }
}
