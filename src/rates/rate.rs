//! What a model costs, and what a call of it comes to.

use super::price::Price;
use super::usage::{COUNT_MAX, SECOND_MICROS_MAX, Usage};
use crate::domain::Credits;

/// What a model costs, in credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Each call.
    pub call: Price,
    /// A million tokens of the prompt.
    pub input: Price,
    /// A million of them that the model had cached; `None`: as much as others.
    pub cached_input: Option<Price>,
    /// A million tokens of the answer.
    pub output: Price,
    /// A million of them that the model spent on reasoning; `None`: as much as others.
    pub reasoning: Option<Price>,
    /// An image.
    pub image: Price,
    /// A second.
    pub second: Price,
    /// Tokens of an answer of which it is not known yet how long it will be.
    pub output_tokens: Option<u64>,
}

/// Why a call has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpriced {
    /// No rate fits the model.
    #[error("the rate card has no rate for this model")]
    NoRate,
    /// More is cached than there is.
    #[error("must be at most input_tokens, of which it is a part")]
    CachedAboveInput,
    /// More was spent on reasoning than there is.
    #[error("must be at most output_tokens, of which it is a part")]
    ReasoningAboveOutput,
    /// How long the answer may be is said neither by who asks nor by the card.
    #[error("is missing, and the rate card says no output_tokens for this model")]
    OutputUnknown,
    /// Above the largest amount of credits.
    #[error("costs more than 9000000000, the largest amount")]
    TooLarge,
}

/// Units in which costs are summed, in one micro-credit: a token's price has six more digits than a million tokens'.
const PER_MICRO: u128 = 1_000_000_000_000;

/// From a price of one to units of sums.
const PER_ONE: u128 = 1_000_000;

// Six parts, each the largest that it can be, stay far below 2^128.
const _: () = {
    let most = Price::MAX.units() * PER_ONE * COUNT_MAX as u128;
    assert!(SECOND_MICROS_MAX as u128 <= PER_ONE * COUNT_MAX as u128 && most < u128::MAX / 8);
};

impl Rate {
    /// What a call costs, rounded up to the micro-credit, once. Of an answer whose length is not known, the length that
    /// this rate says is taken, each token at the price of the dearer kind.
    ///
    /// # Errors
    /// See [`Unpriced`].
    pub fn cost(&self, usage: &Usage) -> Result<Credits, Unpriced> {
        let rest = self.rest(usage)?;
        let output = match usage.output_tokens {
            Some(output) => {
                let plain = output.checked_sub(usage.reasoning_tokens).ok_or(Unpriced::ReasoningAboveOutput)?;
                let reasoning = self.reasoning.unwrap_or(self.output);
                of(self.output, plain)?.checked_add(of(reasoning, usage.reasoning_tokens)?).ok_or(Unpriced::TooLarge)?
            }
            None => of(self.dearer_output(), self.expected_output(usage)?)?,
        };
        credits(rest.checked_add(output).ok_or(Unpriced::TooLarge)?)
    }

    /// How many tokens the answer may have that `credits` pay for, beside all else that is used: at most as many as are
    /// expected.
    ///
    /// # Errors
    /// As [`Rate::cost`].
    pub fn affordable(&self, usage: &Usage, within: Credits) -> Result<u64, Unpriced> {
        let expected = self.expected_output(usage)?;
        if self.cost(usage)? <= within {
            return Ok(expected);
        }
        let left = (u128::from(within.micros().unsigned_abs()) * PER_MICRO).checked_sub(self.rest(usage)?);
        Ok(match (left, self.dearer_output().units()) {
            (None, _) | (Some(_), 0) => 0,
            (Some(left), price) => u64::try_from(left / price).unwrap_or(u64::MAX).min(expected),
        })
    }

    /// All parts but the answer's.
    fn rest(&self, usage: &Usage) -> Result<u128, Unpriced> {
        let plain = usage.input_tokens.checked_sub(usage.cached_input_tokens).ok_or(Unpriced::CachedAboveInput)?;
        let parts = [
            Some(self.call.units() * PER_ONE),
            Some(of(self.input, plain)?),
            Some(of(self.cached_input.unwrap_or(self.input), usage.cached_input_tokens)?),
            self.image.units().checked_mul(PER_ONE).and_then(|price| price.checked_mul(usage.images.into())),
            Some(of(self.second, usage.second_micros)?),
        ];
        let sum = parts.into_iter().try_fold(0_u128, |sum, part| sum.checked_add(part?));
        sum.ok_or(Unpriced::TooLarge)
    }

    /// How long the answer is expected to be. Who asks without a word about it is told the card's number; a model whose
    /// answers cost nothing needs none.
    fn expected_output(&self, usage: &Usage) -> Result<u64, Unpriced> {
        match (usage.output_tokens, self.output_tokens) {
            (Some(output), _) | (None, Some(output)) if output >= usage.reasoning_tokens => Ok(output),
            (Some(_), _) => Err(Unpriced::ReasoningAboveOutput),
            (None, Some(_)) => Ok(usage.reasoning_tokens),
            (None, None) if self.dearer_output().is_zero() => Ok(usage.reasoning_tokens),
            (None, None) => Err(Unpriced::OutputUnknown),
        }
    }

    fn dearer_output(&self) -> Price {
        self.output.max(self.reasoning.unwrap_or_default())
    }
}

/// So many tokens at a price of a million, or millionths of a second at that of a second.
fn of(price: Price, count: u64) -> Result<u128, Unpriced> {
    price.units().checked_mul(count.into()).ok_or(Unpriced::TooLarge)
}

fn credits(sum: u128) -> Result<Credits, Unpriced> {
    let micros = i64::try_from(sum.div_ceil(PER_MICRO)).ok();
    micros.and_then(Credits::from_micros).ok_or(Unpriced::TooLarge)
}
