//! Prints: of each entry of the ledger eight bytes that tell which teams, members, subscriptions and ids it cannot be of. They lie
//! in rows of a stretch of positions each, in the place of indexes, which cost an entry more than its own row.
//!
//! Who looks for something goes through the prints, stretch after stretch, and asks the rows that may be it.

use std::ops::RangeInclusive;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::failure::Failure;
use super::values::{Bulk, Reader, Values};
use crate::domain::{OperationId, SubscriptionId, TeamId, UserId};
use crate::store::ledger::LedgerEntry;
use crate::store::read::{Filter, Scope};

/// A stretch has so many positions, as a power of two; the migrations say the same.
const STRETCH_BITS: u32 = 10;

/// Bytes of one print.
const PRINT_BYTES: usize = 8;

/// Entries that are brought up to date in one transaction.
const CAUGHT_UP: i64 = 16_384;

/// The stretch that a position is in.
pub const fn stretch(position: i64) -> i64 {
    position >> STRETCH_BITS
}

/// What an entry may be found by, each where there is one: its team, its member, its subscription and its id.
type Names<'a> = [Option<&'a [u8]>; 4];

const TEAM: usize = 0;
const MEMBER: usize = 1;
const SUBSCRIPTION: usize = 2;
const ID: usize = 3;

/// The print of a name. Other names may have the same.
fn print(name: Option<&[u8]>) -> [u8; 2] {
    let sum = name.map_or(0, crc32c::crc32c);
    ((sum ^ sum >> 16) as u16).to_le_bytes()
}

/// What is looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    mask: [[u8; 2]; 4],
    print: [[u8; 2]; 4],
}

impl Wanted {
    /// What a filter admits; `None` where it names nothing that has a print.
    pub fn by(filter: &Filter) -> Option<Self> {
        let mut wanted = Self::default();
        match &filter.scope {
            Scope::All => {}
            Scope::Team(team) => wanted.name(TEAM, Some(team.as_bytes())),
            Scope::Subscription(id) => wanted.name(SUBSCRIPTION, Some(id.as_bytes())),
            Scope::User(user) => {
                wanted.name(TEAM, None);
                wanted.name(MEMBER, Some(user.as_bytes()));
            }
        }
        if let Some(member) = &filter.member {
            wanted.name(MEMBER, Some(member.as_bytes()));
        }
        if let Some(id) = &filter.id {
            wanted.name(ID, Some(id.as_bytes()));
        }
        (wanted.mask != Self::default().mask).then_some(wanted)
    }

    fn name(&mut self, what: usize, name: Option<&[u8]>) {
        (self.mask[what], self.print[what]) = ([u8::MAX; 2], print(name));
    }

    /// The positions in some stretches, in order, of entries that may be it.
    pub async fn find(&self, conn: &mut SqliteConnection, stretches: RangeInclusive<i64>) -> Result<Vec<i64>, Failure> {
        const FIND: &str = "SELECT number, prints FROM stretches WHERE number BETWEEN ? AND ? ORDER BY number";
        let query = sqlx::query(FIND).bind(*stretches.start()).bind(*stretches.end());
        let (mask, wanted) = (word(&self.mask), word(&self.print));
        let mut found = Vec::new();
        for row in query.fetch_all(conn).await? {
            let mut row = Reader::new(&row);
            let (number, prints) = (row.int()?, row.bytes()?);
            let positions = (number << STRETCH_BITS..).zip(prints.as_chunks().0);
            let is_it = |print: &[u8; PRINT_BYTES]| u64::from_le_bytes(*print) & mask == wanted;
            found.extend(positions.filter(|(_, print)| is_it(print)).map(|(position, _)| position));
        }
        Ok(found)
    }
}

fn word(print: &[[u8; 2]; 4]) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|at| print[at / 2][at % 2]))
}

/// The prints of what is appended, with those before it in the first of its stretches.
#[derive(Debug)]
pub struct Prints {
    /// The next entry's position.
    next: i64,
    stretches: Vec<(i64, Vec<u8>)>,
}

impl Prints {
    /// For entries that come behind the ledger's last one.
    pub async fn behind_ledger(conn: &mut SqliteConnection) -> Result<Self, Failure> {
        const LAST: &str = "SELECT seq, number, prints FROM sqlite_sequence LEFT JOIN stretches ON number = (seq + 1) >> 10 \
                            WHERE name = 'ledger'";
        match sqlx::query(LAST).fetch_optional(conn).await? {
            Some(row) => Self::behind(&row),
            None => Ok(Self { next: 1, stretches: Vec::new() }),
        }
    }

    /// For entries that come behind a row's first column, of which the others say what is there of their stretch.
    fn behind(row: &SqliteRow) -> Result<Self, Failure> {
        let mut row = Reader::new(row);
        let last = row.int()?;
        let number = row.maybe(Reader::int)?;
        let prints = row.maybe(|row| row.bytes().map(<[u8]>::to_vec))?;
        Ok(Self { next: last + 1, stretches: number.zip(prints).into_iter().collect() })
    }

    /// Adds those of the next entry.
    pub fn put(&mut self, entry: &LedgerEntry) {
        self.put_names([
            entry.team.as_ref().map(TeamId::as_bytes),
            entry.member.as_ref().map(UserId::as_bytes),
            entry.subscription.as_ref().map(SubscriptionId::as_bytes),
            entry.id.as_ref().map(OperationId::as_bytes),
        ]);
    }

    fn put_names(&mut self, names: Names<'_>) {
        let number = stretch(self.next);
        if self.stretches.last().is_none_or(|(last, _)| *last != number) {
            self.stretches.push((number, Vec::with_capacity(PRINT_BYTES << STRETCH_BITS)));
        }
        let (_, prints) = self.stretches.last_mut().expect("there is the one of the next entry");
        // Positions that no entry has have zeros.
        prints.resize((self.next - (number << STRETCH_BITS)) as usize * PRINT_BYTES, 0);
        names.into_iter().for_each(|name| prints.extend(print(name)));
        self.next += 1;
    }

    /// Saves them.
    pub async fn save(self, conn: &mut SqliteConnection) -> Result<(), Failure> {
        const SAVE: Bulk = Bulk {
            head: "INSERT INTO stretches (number, prints) VALUES",
            columns: 2,
            tail: "ON CONFLICT (number) DO UPDATE SET prints = excluded.prints",
        };
        let bind = |values: &mut Values, (number, prints): &(i64, Vec<u8>)| {
            values.put(*number).put(prints.as_slice());
        };
        SAVE.execute(conn, &self.stretches, bind).await
    }
}

/// Adds those that are missing of entries of an earlier version, some in each transaction.
pub async fn catch_up(conn: &mut SqliteConnection) -> Result<(), Failure> {
    while catch_up_some(conn).await? {}
    Ok(())
}

async fn catch_up_some(conn: &mut SqliteConnection) -> Result<bool, Failure> {
    const HAVE: &str = "SELECT (number << 10) + length(prints) / 8 - 1, number, prints FROM stretches \
                        ORDER BY number DESC LIMIT 1";
    const LACK: &str = "SELECT position, team, member, subscription, id FROM ledger WHERE position >= ? \
                        ORDER BY position LIMIT ?";
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let mut prints = match sqlx::query(HAVE).fetch_optional(&mut *tx).await? {
        Some(row) => Prints::behind(&row)?,
        None => Prints { next: 1, stretches: Vec::new() },
    };
    let rows = sqlx::query(LACK).bind(prints.next).bind(CAUGHT_UP).fetch_all(&mut *tx).await?;
    if rows.is_empty() {
        tx.rollback().await?;
        return Ok(false);
    }
    for row in &rows {
        let mut row = Reader::new(row);
        prints.next = row.int()?;
        let mut name = || row.maybe(Reader::text).map(|name| name.map(str::as_bytes));
        prints.put_names([name()?, name()?, name()?, name()?]);
    }
    prints.save(&mut tx).await?;
    tx.commit().await?;
    Ok(true)
}
