//! What a call has used, or may use.

/// The most that one call uses of anything. No model takes as much; so no sum of a call's parts leaves 128 bits.
pub const COUNT_MAX: u64 = 1_000_000_000_000;

/// The most seconds of one call, in millionths.
pub const SECOND_MICROS_MAX: u64 = COUNT_MAX * 1_000;

/// What a call has used, or is expected to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Those of them that the model had cached.
    pub cached_input_tokens: u64,
    /// Tokens of the answer; `None`: not known yet.
    pub output_tokens: Option<u64>,
    /// Those of them that the model spent on reasoning.
    pub reasoning_tokens: u64,
    /// Images that were made or looked at.
    pub images: u64,
    /// Seconds of sound or film, in millionths.
    pub second_micros: u64,
}
