//! Gives each key its value: from the flag, else the environment, else the file, else the default.
//! Collects every fault, and at the end whatever of the file nobody asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::{Fault, Place};
use super::names::nearest;
use super::value::Given;

/// A value and where it was given.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) given: Given,
    pub(super) place: Place,
}

/// Values by key path (`server.http`), as the sources gave them.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// What counts: the last source that named the key.
    entries: BTreeMap<String, Entry>,
    /// Sections as the file wrote them.
    sections: BTreeMap<String, Place>,
    /// Every key path that was asked for.
    known: BTreeSet<String>,
    pub(super) faults: Vec<Fault>,
}

impl Reader {
    /// Takes a file's text; a syntax error is the only fault then.
    pub(super) fn add_file(&mut self, path: &Path, text: &str) -> Result<(), Fault> {
        let table = DeTable::parse(text).map_err(|error| Fault {
            place: Place::at(path.to_owned(), text, error.span().map_or(0, |span| span.start)),
            message: error.message().replace('\n', ", "),
        })?;
        self.add_table(table.get_ref(), "", path, text);
        Ok(())
    }

    fn add_table(&mut self, table: &DeTable<'_>, section: &str, path: &Path, text: &str) {
        for (key, value) in table.iter() {
            let place = Place::at(path.to_owned(), text, key.span().start);
            let key = join(section, &bare(key.get_ref()));
            match value.get_ref() {
                DeValue::Table(inner) => {
                    self.sections.insert(key.clone(), place);
                    self.add_table(inner, &key, path, text);
                }
                value => {
                    self.entries.insert(key, Entry { given: given(value), place });
                }
            }
        }
    }

    /// Takes a value of the environment or of a flag over whatever was given before.
    pub(super) fn set(&mut self, key: &str, given: Given, place: Place) {
        self.entries.insert(key.to_owned(), Entry { given, place });
    }

    /// The value of a key, `default` when nobody gave it or what was given is wrong.
    pub(super) fn value<T>(&mut self, key: &str, default: T, read: impl FnOnce(&Given) -> Result<T, String>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// The value of a key that has no default.
    pub(super) fn optional<T>(&mut self, key: &str, read: impl FnOnce(&Given) -> Result<T, String>) -> Option<T> {
        self.known.insert(key.to_owned());
        let entry = self.entries.get(key)?;
        match read(&entry.given) {
            Ok(value) => Some(value),
            Err(why) => {
                self.faults.push(Fault { place: entry.place.clone(), message: format!("{key} {why}") });
                None
            }
        }
    }

    /// Where a key got its value; for a section, where it begins.
    pub(super) fn place(&self, key: &str) -> Place {
        let entry = self.entries.get(key).map(|entry| &entry.place);
        entry.or_else(|| self.sections.get(key)).cloned().unwrap_or(Place::Default)
    }

    /// The names of the sections right below this one, in alphabetical order.
    pub(super) fn sections_of(&self, section: &str) -> Vec<String> {
        let below = self.sections.keys().filter(|key| split(key).0 == section);
        below.map(|key| split(key).1.to_owned()).collect()
    }

    /// Whether a source wrote this section.
    pub(super) fn has_section(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// Faults every key and section that nobody asked for.
    pub(super) fn refuse_unknown(&mut self) {
        let known_sections: BTreeSet<&str> =
            self.known.iter().flat_map(|key| key.match_indices('.').map(|(dot, _)| &key[..dot])).collect();
        for (section, place) in &self.sections {
            if !known_sections.contains(section.as_str()) {
                let hint = nearest(section, known_sections.iter().copied());
                let hint = hint.map_or(String::new(), |near| format!("; did you mean [{near}]?"));
                self.faults.push(Fault { place: place.clone(), message: format!("unknown section [{section}]{hint}") });
            }
        }
        for (key, entry) in &self.entries {
            let (section, _) = split(key);
            let section_is_refused = self.sections.contains_key(section) && !known_sections.contains(section);
            if self.known.contains(key) || section_is_refused {
                continue;
            }
            let message = if known_sections.contains(key.as_str()) {
                format!("{key} is a section; write [{key}] and its keys below")
            } else {
                let hint = self.nearest_key(key).map_or(String::new(), |near| format!("; did you mean {near}?"));
                format!("unknown key {key}{hint}")
            };
            self.faults.push(Fault { place: entry.place.clone(), message });
        }
    }

    /// The key of the same name in another section, else the one of a near name in this section.
    fn nearest_key(&self, key: &str) -> Option<String> {
        let (section, name) = split(key);
        if let Some(known) = self.known.iter().find(|known| split(known).1 == name) {
            return Some(known.clone());
        }
        let names = self.known.iter().map(|known| split(known)).filter(|(of, _)| *of == section).map(|(_, name)| name);
        nearest(name, names).map(|near| join(section, near))
    }

    /// Every key path that was asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> &BTreeSet<String> {
        &self.known
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// The section of a key path, empty at the top, and the key's own name.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// A quoted key with a dot in it keeps its quotes, so that it is no path.
fn bare(key: &str) -> String {
    if key.contains('.') { format!("{key:?}") } else { key.to_owned() }
}

fn given(value: &DeValue<'_>) -> Given {
    match value {
        DeValue::String(text) => Given::Text(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Given::Other("number beyond 64 bits"), Given::Integer),
        DeValue::Boolean(truth) => Given::Boolean(*truth),
        DeValue::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            texts.map_or(Given::Other("list of something else than texts"), Given::List)
        }
        DeValue::Float(_) => Given::Other("number with a fraction"),
        DeValue::Datetime(_) => Given::Other("date"),
        DeValue::Table(_) => Given::Other("section"),
    }
}
