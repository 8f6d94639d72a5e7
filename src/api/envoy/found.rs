//! The draw that a request means, put together from where the configuration says that its parts are.

use std::borrow::Cow;

use prost_types::Value;
use prost_types::value::Kind;

use crate::api::grpc::wire::envoy::service::auth::v3::AttributeContext;
use crate::api::json::Fault;
use crate::api::problem::Code;
use crate::api::routes::asks::{DrawBody, Usage, UsageField};
use crate::api::routes::authorize::new_id;
use crate::api::wire::{Amount, Object, Seconds, Text, Whole, Wire};
use crate::config::{Envoy, Source};

/// What is to be done with a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Set the estimate aside.
    Hold,
    /// Charge the cost.
    Debit,
    /// Change nothing.
    Check,
}

/// A request, and where to look in it.
pub struct Found<'a> {
    /// Where parts are.
    pub config: &'a Envoy,
    /// The request.
    pub attributes: &'a AttributeContext,
}

impl Found<'_> {
    /// The draw.
    pub fn draw(&self) -> Result<(Wish, DrawBody), Fault> {
        let config = self.config;
        let wish = self.wish()?;
        let id = match self.named("id", &config.id)? {
            None if config.id.is_empty() && wish != Wish::Check => Some(Wire(new_id())),
            id => id,
        };
        let body = DrawBody {
            id,
            team: self.named("team", &config.team)?,
            member: self.named("member", &config.member)?.ok_or_else(|| missing("member", &config.member))?,
            credits: self.amount("credits", &config.credits)?,
            usage: self.usage()?,
            model: self.named("model", &config.model)?,
            ttl_ms: self.whole("ttl_ms", &config.ttl_ms)?,
            min_credits: self.amount("min_credits", &config.min_credits)?,
        };
        if body.credits.is_none() && body.usage.is_none() {
            return Err(missing("credits", &config.credits));
        }
        Ok((wish, body))
    }

    fn wish(&self) -> Result<Wish, Fault> {
        let sources = &self.config.decision;
        match self.text(sources).ok_or_else(|| missing("decision", sources))?.as_ref() {
            "hold" => Ok(Wish::Hold),
            "debit" => Ok(Wish::Debit),
            "check" => Ok(Wish::Check),
            other => {
                Err(Fault::invalid(format!("is {other:?} and neither hold nor debit nor check")).in_field("decision"))
            }
        }
    }

    fn named<T: Text>(&self, part: &'static str, sources: &[Source]) -> Result<Option<Wire<T>>, Fault> {
        let read = |text: Cow<'_, str>| T::read(&text).map(Wire);
        self.text(sources).map(read).transpose().map_err(|error| Fault::invalid(error.to_string()).in_field(part))
    }

    fn amount(&self, part: &'static str, sources: &[Source]) -> Result<Option<Amount>, Fault> {
        let read = |text: Cow<'_, str>| text.parse().map(Amount);
        let read = self.text(sources).map(read).transpose();
        read.map_err(|error: crate::domain::CreditsError| Fault::invalid(error.to_string()).in_field(part))
    }

    /// What may be used, where any of it is found.
    fn usage(&self) -> Result<Option<UsageField>, Fault> {
        let config = self.config;
        let seconds = |text: Cow<'_, str>| {
            let wrong = || Fault::invalid("must be from 0 to 1000000000 with at most 6 fraction digits");
            Seconds::of(&text).ok_or_else(|| wrong().in_field("seconds"))
        };
        let usage = Usage {
            input_tokens: self.whole("input_tokens", &config.input_tokens)?,
            cached_input_tokens: self.whole("cached_input_tokens", &config.cached_input_tokens)?,
            output_tokens: self.whole("output_tokens", &config.output_tokens)?,
            reasoning_tokens: None,
            images: self.whole("images", &config.images)?,
            seconds: self.text(&config.seconds).map(seconds).transpose()?,
        };
        let Usage { input_tokens, cached_input_tokens, output_tokens, images, seconds, .. } = usage;
        let counts = [input_tokens, cached_input_tokens, output_tokens, images];
        let is_found = seconds.is_some() || counts.iter().any(Option::is_some);
        Ok(is_found.then_some(Object(usage)))
    }

    fn whole<const MIN: u64, const MAX: u64>(
        &self,
        part: &'static str,
        sources: &[Source],
    ) -> Result<Option<Whole<MIN, MAX>>, Fault> {
        let read = |text: Cow<'_, str>| Whole::read(&text).map_err(|why| Fault::invalid(why).in_field(part));
        self.text(sources).map(read).transpose()
    }

    /// What is at the first of these places that has anything. An empty text is there, and wrong later.
    fn text<'a>(&'a self, sources: &'a [Source]) -> Option<Cow<'a, str>> {
        sources.iter().find_map(|source| self.at(source))
    }

    fn at<'a>(&'a self, source: &'a Source) -> Option<Cow<'a, str>> {
        match source {
            Source::Header(name) => {
                let request = self.attributes.request.as_ref()?.http.as_ref()?;
                request.headers.get(name).map(|value| value.as_str().into())
            }
            Source::Extension(key) => self.attributes.context_extensions.get(key).map(|value| value.as_str().into()),
            Source::Metadata { namespace, keys } => {
                let filter = self.attributes.metadata_context.as_ref()?.filter_metadata.get(namespace)?;
                let (last, outer) = keys.split_last().expect("a place in metadata has a key");
                let inwards =
                    |at: Option<&'a prost_types::Struct>, key: &String| match at?.fields.get(key)?.kind.as_ref()? {
                        Kind::StructValue(inner) => Some(inner),
                        _ => None,
                    };
                outer.iter().fold(Some(filter), inwards)?.fields.get(last).and_then(written)
            }
            Source::Text(text) => Some(text.as_str().into()),
        }
    }
}

/// A value as a text. A number is one where it is whole, as ids and limits are; no other is exact.
fn written(value: &Value) -> Option<Cow<'_, str>> {
    const WHOLE_MAX: f64 = (1_u64 << 53) as f64;
    match value.kind.as_ref()? {
        Kind::StringValue(text) => Some(text.as_str().into()),
        Kind::NumberValue(number) if number.fract() == 0.0 && (0.0..=WHOLE_MAX).contains(number) => {
            Some(format!("{number}").into())
        }
        _ => None,
    }
}

fn missing(part: &'static str, sources: &[Source]) -> Fault {
    let places: Vec<String> = sources.iter().map(ToString::to_string).collect();
    Fault::new(Code::MissingField, format!("is in none of {}; see [envoy]", places.join(", "))).in_field(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::grpc::wire::envoy::config::core::v3::Metadata;
    use crate::api::grpc::wire::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
    use prost_types::Struct;

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    fn object(fields: &[(&str, Value)]) -> Struct {
        Struct { fields: fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect() }
    }

    fn attributes() -> AttributeContext {
        let headers = [("x-team", "from-header"), ("x-empty", "")];
        let http = HttpRequest { headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into() };
        let payload =
            object(&[("sub", value(Kind::StringValue("ana".to_owned()))), ("n", value(Kind::NumberValue(7.0)))]);
        let jwt = object(&[("payload", value(Kind::StructValue(payload))), ("part", value(Kind::NumberValue(0.1)))]);
        AttributeContext {
            request: Some(Request { http: Some(http) }),
            context_extensions: [("team".to_owned(), "acme".to_owned())].into(),
            metadata_context: Some(Metadata { filter_metadata: [("jwt".to_owned(), jwt)].into() }),
        }
    }

    #[test]
    fn the_first_place_that_has_anything_counts() {
        let (config, attributes) = (Envoy::default(), attributes());
        let found = Found { config: &config, attributes: &attributes };
        for (sources, expected) in [
            (&["header:x-team", "text:other"][..], Some("from-header")),
            (&["header:x-none", "extension:team"], Some("acme")),
            (&["header:x-empty", "extension:team"], Some("")),
            (&["metadata:jwt/payload/sub"], Some("ana")),
            (&["metadata:jwt/payload/n"], Some("7")),
            (&["metadata:jwt/part", "text:inexact"], Some("inexact")),
            (&["metadata:jwt/payload", "metadata:jwt/sub/sub", "metadata:none/sub"], None),
        ] {
            let sources: Vec<Source> = sources.iter().map(|text| text.parse().expect("a place")).collect();
            assert_eq!(found.text(&sources).as_deref(), expected, "{sources:?}");
        }
    }
}
