//! What descriptors of Envoy's filter `ratelimit` mean that name no hold, such as those that Envoy AI Gateway makes of its limits on
//! tokens. `[envoy.descriptors.NAME]`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::error::Fault;
use super::reader::Reader;
use super::{show, value};

const SECTION: &str = "envoy.descriptors";

/// Sections of this kind; each descriptor is compared with them one by one.
const DESCRIPTORS_MAX: usize = 64;

/// Entries that one descriptor must have, and places that are looked at for one part.
const ENTRIES_MAX: usize = 8;

/// What `hits_addend` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Credits.
    Credits,
    /// Millionths of a credit.
    MicroCredits,
    /// Tokens of the prompt.
    InputTokens,
    /// Those of them that the model had cached.
    CachedInputTokens,
    /// Tokens of the answer.
    OutputTokens,
    /// Those of them that the model spent on reasoning.
    ReasoningTokens,
    /// Images.
    Images,
    /// Seconds of sound or film.
    Seconds,
    /// Thousandths of them.
    Milliseconds,
    /// Nothing that is charged: it is counted by another descriptor as well, or is only to be asked about.
    Nothing,
}

impl Unit {
    const WORDS: [(&'static str, Self); 10] = [
        ("credits", Self::Credits),
        ("micro_credits", Self::MicroCredits),
        ("input_tokens", Self::InputTokens),
        ("cached_input_tokens", Self::CachedInputTokens),
        ("output_tokens", Self::OutputTokens),
        ("reasoning_tokens", Self::ReasoningTokens),
        ("images", Self::Images),
        ("seconds", Self::Seconds),
        ("milliseconds", Self::Milliseconds),
        ("nothing", Self::Nothing),
    ];
}

impl FromStr for Unit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, unit)| *unit);
        found.ok_or_else(|| {
            let words: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
            format!("is {text:?}; allowed are {}", words.join(", "))
        })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, unit)| unit == self).map(|(word, _)| *word);
        f.write_str(word.expect("every unit has its word"))
    }
}

/// An entry that a descriptor must have: `KEY` with whatever value, or `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its value, where it must have that one.
    pub value: Option<String>,
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value.to_owned())));
        if key.is_empty() {
            return Err(format!("has {text:?}; write \"KEY\" or \"KEY=VALUE\""));
        }
        Ok(Self { key: key.to_owned(), value })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

/// Where a part of what is to be charged is found: `entry:KEY`, `text:VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The value of the descriptor's entry.
    Entry(String),
    /// The same for every descriptor.
    Text(String),
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').filter(|(_, rest)| !rest.is_empty()) {
            Some(("entry", key)) => Ok(Self::Entry(key.to_owned())),
            Some(("text", value)) => Ok(Self::Text(value.to_owned())),
            _ => Err(format!("has {text:?}; write \"entry:KEY\" or \"text:VALUE\"")),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(key) => write!(f, "entry:{key}"),
            Self::Text(text) => write!(f, "text:{text}"),
        }
    }
}

/// What one kind of descriptor means. Of each list of parts the first place counts that has anything.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Descriptor {
    /// Entries that it has, all of them; others may be there as well.
    #[serde(serialize_with = "show::texts")]
    pub entries: Vec<Entry>,
    /// In whose name; where it is nowhere, the member's own credits pay.
    #[serde(serialize_with = "show::texts", skip_serializing_if = "Vec::is_empty")]
    pub team: Vec<Part>,
    /// Who has used it.
    #[serde(serialize_with = "show::texts")]
    pub member: Vec<Part>,
    /// Of which model.
    #[serde(serialize_with = "show::texts", skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<Part>,
    /// What is counted.
    #[serde(serialize_with = "show::text")]
    pub unit: Unit,
}

/// Reads the sections.
pub(super) fn descriptors(from: &mut Reader) -> BTreeMap<String, Descriptor> {
    let names = from.sections_of(SECTION);
    if names.len() > DESCRIPTORS_MAX {
        let message = format!("[{SECTION}] has {} sections; allowed are at most {DESCRIPTORS_MAX}", names.len());
        from.faults.push(Fault { place: from.place(SECTION), message });
    }
    names
        .into_iter()
        .filter_map(|name| descriptor(from, &format!("{SECTION}.{name}")).map(|read| (name, read)))
        .collect()
}

fn descriptor(from: &mut Reader, section: &str) -> Option<Descriptor> {
    let faults = from.faults.len();
    let entries = from.optional(&format!("{section}.entries"), |v| value::list(v, ENTRIES_MAX));
    let mut parts = |key| from.optional(&format!("{section}.{key}"), |v| value::list(v, ENTRIES_MAX));
    let (team, member, model) = (parts("team"), parts("member"), parts("model"));
    let unit = from.optional(&format!("{section}.unit"), value::parsed);
    match (entries, member, unit) {
        (Some(entries), Some(member), Some(unit)) => {
            let (team, model) = (team.unwrap_or_default(), model.unwrap_or_default());
            Some(Descriptor { entries, team, member, model, unit })
        }
        _ => {
            if from.faults.len() == faults {
                let message = format!("[{section}] needs entries, member and unit");
                from.faults.push(Fault { place: from.place(section), message });
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_as_written() {
        for (word, unit) in Unit::WORDS {
            assert_eq!((word.parse(), unit.to_string()), (Ok(unit), word.to_owned()));
        }
        for text in ["rule-0-match-0", "backend_name=a/b", "a=", "a=b=c"] {
            assert_eq!(text.parse::<Entry>().expect(text).to_string(), text);
        }
        for text in ["entry:x-user-id", "text:acme", "text:a:b"] {
            assert_eq!(text.parse::<Part>().expect(text).to_string(), text);
        }
        for bad in ["", "=a"] {
            assert!(bad.parse::<Entry>().is_err(), "{bad}");
        }
        for bad in ["", "entry:", "header:a", "acme"] {
            assert!(bad.parse::<Part>().is_err_and(|why| why.contains("entry:KEY")), "{bad}");
        }
        assert!("words".parse::<Unit>().is_err_and(|why| why.contains("output_tokens, reasoning_tokens")));
    }
}
