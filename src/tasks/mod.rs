//! The loops beside the hot path: each waits, then does one step.

pub mod abandoned;
pub mod audit;
pub mod sharer;
pub mod sync;
pub mod tend;
