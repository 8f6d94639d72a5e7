//! The rate card: what a call of a model costs.
//!
//! Prices are exact decimals, a call's cost is summed in wide integers and rounded once, up to the micro-credit. A card
//! never changes: its version is a part of its content's hash, and another content is another card. Pure but for `read`
//! and `import`, which know what texts cards are read from; where the texts lie, and which card is in force, is not known
//! here.

mod card;
mod decimal;
mod import;
mod pattern;
mod price;
mod rate;
mod read;
mod usage;

pub use card::{Card, CardError, Listed, MODELS_MAX, PATTERNS_MAX};
pub use decimal::{Decimal, DecimalError};
pub use import::{ImportError, Imported, Skipped, import};
pub use pattern::Pattern;
pub use price::{Price, PriceError};
pub use rate::{Rate, Unpriced};
pub use read::{FILE_BYTES_MAX, read};
pub use usage::{COUNT_MAX, SECOND_MICROS_MAX, Usage};

#[cfg(test)]
mod tests;
