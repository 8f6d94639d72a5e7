//! The values of the wire as the OpenAPI document shows them.
//!
//! Utoipa's derive wants schemas of a generic's parameters, which domain types do not have: structs
//! name such fields by an alias without parameters (`WireTeam`), or give `#[schema(value_type = ...)]`.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, Object as Schema, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Amount, Object, Seconds, Text, Whole, Wire};

/// An exact decimal.
const AMOUNT: &str = r"^[0-9]+(\.[0-9]{1,6})?$";

type AnySchema = RefOr<utoipa::openapi::schema::Schema>;

fn string(pattern: &str, description: &str) -> Schema {
    let builder = ObjectBuilder::new().schema_type(Type::String);
    builder.pattern(Some(pattern)).description(Some(description)).build()
}

impl PartialSchema for Amount {
    fn schema() -> AnySchema {
        string(AMOUNT, "Credits, exact, with at most 6 fraction digits; at most 9000000000.").into()
    }
}

impl ToSchema for Amount {
    fn name() -> Cow<'static, str> {
        "Credits".into()
    }
}

/// Credits as a request may say them: [`Amount`] in the document only.
pub struct AskedAmount;

impl PartialSchema for AskedAmount {
    fn schema() -> AnySchema {
        let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).maximum(Some(9_000_000_000_u64));
        let text = "Credits, exact, with at most 6 fraction digits; at most 9000000000. As a string, or as a plain JSON number \
                    without exponent, which is read from its digits.";
        let either = OneOfBuilder::new().item(string(AMOUNT, "Decimal.")).item(number);
        either.description(Some(text)).into()
    }
}

impl ToSchema for AskedAmount {
    fn name() -> Cow<'static, str> {
        "CreditsAsked".into()
    }
}

impl PartialSchema for Seconds {
    fn schema() -> AnySchema {
        let text = "Seconds, exact, with at most 6 fraction digits; a string of them is read as well.";
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(1_000_000_000))
            .description(Some(text))
            .into()
    }
}

impl ToSchema for Seconds {
    fn name() -> Cow<'static, str> {
        "Seconds".into()
    }
}

impl<T: Text> PartialSchema for Wire<T> {
    fn schema() -> AnySchema {
        match T::PATTERN {
            Some(pattern) => string(pattern, T::WHAT).into(),
            None => ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
                .into(),
        }
    }
}

impl<T: Text> ToSchema for Wire<T> {
    fn name() -> Cow<'static, str> {
        T::NAME.into()
    }
}

impl<const MIN: u64, const MAX: u64> PartialSchema for Whole<MIN, MAX> {
    fn schema() -> AnySchema {
        let builder = ObjectBuilder::new().schema_type(Type::Integer);
        builder.minimum(Some(MIN as usize)).maximum(Some(MAX as usize)).into()
    }
}

impl<const MIN: u64, const MAX: u64> ToSchema for Whole<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Whole_{MIN}_{MAX}").into()
    }
}

impl<T: ToSchema> PartialSchema for Object<T> {
    fn schema() -> AnySchema {
        T::schema()
    }
}

impl<T: ToSchema> ToSchema for Object<T> {
    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schemas(schemas: &mut Vec<(String, AnySchema)>) {
        T::schemas(schemas);
    }
}

#[cfg(test)]
#[expect(unused_qualifications, reason = "utoipa's macro writes them")]
mod tests {
    use super::*;
    use crate::api::wire::{WireTeam, WireTime, WireUser};
    use utoipa::OpenApi;

    type Ttl = Whole<1_000, 86_400_000>;
    type WireUsage = Object<Usage>;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Usage {
        input_tokens: u64,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Debit {
        team: Option<WireTeam>,
        member: WireUser,
        credits: Amount,
        ttl_ms: Option<Ttl>,
        usage: Option<WireUsage>,
        expires_at: Option<WireTime>,
        #[schema(value_type = Option<Amount>)]
        limit: crate::api::wire::Patch<Amount>,
    }

    #[derive(OpenApi)]
    #[openapi(components(schemas(Debit)))]
    struct Document;

    #[test]
    fn structs_of_wire_values_are_documented_with_their_rules() {
        let document = serde_json::to_value(Document::openapi()).expect("serialises");
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["TeamId"]["pattern"], r"^(?!\.{1,2}$)[A-Za-z0-9._:@-]{1,128}$");
        assert_eq!(schemas["Credits"]["type"], "string");
        assert_eq!(schemas["Whole_1000_86400000"]["maximum"], 86_400_000);
        assert_eq!(schemas["Time"]["format"], "date-time");
        assert_eq!(schemas["Usage"]["required"][0], "input_tokens");
        assert_eq!(schemas["Debit"]["properties"]["member"]["$ref"], "#/components/schemas/UserId");
        assert_eq!(schemas["Debit"]["required"], serde_json::json!(["member", "credits"]));
    }
}
