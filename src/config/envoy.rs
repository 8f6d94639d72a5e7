//! `[envoy]`: where in a request that Envoy asks about each part of a draw is found.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::descriptors::Descriptor;
use super::reader::Reader;
use super::{show, value};

/// Places that are looked at for one part.
const SOURCES_MAX: usize = 8;

/// Where a part of a draw is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A header of the request, in small letters. Its caller may write it.
    Header(String),
    /// What Envoy's route says in `context_extensions`.
    Extension(String),
    /// What another filter has found out: its namespace, then keys inwards.
    Metadata {
        /// The filter's name.
        namespace: String,
        /// Keys from the outermost inwards; at least one.
        keys: Vec<String>,
    },
    /// The same for every request.
    Text(String),
}

/// `header:NAME`, `extension:KEY`, `metadata:NAMESPACE/KEY` with further `/KEY`, `text:VALUE`.
impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "has {text:?}; write \"header:NAME\", \"extension:KEY\", \"metadata:NAMESPACE/KEY\" or \"text:VALUE\""
            )
        };
        let (kind, rest) = text.split_once(':').filter(|(_, rest)| !rest.is_empty()).ok_or_else(wrong)?;
        match kind {
            "header" => Ok(Self::Header(rest.to_ascii_lowercase())),
            "extension" => Ok(Self::Extension(rest.to_owned())),
            "text" => Ok(Self::Text(rest.to_owned())),
            "metadata" => {
                let (namespace, keys) = rest.split_once('/').ok_or_else(wrong)?;
                let keys: Vec<String> = keys.split('/').map(str::to_owned).collect();
                if namespace.is_empty() || keys.iter().any(String::is_empty) {
                    return Err(wrong());
                }
                Ok(Self::Metadata { namespace: namespace.to_owned(), keys })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Extension(key) => write!(f, "extension:{key}"),
            Self::Metadata { namespace, keys } => write!(f, "metadata:{namespace}/{}", keys.join("/")),
            Self::Text(text) => write!(f, "text:{text}"),
        }
    }
}

/// `[envoy]`. Of each list the first place counts that has anything.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Envoy {
    /// `hold`, `debit` or `check`.
    #[serde(serialize_with = "show::texts")]
    pub decision: Vec<Source>,
    /// In whose name; where it is nowhere, the member's own credits pay.
    #[serde(serialize_with = "show::texts")]
    pub team: Vec<Source>,
    /// Who draws.
    #[serde(serialize_with = "show::texts")]
    pub member: Vec<Source>,
    /// For which model.
    #[serde(serialize_with = "show::texts")]
    pub model: Vec<Source>,
    /// The cost, for a hold the estimate.
    #[serde(serialize_with = "show::texts")]
    pub credits: Vec<Source>,
    /// The least that will do for a hold.
    #[serde(serialize_with = "show::texts")]
    pub min_credits: Vec<Source>,
    /// How long a hold stays open, in milliseconds.
    #[serde(serialize_with = "show::texts")]
    pub ttl_ms: Vec<Source>,
    /// In place of `credits`: tokens of the prompt.
    #[serde(serialize_with = "show::texts")]
    pub input_tokens: Vec<Source>,
    /// Those of them that the model has cached.
    #[serde(serialize_with = "show::texts")]
    pub cached_input_tokens: Vec<Source>,
    /// Tokens that the answer may have; nowhere: as many as the rate card says.
    #[serde(serialize_with = "show::texts")]
    pub output_tokens: Vec<Source>,
    /// Images.
    #[serde(serialize_with = "show::texts")]
    pub images: Vec<Source>,
    /// Seconds of sound or film.
    #[serde(serialize_with = "show::texts")]
    pub seconds: Vec<Source>,
    /// The operation's id; nowhere: a new one is made for each.
    #[serde(serialize_with = "show::texts", skip_serializing_if = "Vec::is_empty")]
    pub id: Vec<Source>,
    /// What descriptors of the filter `ratelimit` mean that name no hold; the first that fits counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptors: BTreeMap<String, Descriptor>,
}

impl Default for Envoy {
    fn default() -> Self {
        let extension = |key: &str| vec![Source::Extension(key.to_owned())];
        Self {
            decision: vec![Source::Extension("decision".to_owned()), Source::Text("hold".to_owned())],
            team: extension("team"),
            member: extension("member"),
            model: extension("model"),
            credits: extension("credits"),
            min_credits: extension("min_credits"),
            ttl_ms: extension("ttl_ms"),
            input_tokens: extension("input_tokens"),
            cached_input_tokens: extension("cached_input_tokens"),
            output_tokens: extension("output_tokens"),
            images: extension("images"),
            seconds: extension("seconds"),
            id: Vec::new(),
            descriptors: BTreeMap::new(),
        }
    }
}

/// Reads the section.
pub(super) fn envoy(from: &mut Reader) -> Envoy {
    let d = Envoy::default();
    let mut sources = |key, default| from.value(key, default, |v| value::list(v, SOURCES_MAX));
    Envoy {
        decision: sources("envoy.decision", d.decision),
        team: sources("envoy.team", d.team),
        member: sources("envoy.member", d.member),
        model: sources("envoy.model", d.model),
        credits: sources("envoy.credits", d.credits),
        min_credits: sources("envoy.min_credits", d.min_credits),
        ttl_ms: sources("envoy.ttl_ms", d.ttl_ms),
        input_tokens: sources("envoy.input_tokens", d.input_tokens),
        cached_input_tokens: sources("envoy.cached_input_tokens", d.cached_input_tokens),
        output_tokens: sources("envoy.output_tokens", d.output_tokens),
        images: sources("envoy.images", d.images),
        seconds: sources("envoy.seconds", d.seconds),
        id: sources("envoy.id", d.id),
        descriptors: super::descriptors::descriptors(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_read_back_as_written() {
        for text in [
            "header:x-user",
            "extension:team",
            "metadata:envoy.filters.http.jwt_authn/payload/sub",
            "text:a:b",
            "text:0.5",
        ] {
            assert_eq!(text.parse::<Source>().expect(text).to_string(), text);
        }
        assert_eq!("header:X-User".parse(), Ok(Source::Header("x-user".to_owned())));
        for bad in ["", "header", "header:", "cookie:a", "metadata:a", "metadata:/a", "metadata:a/", "metadata:a//b"] {
            assert!(bad.parse::<Source>().is_err_and(|why| why.contains("extension:KEY")), "{bad}");
        }
    }
}
