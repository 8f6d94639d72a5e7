//! What streams of the ledger keep under an id. A team's entries are in a stream of its own: those that follow each other
//! are a JSON array under the position of the last one. The stream of all has entries of no team in the same form, and
//! the team's name and the first position of each run of entries that are in a team's stream. Earlier versions wrote one
//! entry a message, as an object or each value as a field, and a place for each entry: all are read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::failure::Failure;
use super::ledger::entry;
use super::text::Text;
use crate::domain::TeamId;
use crate::store::ledger::LedgerEntry;

/// Entries in a team's stream that stand for one in the stream of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The team.
    pub team: TeamId,
    /// The position of the first of them; none is left out up to the last.
    pub first: u64,
    /// The position of the last of them.
    pub last: u64,
}

/// The run of which a stream has the place under an id, where it is not an entry.
pub fn run(id: &str, fields: &[String]) -> Result<Option<Run>, Failure> {
    let (team, first) = match fields {
        [name, team] if name == "team" => (team, None),
        [name, team, from, first] if (name.as_str(), from.as_str()) == ("team", "from") => (team, Some(first)),
        _ => return Ok(None),
    };
    let last = position(id)?;
    let first = first.map_or(Some(last), |first| first.parse().ok()).filter(|first| *first <= last);
    let run = TeamId::of_text(team).zip(first).map(|(team, first)| Run { team, first, last });
    run.map(Some).ok_or_else(|| Failure::value(&format!("ledger {id}"), "names no run of entries"))
}

/// The position that an id of a stream names.
pub fn position(id: &str) -> Result<u64, Failure> {
    let position = id.split_once('-').and_then(|(position, _)| position.parse().ok());
    position.ok_or_else(|| Failure::value(&format!("ledger {id}"), "is no position"))
}

/// Names and values in turns, out of the one object of an entry.
fn flat(json: &str) -> Result<Vec<String>, serde_json::Error> {
    let values: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json)?;
    let mut flat = Vec::with_capacity(2 * values.len());
    for (name, value) in values {
        let json = value.get();
        flat.push(name.into_owned());
        flat.push(if json.starts_with('"') { serde_json::from_str(json)? } else { json.to_owned() });
    }
    Ok(flat)
}

/// Reads back the entries under an id, in order.
pub fn entries(id: &str, fields: &[String]) -> Result<Vec<LedgerEntry>, Failure> {
    let place = format!("ledger {id}");
    let wrong = |error: serde_json::Error| Failure::value(&place, error.to_string());
    let last = position(id)?;
    match fields {
        [name, json] if name == "entries" => {
            let objects: Vec<&RawValue> = serde_json::from_str(json).map_err(wrong)?;
            let before = last.checked_sub(objects.len() as u64);
            let before = before.ok_or_else(|| Failure::value(&place, "has entries of before the first position"))?;
            let read =
                |(position, object): (u64, &&RawValue)| entry(&place, position, &flat(object.get()).map_err(wrong)?);
            (before + 1..).zip(&objects).map(read).collect()
        }
        [name, json] if name == "entry" => Ok(vec![entry(&place, last, &flat(json).map_err(wrong)?)?]),
        fields => Ok(vec![entry(&place, last, fields)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn entries_are_read_in_every_form_that_was_written() {
        const ONE: &str = r#"{"kind":"debited","at":60,"id":"a","actor":"o\"ps"}"#;
        const OTHER: &str = r#"{"kind":"debited","at":61,"id":"b","detail":{"why":"[1]"}}"#;
        let (array, wide) = (format!("[{ONE},{OTHER}]"), format!(" [ {ONE} , {OTHER} ] "));
        let fields = ["kind", "debited", "at", "60", "id", "a", "actor", "o\"ps"];
        for (fields, expected) in [
            (&fields[..], &[(7, "a")][..]),
            (&["entry", ONE], &[(7, "a")]),
            (&["entries", &array], &[(6, "a"), (7, "b")]),
            (&["entries", &wide], &[(6, "a"), (7, "b")]),
            (&["entries", "[]"], &[]),
        ] {
            let found = entries("7-0", &texts(fields)).expect("they are entries");
            let id = |entry: &LedgerEntry| entry.id.as_ref().map(ToString::to_string).unwrap_or_default();
            let found: Vec<_> = found.iter().map(|entry| (entry.position, id(entry))).collect();
            let expected: Vec<_> = expected.iter().map(|(position, id)| (*position, (*id).to_owned())).collect();
            assert_eq!(found, expected, "{fields:?}");
        }
        for (id, text) in [("1-0", array.as_str()), ("7-0", "[{}]"), ("7-0", "{}"), ("7-0", "[1]"), ("x-0", "[]")] {
            assert!(entries(id, &texts(&["entries", text])).is_err(), "{id} {text}");
        }
    }

    #[test]
    fn a_place_names_a_run_or_one_entry() {
        let of = |id: &str, fields: &[&str]| run(id, &texts(fields));
        let team = TeamId::new("t").expect("an id");
        let named = |first, last| Some(Run { team: team.clone(), first, last });
        assert_eq!(of("9-0", &["team", "t"]).expect("it is one"), named(9, 9));
        assert_eq!(of("9-0", &["team", "t", "from", "4"]).expect("it is one"), named(4, 9));
        assert_eq!(of("9-0", &["entries", "[]"]).expect("it is none"), None);
        for from in ["10", "x"] {
            assert!(of("9-0", &["team", "t", "from", from]).is_err(), "{from}");
        }
    }
}
