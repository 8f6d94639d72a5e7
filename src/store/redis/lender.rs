//! A lender of blocks in Redis: one key, and functions that compare and add. What it keeps matters for as
//! long as it keeps it: no setting of the server is asked for.

use std::time::Duration;

use super::Options;
use super::failure::Failure;
use super::keys::Keys;
use super::library;
use super::link::Link;
use crate::domain::{Credits, SubscriptionId, Timestamp};
use crate::root::shelf::{Borrowed, Fence, Pool, Take, Taken, Turned};
use crate::root::sidecar::id_text;
use crate::store::StoreError;

const LIBRARY: &str = include_str!("lender.lua");

/// How long the server may take to be found and to answer while nobody waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
pub struct Lender {
    link: Link,
    key: String,
}

impl Lender {
    /// Connects to nothing yet.
    pub fn new(options: Options) -> Self {
        let names = Keys::new(&options.prefix);
        let key = names.lender();
        Self { link: Link::new(options.target, &names, PATIENCE.min(options.verb_timeout)), key }
    }

    /// Where it is, without passwords.
    pub fn place(&self) -> String {
        self.link.place()
    }

    /// See [`Shelf::begin`](crate::root::shelf::Shelf::begin).
    pub async fn begin(&self, new: Fence, replaced: u128) -> Result<Fence, StoreError> {
        let (lender, replaced) = (id_text(new.lender), id_text(replaced));
        let words = [lender.as_str(), &new.generation.to_string(), &replaced];
        let called = match self.call("purser_lender_1_begin", &words).await {
            Err(failure) if failure.lacks_library() => {
                library::load(&self.link, LIBRARY).await.map_err(|failure| self.failed(failure))?;
                self.call("purser_lender_1_begin", &words).await
            }
            called => called,
        };
        let answer = called.map_err(|failure| self.failed(failure))?;
        fence(&answer).ok_or_else(|| self.senseless(&answer))
    }

    /// See [`Shelf::take`](crate::root::shelf::Shelf::take).
    pub async fn take(&self, take: &Take) -> Result<Result<Taken, Turned>, StoreError> {
        let credits = |credits: Credits| credits.micros().to_string();
        let (lender, pool, sidecar) = (id_text(take.lender), pool_text(&take.pool), id_text(take.sidecar));
        let (incarnation, base, granted) = (take.incarnation.to_string(), credits(take.base), credits(take.granted));
        let (limited, config, asked) = (take.limited.to_string(), take.config.to_string(), credits(take.asked));
        let words = [&lender, &pool, &sidecar, &incarnation, &base, &granted, &limited, &config, &asked];
        let answer = match self.call("purser_lender_1_take", &words.map(String::as_str)).await {
            // A server that does not know the function has not been this lender.
            Err(failure) if failure.lacks_library() => return Ok(Err(Turned::Stale)),
            answer => answer.map_err(|failure| self.failed(failure))?,
        };
        match &answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["LENT", base, lent, rest] => {
                let sums = [base, lent, rest].map(|text| micros(text));
                let [Some(base), Some(lent), Some(rest)] = sums else { return Err(self.senseless(&answer)) };
                Ok(Ok(Taken { base, lent, rest }))
            }
            ["STALE"] => Ok(Err(Turned::Stale)),
            ["FENCED"] => Ok(Err(Turned::Fenced)),
            _ => Err(self.senseless(&answer)),
        }
    }

    /// Which life it is, and what a sidecar has borrowed in it; `None`: none that is known.
    pub async fn borrowed(&self, sidecar: u128) -> Result<Option<(Fence, Vec<Borrowed>)>, StoreError> {
        let answer = match self.call("purser_lender_1_borrowed", &[&id_text(sidecar)]).await {
            Err(failure) if failure.lacks_library() => return Ok(None),
            answer => answer.map_err(|failure| self.failed(failure))?,
        };
        if answer.first().is_some_and(|word| word == "STALE") {
            return Ok(None);
        }
        let fence = fence(&answer).ok_or_else(|| self.senseless(&answer))?;
        let rows = answer.get(3..).unwrap_or_default().chunks(2).map(read);
        let rows = rows.collect::<Option<_>>().ok_or_else(|| self.senseless(&answer))?;
        Ok(Some((fence, rows)))
    }

    /// Gives the connection up: it has not answered in time.
    pub async fn drop_connection(&self) {
        self.link.drop_connection().await;
    }

    async fn call(&self, function: &str, words: &[&str]) -> Result<Vec<String>, Failure> {
        let mut command = redis::cmd("FCALL");
        command.arg(function).arg(1).arg(&self.key).arg(words);
        self.link.one(command).await
    }

    fn failed(&self, failure: Failure) -> StoreError {
        failure.at("asking the lender of blocks", &self.place())
    }

    fn senseless(&self, answer: &[String]) -> StoreError {
        let start: Vec<_> = answer.iter().take(4).collect();
        self.failed(Failure::value(&self.key, format!("answers {start:?}")))
    }
}

fn pool_text((subscription, window): &Pool) -> String {
    format!("{}:{subscription}", window.millis())
}

fn micros(text: &str) -> Option<Credits> {
    text.parse().ok().and_then(Credits::from_micros)
}

fn fence(words: &[String]) -> Option<Fence> {
    let [_, lender, generation, ..] = words else { return None };
    let lender = uuid::Uuid::parse_str(lender).ok()?.as_u128();
    Some(Fence { lender, generation: generation.parse().ok()? })
}

/// Reads `tab:SIDECAR:WINDOW:SUBSCRIPTION` and its sums.
fn read(row: &[String]) -> Option<Borrowed> {
    let [field, sums] = row else { return None };
    let mut parts = field.splitn(4, ':').skip(2);
    let window = Timestamp::from_millis(parts.next()?.parse().ok()?)?;
    let pool = (SubscriptionId::new(parts.next()?).ok()?, window);
    let mut sums = sums.split(' ');
    let incarnation = sums.next()?.parse().ok()?;
    let borrowed = micros(sums.next()?)?.checked_add(micros(sums.next()?)?)?;
    Some(Borrowed { pool, incarnation, borrowed })
}
