//! An answer of the server as people read it: its fields in the order in which they came, nested ones
//! by a path with dots, rows of a list one a line. Programs get the answer as it is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Format, Output, Row};

/// A JSON value that keeps the order of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Leaf(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// The text of the field that `path` (names with dots between them) leads to; `-` where there is none.
    pub(super) fn text(&self, path: &str) -> String {
        let found = path.split('.').try_fold(self, |tree, name| match tree {
            Self::Object(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
            _ => None,
        });
        found.map_or_else(|| NOTHING.to_owned(), Self::to_string)
    }

    fn flatten(&self, path: &str, into: &mut Vec<Field>) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match self {
            Self::Object(fields) => fields.iter().for_each(|(name, value)| value.flatten(&below(name), into)),
            Self::List(items) if items.iter().any(|item| !matches!(item, Self::Leaf(_))) => {
                let row =
                    |(n, item): (usize, &Self)| Field { field: below(&(n + 1).to_string()), value: item.to_string() };
                into.extend(items.iter().enumerate().map(row));
            }
            value => into.push(Field { field: path.to_owned(), value: value.to_string() }),
        }
    }
}

/// What stands for null and for nothing.
const NOTHING: &str = "-";

/// A leaf as it is, a list with commas, an object with its names.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |parts: Vec<String>| if parts.is_empty() { NOTHING.to_owned() } else { parts.join(", ") };
        match self {
            Self::Leaf(text) => f.write_str(text),
            Self::List(items) => f.write_str(&joined(items.iter().map(Self::to_string).collect())),
            Self::Object(fields) => {
                f.write_str(&joined(fields.iter().map(|(name, value)| format!("{name} {value}")).collect()))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Leaf(NOTHING.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Leaf(if value { "yes" } else { "no" }.to_owned()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Leaf(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Leaf(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Leaf(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Leaf(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Tree::Object(fields))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[derive(Serialize)]
struct Field {
    field: String,
    value: String,
}

impl Row for Field {
    const HEADINGS: &'static [&'static str] = &["field", "value"];

    fn cells(&self) -> Vec<String> {
        vec![self.field.clone(), self.value.clone()]
    }
}

/// An answer, as it is and as it is read.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    raw: Box<RawValue>,
    pub(super) tree: Tree,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let tree = serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
        Ok(Self { raw, tree })
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl Answer {
    /// Prints it: a field a line for people, itself for programs.
    pub(super) fn print(&self, format: Format) -> std::io::Result<()> {
        let mut output = Output::stdout(format);
        match format {
            Format::Json => output.object(self),
            Format::Table => {
                let mut fields = Vec::new();
                self.tree.flatten("", &mut fields);
                output.rows(&fields)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_nested_ones_have_paths() {
        let json = r#"{"zeta":"1","window":{"start":"a","end":null},"models":["x","y"],"grants":[{"kind":"monthly","credits":"5"}],"on":true}"#;
        let answer: Answer = serde_json::from_str(json).expect("an object");
        let mut fields = Vec::new();
        answer.tree.flatten("", &mut fields);
        let read: Vec<String> = fields.iter().map(|f| format!("{}={}", f.field, f.value)).collect();
        assert_eq!(
            read,
            ["zeta=1", "window.start=a", "window.end=-", "models=x, y", "grants.1=kind monthly, credits 5", "on=yes"]
        );
        assert_eq!((answer.tree.text("window.start"), answer.tree.text("none")), ("a".to_owned(), "-".to_owned()));
        assert_eq!(serde_json::to_string(&answer).expect("serialises"), json);
    }
}
