//! The mark on values that a running server may change.

use std::ops::Deref;

/// A value that SIGHUP may change; every other takes a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Live<T>(pub T);

impl<T> Deref for Live<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
