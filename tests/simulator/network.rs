//! The network: messages under way, in any order, some twice, some never.

use purser::root::Position;
use purser::root::sync::{Reply, Request, SyncRefusal};

/// What is under way.
#[derive(Clone)]
pub enum Message {
    /// From the process of that number.
    Ask(usize, Box<Request>),
    /// To the process of that number; what it had told it was lent, for who counts by differences.
    Answer(usize, Box<Result<Reply, SyncRefusal>>, Vec<Position>),
}

/// More are lost.
pub const UNDER_WAY_MAX: usize = 24;
