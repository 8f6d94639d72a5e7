//! The loops beside the hot path: each waits, then does one step.

pub mod abandoned;
pub mod audit;
mod batches;
pub mod sharer;
pub mod sync;
pub mod tend;
