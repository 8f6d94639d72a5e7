//! Reads a card from TOML. Prices are read from their literals, never through a float; every fault is named with its place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::card::{Card, CardError, Listed};
use super::price::Price;
use super::rate::Rate;
use super::usage::COUNT_MAX;
use crate::config::{ConfigError, Fault, Place, nearest};

/// A longer file is refused: ten times the largest public list of prices.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// More faults than these are only counted.
const FAULTS_MAX: usize = 20;

/// What a table of a model may say.
const KEYS: [&str; 9] =
    ["call", "input", "cached_input", "output", "reasoning", "image", "second", "output_tokens", "refuse"];

/// The tables of a card.
const TABLES: [&str; 2] = ["default", "models"];

/// Reads a card; `path` is where its text was, for the places of faults.
///
/// # Errors
/// Everything that is wrong with it, at once; a syntax error comes alone.
pub fn read(path: &Path, text: &str) -> Result<Card, ConfigError> {
    let mut from = Reader { path, text, faults: Vec::new(), more: 0 };
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        ConfigError::from(from.fault(span, error.message().replace('\n', ", ")))
    })?;
    let (mut models, mut default) = (BTreeMap::new(), None);
    for (key, value) in table.get_ref() {
        match (&**key.get_ref(), value.get_ref()) {
            ("default", _) => default = from.listed("default", key, value),
            ("models", DeValue::Table(table)) => models = from.models(table),
            ("models", _) => from.refuse(value.span(), "models is no table; write [models]".to_owned()),
            (other, _) => from.refuse_unknown(key.span(), "", other, &TABLES),
        }
    }
    from.finish(models, default)
}

struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
    faults: Vec<Fault>,
    /// How many more there were.
    more: usize,
}

impl Reader<'_> {
    fn models(&mut self, table: &DeTable<'_>) -> BTreeMap<String, Listed> {
        let mut models = BTreeMap::new();
        for (key, value) in table {
            let name = &**key.get_ref();
            let listed = self.listed(&format!("models.{name:?}"), key, value);
            if let Err(CardError::Name { why, .. }) = Card::new([(name.to_owned(), listed)], None) {
                self.refuse(key.span(), format!("models.{name:?} {why}"));
            }
            models.insert(name.to_owned(), listed);
        }
        models
    }

    /// What one table says; no rate where it is wrong.
    fn listed(&mut self, path: &str, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Listed {
        let DeValue::Table(table) = value.get_ref() else {
            self.refuse(value.span(), format!("{path} is no table; write {{ input = 2.5, output = 10 }}"));
            return None;
        };
        let (mut rate, mut refused) = (Rate::default(), None);
        for (key, value) in table {
            let name = &**key.get_ref();
            let path = format!("{path}.{name}");
            match name {
                "call" => self.set(&path, value, &mut rate.call),
                "input" => self.set(&path, value, &mut rate.input),
                "cached_input" => self.set(&path, value, rate.cached_input.insert(Price::ZERO)),
                "output" => self.set(&path, value, &mut rate.output),
                "reasoning" => self.set(&path, value, rate.reasoning.insert(Price::ZERO)),
                "image" => self.set(&path, value, &mut rate.image),
                "second" => self.set(&path, value, &mut rate.second),
                "output_tokens" => rate.output_tokens = self.tokens(&path, value),
                "refuse" => refused = self.truth(&path, value),
                other => self.refuse_unknown(key.span(), &path[..path.len() - other.len()], other, &KEYS),
            }
        }
        let says_price = table.keys().any(|key| !matches!(&**key.get_ref(), "refuse" | "output_tokens"));
        match refused {
            Some(true) if table.len() > 1 => {
                self.refuse(key.span(), format!("{path} is refused; a price beside that says nothing"));
            }
            Some(true) => return None,
            _ if !says_price => {
                let what = "has no price; write call = 0 where it is free, refuse = true where it has no rate";
                self.refuse(key.span(), format!("{path} {what}"));
            }
            _ => {}
        }
        Some(rate)
    }

    fn set(&mut self, path: &str, value: &Spanned<DeValue<'_>>, to: &mut Price) {
        match number(value.get_ref()).map(Price::from_str) {
            Some(Ok(price)) => *to = price,
            Some(Err(why)) => self.refuse(value.span(), format!("{path} {why}")),
            None => self.refuse(value.span(), format!("{path} is no number; write credits such as 2.5")),
        }
    }

    fn tokens(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<u64> {
        let tokens = number(value.get_ref()).and_then(|text| text.parse().ok()).filter(|tokens| *tokens <= COUNT_MAX);
        if tokens.is_none() {
            self.refuse(value.span(), format!("{path} must be a whole number from 0 to {COUNT_MAX}"));
        }
        tokens
    }

    fn truth(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<bool> {
        if let DeValue::Boolean(truth) = value.get_ref() {
            return Some(*truth);
        }
        self.refuse(value.span(), format!("{path} must be true or false"));
        None
    }

    fn refuse_unknown(&mut self, span: Range<usize>, section: &str, key: &str, known: &[&str]) {
        let hint = nearest(key, known.iter().copied()).map_or(String::new(), |near| format!("; did you mean {near}?"));
        self.refuse(span, format!("unknown key {section}{key}{hint}"));
    }

    fn refuse(&mut self, span: Range<usize>, message: String) {
        if self.faults.len() < FAULTS_MAX {
            let fault = self.fault(span, message);
            self.faults.push(fault);
        } else {
            self.more += 1;
        }
    }

    fn fault(&self, span: Range<usize>, message: String) -> Fault {
        Fault { place: Place::at(self.path.to_owned(), self.text, span.start), message }
    }

    fn finish(mut self, models: BTreeMap<String, Listed>, default: Listed) -> Result<Card, ConfigError> {
        let whole = |message| Fault { place: Place::File(self.path.to_owned()), message };
        if self.faults.is_empty() {
            return Card::new(models, default).map_err(|error| whole(error.to_string()).into());
        }
        if self.more > 0 {
            let more = whole(format!("has {} more faults", self.more));
            self.faults.push(more);
        } else {
            self.faults.sort_by(|one, other| one.place.cmp(&other.place));
        }
        Err(ConfigError { faults: self.faults })
    }
}

/// The literal of a number, or a text that may hold one.
fn number<'v>(value: &'v DeValue<'_>) -> Option<&'v str> {
    match value {
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str()),
        DeValue::Float(number) => Some(number.as_str()),
        DeValue::String(text) => Some(text),
        _ => None,
    }
}
