//! The configuration as a file again, and which keys of two configurations differ.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serializer;

use super::{Config, Live, value};

pub(super) fn duration<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value::duration_text(*value))
}

pub(super) fn bytes<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value::bytes_text(*value))
}

pub(super) fn text<S: Serializer, T: Display>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(super) fn optional_text<S: Serializer, T: Display>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

pub(super) fn texts<S: Serializer, T: Display>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(T::to_string))
}

/// A path that is not UTF-8 is shown with replacement characters rather than refused.
pub(super) fn path<S: Serializer>(value: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&value.display())
}

pub(super) fn live_path<S: Serializer>(value: &Live<Option<PathBuf>>, to: S) -> Result<S::Ok, S::Error> {
    optional_text(&value.0.as_ref().map(|path| path.display()), to)
}

/// The paths of the keys that differ, in alphabetical order.
pub(super) fn differing_keys(one: &Config, other: &Config) -> Vec<String> {
    let mut keys = Vec::new();
    differences(&table(one), &table(other), "", &mut keys);
    keys.sort_unstable();
    keys
}

pub(super) fn table(config: &Config) -> toml::Table {
    toml::Table::try_from(config).expect("numbers, texts and tables are all that a configuration holds")
}

fn differences(one: &toml::Table, other: &toml::Table, section: &str, keys: &mut Vec<String>) {
    let only_other = other.keys().filter(|key| !one.contains_key(*key));
    for key in one.keys().chain(only_other) {
        let path = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        match (one.get(key), other.get(key)) {
            (Some(toml::Value::Table(one)), Some(toml::Value::Table(other))) => differences(one, other, &path, keys),
            (one, other) if one == other => {}
            _ => keys.push(path),
        }
    }
}
