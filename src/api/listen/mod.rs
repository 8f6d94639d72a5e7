//! x
/// x
#[derive(Debug, thiserror::Error)]
#[error("slow")]
pub struct BodyTooSlow;
