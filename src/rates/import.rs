//! Makes a card of a public list of prices: LiteLLM's `model_prices_and_context_window.json`, in dollars.
//!
//! Prices are read from their literals and multiplied exactly; only what has more digits than a price is rounded, to the
//! nearest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::card::{Card, CardError};
use super::decimal::Decimal;
use super::price::Price;
use super::rate::Rate;
use crate::domain::Model;

/// The entry that explains the others.
const SAMPLE: &str = "sample_spec";

/// From the price of a token to that of a million.
const PER_MILLION: Decimal = Decimal::power_of_ten(6);

const PER_ONE: Decimal = Decimal::power_of_ten(0);

/// A card that was imported, and what the import left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The card. Models that are not in it have no rate.
    pub card: Card,
    /// Models that are not in it.
    pub skipped: Vec<Skipped>,
    /// Prices that were rounded.
    pub rounded: usize,
    /// Kinds of prices for which a card has no place, and how many of its models have such.
    pub left_out: BTreeMap<&'static str, usize>,
}

/// A model that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name in the list.
    pub model: String,
    /// Why.
    pub why: String,
}

/// Why a text is no such list.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is no JSON object of objects.
    #[error("is not a list of models with prices: {0}")]
    NotAList(#[from] serde_json::Error),
    /// Its models make no card.
    #[error(transparent)]
    Card(#[from] CardError),
}

/// A model's values, as they are written.
type Values<'a> = BTreeMap<String, &'a RawValue>;

/// Reads the list at a number of credits per dollar. Answers of which it is not known how long they will be are expected
/// to have as many tokens as the model may give, but at most `output_tokens_max`.
///
/// # Errors
/// See [`ImportError`]; a model that has no price, or none that fits, is left out.
pub fn import(text: &str, credits_per_dollar: Decimal, output_tokens_max: u64) -> Result<Imported, ImportError> {
    let list: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
    let (mut models, mut skipped) = (BTreeMap::new(), Vec::new());
    let (mut rounded, mut left_out) = (0, BTreeMap::new());
    for (model, values) in list.into_iter().filter(|(model, _)| model != SAMPLE) {
        let values: Values<'_> = serde_json::from_str(values.get())?;
        let mut from = Prices { values: &values, credits_per_dollar, rounded: 0 };
        let rate = Model::new(&model).map_err(|why| format!("its name {why}")).and_then(|_| from.rate());
        match rate {
            Ok(rate) => {
                rounded += from.rounded;
                let kinds: BTreeSet<_> = values.iter().filter_map(|(key, value)| left_out_as(key, value)).collect();
                kinds.into_iter().for_each(|kind| *left_out.entry(kind).or_default() += 1);
                let output_tokens = from.whole("max_output_tokens").map(|tokens| tokens.min(output_tokens_max));
                let output_tokens = output_tokens.or((!rate.output.is_zero()).then_some(output_tokens_max));
                models.insert(model, Some(Rate { output_tokens, ..rate }));
            }
            Err(why) => skipped.push(Skipped { model, why }),
        }
    }
    Ok(Imported { card: Card::new(models, None)?, skipped, rounded, left_out })
}

/// Prices that a card has a place for.
const TAKEN: [&str; 12] = [
    "input_cost_per_request",
    "input_cost_per_query",
    "input_cost_per_token",
    "cache_read_input_token_cost",
    "input_cost_per_token_cache_hit",
    "output_cost_per_token",
    "output_cost_per_reasoning_token",
    "output_cost_per_image",
    "input_cost_per_image",
    "output_cost_per_second",
    "input_cost_per_second",
    "cost_per_second",
];

/// Kinds of prices that a card has no place for, by what their names have in them; the first that fits counts.
const LEFT_OUT: [(&str, &[&str]); 5] = [
    ("from some length on", &["_above_"]),
    ("of writing into the model's cache", &["cache_creation"]),
    ("of audio", &["audio"]),
    ("of other service levels", &["_batches", "_priority", "_flex", "_ultrafast", "_balanced", "_decisions"]),
    ("of images and films by size or token", &["image", "video", "pixel", "per_second_"]),
];

/// The kind of a price that is not nothing and for which a card has no place; `None` for any other value.
fn left_out_as(key: &str, value: &RawValue) -> Option<&'static str> {
    // What is no number is a price of several parts.
    let is_nothing = || value.get() == "null" || Decimal::parse(value.get()).is_ok_and(Decimal::is_zero);
    if !key.contains("cost") || TAKEN.contains(&key) || is_nothing() {
        return None;
    }
    let kind = LEFT_OUT.iter().find(|(_, parts)| parts.iter().any(|part| key.contains(part)));
    Some(kind.map_or("of something else, such as a search or a page", |(kind, _)| *kind))
}

struct Prices<'a> {
    values: &'a Values<'a>,
    credits_per_dollar: Decimal,
    rounded: usize,
}

impl Prices<'_> {
    fn rate(&mut self) -> Result<Rate, String> {
        let mut said = false;
        let mut first = |from: &mut Self, names: &[&str], per| {
            let price = from.first(names, per)?;
            said |= price.is_some();
            Ok::<_, String>(price)
        };
        let call = first(self, &["input_cost_per_request", "input_cost_per_query"], PER_ONE)?;
        let input = first(self, &["input_cost_per_token"], PER_MILLION)?;
        let cached_input =
            first(self, &["cache_read_input_token_cost", "input_cost_per_token_cache_hit"], PER_MILLION)?;
        let output = first(self, &["output_cost_per_token"], PER_MILLION)?;
        let reasoning = first(self, &["output_cost_per_reasoning_token"], PER_MILLION)?;
        let image = first(self, &["output_cost_per_image", "input_cost_per_image"], PER_ONE)?;
        let second = first(self, &["output_cost_per_second", "input_cost_per_second", "cost_per_second"], PER_ONE)?;
        if !said {
            return Err("has no price of a call, a token, an image or a second".to_owned());
        }
        let [call, input, output, image, second] = [call, input, output, image, second].map(Option::unwrap_or_default);
        Ok(Rate { call, input, cached_input, output, reasoning, image, second, output_tokens: None })
    }

    /// The first of some prices that is not nothing, else one that is; `None` where none is said.
    fn first(&mut self, names: &[&str], per: Decimal) -> Result<Option<Price>, String> {
        let mut found = None;
        for name in names {
            if let Some((price, is_exact)) = self.price(name, per)?
                && found.is_none_or(|before: Price| before.is_zero())
            {
                self.rounded += usize::from(!is_exact);
                found = Some(price);
            }
        }
        Ok(found)
    }

    fn price(&self, name: &str, per: Decimal) -> Result<Option<(Price, bool)>, String> {
        let Some(value) = self.values.get(name).map(|value| value.get()).filter(|value| *value != "null") else {
            return Ok(None);
        };
        let wrong = |why: &dyn std::fmt::Display| format!("its {name}, {value}, {why}");
        let dollars = Decimal::parse(value).map_err(|why| wrong(&why))?;
        let credits = dollars.times(self.credits_per_dollar).and_then(|n| n.times(per)).map_err(|why| wrong(&why))?;
        Price::nearest(credits).map(Some).map_err(|why| wrong(&why))
    }

    fn whole(&self, name: &str) -> Option<u64> {
        self.values.get(name)?.get().parse().ok()
    }
}
