//! A rate card: which model has which rate.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::pattern::Pattern;
use super::price::Price;
use super::rate::{Rate, Unpriced};
use super::usage::Usage;
use crate::domain::{Credits, IdError, Model, RateVersion};

/// Models of one card. The largest public list has some 4 000.
pub const MODELS_MAX: usize = 20_000;

/// Patterns among them: those are tried one after the other.
pub const PATTERNS_MAX: usize = 1_000;

/// What each model costs. It never changes; see [`Card::version`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    version: RateVersion,
    named: BTreeMap<Model, Listed>,
    /// The one that says most comes first.
    patterns: Vec<(Pattern, Listed)>,
    default: Option<Rate>,
}

/// What a card says of a model: a rate, or `None`: that it has none.
pub type Listed = Option<Rate>;

/// Why models and rates make no card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// No model could have such a name.
    #[error("the model {name:?} {why}")]
    Name {
        /// The name.
        name: String,
        /// What a name must be.
        why: IdError,
    },
    /// Too many models.
    #[error("has {0} models; at most {MODELS_MAX} are allowed")]
    Models(usize),
    /// Too many patterns.
    #[error("has {0} models with a *; at most {PATTERNS_MAX} are allowed")]
    Patterns(usize),
}

impl Card {
    /// A card of models by name, of which those with a `*` are patterns, and of what all others cost.
    ///
    /// # Errors
    /// See [`CardError`].
    pub fn new(models: impl IntoIterator<Item = (String, Listed)>, default: Option<Rate>) -> Result<Self, CardError> {
        let (mut named, mut patterns) = (BTreeMap::new(), Vec::new());
        for (name, listed) in models {
            let model = Model::new(&name).map_err(|why| CardError::Name { name: name.clone(), why })?;
            match Pattern::new(&name) {
                Some(pattern) => patterns.push((pattern, listed)),
                None => drop(named.insert(model, listed)),
            }
        }
        let models = named.len() + patterns.len();
        if models > MODELS_MAX {
            return Err(CardError::Models(models));
        }
        if patterns.len() > PATTERNS_MAX {
            return Err(CardError::Patterns(patterns.len()));
        }
        patterns.sort_by(|(one, _), (other, _)| (Reverse(one.weight()), one).cmp(&(Reverse(other.weight()), other)));
        let mut card = Self { version: RateVersion::from_bits(0), named, patterns, default };
        card.version = version_of(&card.to_toml());
        Ok(card)
    }

    /// The beginning of the SHA-256 of [`Card::to_toml`]: the same for the same content, whatever its order and comments.
    pub const fn version(&self) -> RateVersion {
        self.version
    }

    /// What a model costs: what the card says under its name, else under the pattern that fits and says most, else for
    /// all others. Without a model, what it says for all others.
    ///
    /// # Errors
    /// [`Unpriced::NoRate`].
    pub fn rate(&self, model: Option<&Model>) -> Result<&Rate, Unpriced> {
        let listed = model.and_then(|model| {
            let fits = |(pattern, _): &&(Pattern, Listed)| pattern.matches(model.as_str());
            self.named.get(model).or_else(|| self.patterns.iter().find(fits).map(|(_, listed)| listed))
        });
        listed.unwrap_or(&self.default).as_ref().ok_or(Unpriced::NoRate)
    }

    /// What a call of a model costs.
    ///
    /// # Errors
    /// See [`Unpriced`].
    pub fn cost(&self, model: Option<&Model>, usage: &Usage) -> Result<Credits, Unpriced> {
        self.rate(model)?.cost(usage)
    }

    /// What all models cost that are not named; `None`: they have no rate.
    pub const fn default_rate(&self) -> Option<&Rate> {
        self.default.as_ref()
    }

    /// Models by name.
    pub fn named(&self) -> impl ExactSizeIterator<Item = (&str, &Listed)> {
        self.named.iter().map(|(model, listed)| (model.as_str(), listed))
    }

    /// Models by pattern, in the order in which they are tried.
    pub fn patterns(&self) -> impl ExactSizeIterator<Item = (&str, &Listed)> {
        self.patterns.iter().map(|(pattern, listed)| (pattern.as_str(), listed))
    }

    /// The card as a file that would lead to it, the same for the same content.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        if let Some(rate) = &self.default {
            writeln!(text, "default = {}\n", listed_text(&Some(*rate))).expect("a text takes all");
        }
        text.push_str("[models]\n");
        let mut all: Vec<_> = self.named().chain(self.patterns()).collect();
        all.sort_by_key(|(name, _)| *name);
        for (name, listed) in all {
            writeln!(text, "{} = {}", quoted(name), listed_text(listed)).expect("a text takes all");
        }
        text
    }
}

fn version_of(text: &str) -> RateVersion {
    let hash = Sha256::digest(text);
    RateVersion::from_bits(u64::from_be_bytes(*hash.first_chunk().expect("a hash has 32 bytes")))
}

/// A name as TOML writes it; names have visible ASCII only.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// All that is not nothing; a rate that costs nothing says so.
fn listed_text(listed: &Listed) -> String {
    let Some(rate) = listed else { return "{ refuse = true }".to_owned() };
    let Rate { call, input, cached_input, output, reasoning, image, second, output_tokens } = *rate;
    let some = |name, price: Price| (!price.is_zero()).then_some((name, price.to_string()));
    let is_free = [input, output, image, second].into_iter().all(Price::is_zero);
    let is_free = is_free && cached_input.or(reasoning).is_none();
    let parts = [
        some("call", call).or(is_free.then(|| ("call", call.to_string()))),
        some("input", input),
        cached_input.map(|price| ("cached_input", price.to_string())),
        some("output", output),
        reasoning.map(|price| ("reasoning", price.to_string())),
        some("image", image),
        some("second", second),
        output_tokens.map(|tokens| ("output_tokens", tokens.to_string())),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", parts.join(", "))
}
