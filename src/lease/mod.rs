//! The sidecar's half of sharing a pool, pure: what is asked lately, what to ask the root for, what to
//! return, which answers to believe, and what a crash leaves in doubt. It reads no clock and sends
//! nothing; the sync task does. See docs/decisions/0008-many-sidecars.md.

pub mod crash;
pub mod demand;
pub mod holding;
pub mod pace;
pub mod session;
pub mod tabs;

pub use crash::Proof;
pub use demand::Demand;
pub use pace::{Plan, Standing, plan};
pub use session::Session;
pub use tabs::Tabs;
