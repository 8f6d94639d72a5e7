//! The files of rate cards: the one that the configuration names, and copies of those that holds may name, in the data
//! folder, by version. A copy is on the disk before a hold can name it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::{Config, ConfigError, StoreUrl};
use crate::domain::RateVersion;
use crate::rates::{self, Card, FILE_BYTES_MAX};
use crate::service::Service;
use crate::service::cards::KEPT_MAX;

/// Copies that are kept beside those that open holds name.
const COPIES_MAX: usize = 64;

/// Why a rate card cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RatesError {
    /// The file cannot be read.
    #[error("the rate card {0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    /// The file is too long for a card.
    #[error("the rate card {0} is longer than {FILE_BYTES_MAX} bytes")]
    TooLong(PathBuf),
    /// It is no card.
    #[error(transparent)]
    Wrong(#[from] ConfigError),
    /// Its copy cannot be written, so a hold that names it could not be settled after a restart.
    #[error("the rate card cannot be kept in {0}: {1}")]
    Unkept(PathBuf, io::Error),
}

/// Reads the card that the configuration names, if it names one.
///
/// # Errors
/// See [`RatesError`].
pub fn load(config: &Config) -> Result<Option<Card>, RatesError> {
    config.rates.file.as_ref().map(|file| read(file)).transpose()
}

fn read(file: &Path) -> Result<Card, RatesError> {
    let mut text = String::new();
    let read = File::open(file).and_then(|from| from.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    read.map_err(|error| RatesError::Unreadable(file.to_owned(), error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(RatesError::TooLong(file.to_owned()));
    }
    Ok(rates::read(file, &text)?)
}

/// Where copies are kept.
#[derive(Clone, Debug)]
pub struct Copies {
    /// `None`: nothing of this sidecar outlives it.
    folder: Option<PathBuf>,
}

impl Copies {
    /// In the data folder. What is on a store in memory has none.
    pub fn of(config: &Config, has_own_store: bool) -> Self {
        let outlives = has_own_store || config.store.url != StoreUrl::Memory;
        Self { folder: outlives.then(|| config.data.join("rates")) }
    }

    /// Puts a card into force, once its copy is on the disk.
    ///
    /// # Errors
    /// [`RatesError::Unkept`]; the one before stays in force.
    pub fn put(&self, service: &Service, card: Option<Card>) -> Result<(), RatesError> {
        if let (Some(folder), Some(card)) = (&self.folder, &card) {
            keep(folder, card).map_err(|error| RatesError::Unkept(folder.clone(), error))?;
        }
        let named = service.named_rates();
        let version = card.as_ref().map(|card| card.version().to_string());
        if service.cards().version() != card.as_ref().map(Card::version) {
            tracing::info!(version, "rate card in force");
        }
        service.cards().put(card, &named);
        if let Some(folder) = &self.folder {
            let kept = named.into_iter().chain(service.cards().version()).collect();
            if let Err(error) = forget(folder, &kept) {
                tracing::warn!(%error, folder = %folder.display(), "earlier rate cards cannot be removed");
            }
        }
        Ok(())
    }

    /// Takes over the cards that open holds name, and the last ones. One that cannot be read is warned of.
    pub fn recover(&self, service: &Service) {
        let Some(folder) = &self.folder else { return };
        let named = service.named_rates();
        let copies = copies(folder).unwrap_or_default();
        let from = copies.len().saturating_sub(KEPT_MAX);
        let wanted = copies.iter().enumerate().filter(|(at, copy)| *at >= from || named.contains(&copy.version));
        let cards = wanted.filter_map(|(_, copy)| match read(&copy.path) {
            Ok(card) if card.version() == copy.version => Some(card),
            Ok(_) => warn(&copy.path, &"its content is another version's"),
            Err(error) => warn(&copy.path, &error),
        });
        service.cards().keep(cards, &named);
    }
}

fn warn(path: &Path, why: &dyn std::fmt::Display) -> Option<Card> {
    tracing::warn!(path = %path.display(), %why, "an earlier rate card cannot be used");
    None
}

/// A card's copy.
struct Copy {
    written: SystemTime,
    version: RateVersion,
    path: PathBuf,
}

/// All copies, the oldest first.
fn copies(folder: &Path) -> io::Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let version = name.to_str().and_then(|name| name.strip_suffix(".toml")).and_then(|name| name.parse().ok());
        if let Some(version) = version {
            copies.push(Copy { written: entry.metadata()?.modified()?, version, path: entry.path() });
        }
    }
    copies.sort_by_key(|copy| (copy.written, copy.version));
    Ok(copies)
}

/// Writes a copy, again where there is one: then it is the newest.
fn keep(folder: &Path, card: &Card) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (new, path) = (folder.join("next.tmp"), folder.join(format!("{}.toml", card.version())));
    let mut file = File::create(&new)?;
    file.write_all(card.to_toml().as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(folder)?.sync_all()
}

/// Removes the oldest copies above the most, but none of `kept`.
fn forget(folder: &Path, kept: &BTreeSet<RateVersion>) -> io::Result<()> {
    let copies = match copies(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        copies => copies?,
    };
    let more = copies.len().saturating_sub(COPIES_MAX);
    let goes = copies.iter().filter(|copy| !kept.contains(&copy.version)).take(more);
    goes.into_iter().try_for_each(|copy| fs::remove_file(&copy.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: usize) -> Card {
        Card::new([(format!("model-{number}"), None)], None).expect("a card")
    }

    #[test]
    fn copies_that_holds_name_outlive_all_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let named = BTreeSet::from([card(0).version()]);
        for number in 0..COPIES_MAX + 20 {
            keep(folder.path(), &card(number)).expect("it is written");
            forget(folder.path(), &named).expect("they are removed");
        }
        let copies = copies(folder.path()).expect("they are there");
        assert_eq!(copies.len(), COPIES_MAX);
        let versions: BTreeSet<_> = copies.iter().map(|copy| copy.version).collect();
        assert!(versions.contains(&card(0).version()) && !versions.contains(&card(1).version()));
        assert!(copies.iter().all(|copy| read(&copy.path).is_ok_and(|card| card.version() == copy.version)));
    }
}
