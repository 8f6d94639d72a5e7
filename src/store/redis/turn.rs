//! Turns: who has lost a row to faster ones again and again asks the others to leave it alone for a moment.
//! It is asked for, not enforced, and ends by itself: nothing but progress rests on it.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Value;

use super::failure::Failure;
use super::fetch::Read;
use super::keys::{Keys, Slot};
use super::link::Link;

/// How often a transaction must have lost before it asks for a turn.
const LOST_MIN: u32 = 4;

/// The longest that others wait for one turn.
const LONGEST: Duration = Duration::from_millis(500);

/// About how long to wait before looking whether somebody else's turn has ended.
const LOOK: Duration = Duration::from_millis(5);

/// One transaction's turn.
#[derive(Debug, Default)]
pub struct Turn {
    lost: u32,
    /// The versions with which it lost last.
    lost_with: BTreeMap<Slot, String>,
    /// The row that others had written then.
    contended: Option<Slot>,
    own: Option<String>,
}

impl Turn {
    /// Takes note of what was read. Answers the turn of another that it should wait for.
    pub fn note(&mut self, read: &Read) -> Option<String> {
        let is_other = |slot: &&Slot| self.lost_with.get(slot).is_some_and(|version| *version != read.versions[*slot]);
        if self.lost > 0 {
            self.contended = read.versions.keys().find(is_other).cloned().or(self.contended.take());
        }
        let turn = read.turn.as_ref()?;
        let is_others =
            self.own.as_ref() != Some(turn) && row_of(turn).is_some_and(|row| read.versions.contains_key(&row));
        is_others.then(|| turn.clone())
    }

    /// Takes note that another was faster than who `read` these versions, and asks for a turn where that has been so too often.
    pub async fn lose(&mut self, link: &Link, names: &Keys, read: BTreeMap<Slot, String>) -> Result<(), Failure> {
        (self.lost, self.lost_with) = (self.lost + 1, read);
        let Some(Slot { key, field }) = self.contended.as_ref().filter(|_| self.lost >= LOST_MIN) else {
            return Ok(());
        };
        let own = self.own.get_or_insert_with(|| format!("{:016x} {key} {field}", rand::random::<u64>()));
        let mut ask = redis::cmd("SET");
        ask.arg(names.turn()).arg(own.as_str()).arg("NX").arg("PX").arg(LONGEST.as_millis() as u64);
        link.one::<Value>(ask).await.map(drop)
    }

    /// Ends it, if there was one. Where nobody hears that, it ends by itself.
    pub async fn end(self, link: &Link, names: &Keys) -> Result<(), Failure> {
        if self.own.is_none() || seen(link, names).await? != self.own {
            return Ok(());
        }
        let mut end = redis::cmd("DEL");
        end.arg(names.turn());
        link.one::<Value>(end).await.map(drop)
    }
}

/// Waits until a turn has ended.
pub async fn wait(link: &Link, names: &Keys, turn: &str) -> Result<(), Failure> {
    while seen(link, names).await?.as_deref() == Some(turn) {
        tokio::time::sleep(LOOK.mul_f64(0.5 + rand::random::<f64>())).await;
    }
    Ok(())
}

async fn seen(link: &Link, names: &Keys) -> Result<Option<String>, Failure> {
    let mut look = redis::cmd("GET");
    look.arg(names.turn());
    link.one(look).await
}

/// The row of which a turn is.
fn row_of(turn: &str) -> Option<Slot> {
    let mut words = turn.splitn(3, ' ').skip(1).map(str::to_owned);
    Some(Slot { key: words.next()?, field: words.next()? })
}
