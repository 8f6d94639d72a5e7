//! The sidecar's local file of entries.

pub mod codec;
