//! What can go wrong with a store, told apart by what the caller should do next. Refusals of the
//! rules are not here: they are answers.

/// What was tried, on what, and why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What the store was doing.
    pub doing: &'static str,
    /// The file or the server, or the table and row.
    pub place: String,
    /// The reason.
    pub cause: String,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} failed at {}: {}", self.doing, self.place, self.cause)
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not now: the disk is full, the server is away, somebody else writes, it took too long. It may or may not have been
    /// saved; every verb can be repeated.
    #[error("{0}; the store is unavailable: see to its disk or server and to whoever else uses it, then try again")]
    Unavailable(Trouble),
    /// Never: what was asked breaks a promise of the tables.
    #[error("{0}; the store refuses this for good and has saved nothing of it: report it as a bug")]
    Rejected(Trouble),
    /// What the store holds cannot be right.
    #[error("{0}; the store is damaged: stop, keep a copy of its files, and restore them from a backup")]
    Corrupt(Trouble),
}

impl StoreError {
    /// See [`StoreError::Unavailable`].
    pub fn unavailable(doing: &'static str, place: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Unavailable(Trouble { doing, place: place.into(), cause: cause.into() })
    }

    /// See [`StoreError::Rejected`].
    pub fn rejected(doing: &'static str, place: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Rejected(Trouble { doing, place: place.into(), cause: cause.into() })
    }

    /// See [`StoreError::Corrupt`].
    pub fn corrupt(doing: &'static str, place: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Corrupt(Trouble { doing, place: place.into(), cause: cause.into() })
    }
}
