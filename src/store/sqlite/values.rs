//! Binding values to statements and reading them back from rows, column by column in the order in
//! which the statement names them.

use std::str::FromStr;
use std::sync::Arc;

use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Decode, Encode, Row, Type, ValueRef};

use super::failure::Failure;
use crate::domain::{Credits, IdError, Timestamp};

/// Values for a statement's parameters.
#[derive(Default)]
pub struct Values(SqliteArguments);

impl Values {
    /// Binds the next value.
    pub fn put<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        self.0.add(value).expect("integers and texts can always be bound");
        self
    }

    /// Binds the next value, a text. Copied once: the driver's own way takes a second allocation.
    pub fn put_text(&mut self, text: Option<&str>) -> &mut Self {
        self.put(text.map(Arc::<str>::from))
    }

    /// Binds the next value, a counter.
    pub fn put_count(&mut self, count: u64) -> &mut Self {
        self.put(i64::try_from(count).expect("counters stay below 2^63"))
    }
}

/// Reads a row's columns one after the other.
pub struct Reader<'r> {
    row: &'r SqliteRow,
    next: usize,
}

impl<'r> Reader<'r> {
    /// Starts at the first column.
    pub fn new(row: &'r SqliteRow) -> Self {
        Self { row, next: 0 }
    }

    fn take<T: Decode<'r, Sqlite> + Type<Sqlite>>(&mut self) -> Result<T, Failure> {
        let value = self.row.try_get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    fn wrong(&self, cause: impl Into<String>) -> Failure {
        let column = self.row.columns().get(self.next - 1).map(|column| sqlx::Column::name(column).to_owned());
        Failure::Value { column: column.unwrap_or_default(), cause: cause.into() }
    }

    /// The next column, an integer.
    pub fn int(&mut self) -> Result<i64, Failure> {
        self.take()
    }

    /// The next column, an integer that fits `T`.
    pub fn count<T: TryFrom<i64>>(&mut self) -> Result<T, Failure> {
        let value = self.int()?;
        T::try_from(value).map_err(|_| self.wrong(format!("{value} is out of range")))
    }

    /// The next column, yes or no.
    pub fn flag(&mut self) -> Result<bool, Failure> {
        Ok(self.int()? != 0)
    }

    /// The next column, a text.
    pub fn text(&mut self) -> Result<&'r str, Failure> {
        self.take()
    }

    /// The next column, bytes.
    pub fn bytes(&mut self) -> Result<&'r [u8], Failure> {
        self.take()
    }

    /// The next column, an amount in micro-credits.
    pub fn credits(&mut self) -> Result<Credits, Failure> {
        let micros = self.int()?;
        Credits::from_micros(micros).ok_or_else(|| self.wrong(format!("{micros} is not an amount of micro-credits")))
    }

    /// The next column, a time in milliseconds.
    pub fn time(&mut self) -> Result<Timestamp, Failure> {
        let millis = self.int()?;
        Timestamp::from_millis(millis).ok_or_else(|| self.wrong(format!("{millis} is not a time from 1970 to 9999")))
    }

    /// The next column, an id.
    pub fn id<T>(&mut self, make: fn(&str) -> Result<T, IdError>) -> Result<T, Failure> {
        let text = self.text()?;
        make(text).map_err(|error| self.wrong(format!("{text:?} {error}")))
    }

    /// The next column, one of the words of `T`.
    pub fn word<T: FromStr>(&mut self) -> Result<T, Failure> {
        let text = self.text()?;
        text.parse().map_err(|_| self.wrong(format!("{text:?} is none of the words known here")))
    }

    /// The next column, one of the words of `T`, found by `parse`.
    pub fn word_by<T>(&mut self, parse: fn(&str) -> Option<T>) -> Result<T, Failure> {
        let text = self.text()?;
        parse(text).ok_or_else(|| self.wrong(format!("{text:?} is none of the words known here")))
    }

    /// The next column, JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let text = self.text()?;
        serde_json::from_str(text).map_err(|error| self.wrong(error.to_string()))
    }

    /// The next column, or `None` where it is null.
    pub fn maybe<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, Failure>) -> Result<Option<T>, Failure> {
        if self.row.try_get_raw(self.next)?.is_null() {
            self.next += 1;
            return Ok(None);
        }
        read(self).map(Some)
    }
}

/// A statement over many rows of values: `head (?, ?), (?, ?) tail`.
pub struct Bulk<'a> {
    /// Up to `VALUES`; may have parameters of its own: see [`Bulk::execute_with`].
    pub head: &'a str,
    /// Values of one row.
    pub columns: usize,
    /// What follows the rows.
    pub tail: &'a str,
}

/// How many rows one statement takes: few sizes, so that every statement is prepared only once, and large ones, because each
/// statement is handed to another thread and waited for.
const CHUNKS: [usize; 6] = [1_024, 256, 64, 16, 4, 1];

/// The most rows of one statement.
pub const ROWS_MAX: usize = CHUNKS[0];

/// The most parameters of one statement in SQLite.
const PARAMETERS_MAX: usize = 32_766;

impl<'b> Bulk<'b> {
    /// Deletes by a key of two columns. SQLite searches by the key only where the rows come from a
    /// simple SELECT; from plain VALUES it would scan the table.
    pub const fn delete(head: &'b str) -> Self {
        Self { head, columns: 2, tail: "))" }
    }

    fn sql(&self, rows: usize) -> String {
        let row = format!("({}?),", "?,".repeat(self.columns - 1));
        let rows = row.repeat(rows);
        format!("{} {} {}", self.head, rows.trim_end_matches(','), self.tail)
    }

    /// Cuts rows into chunks and binds each, behind what `begin` binds.
    fn chunks<'a, T>(
        &'a self,
        mut rows: &'a [T],
        begin: impl Fn(&mut Values) + 'a,
        bind: impl Fn(&mut Values, &T) + 'a,
    ) -> impl Iterator<Item = (String, SqliteArguments)> + 'a {
        assert!(self.columns * ROWS_MAX <= PARAMETERS_MAX);
        std::iter::from_fn(move || {
            let size = CHUNKS.into_iter().find(|&size| size <= rows.len())?;
            let (chunk, rest) = rows.split_at(size);
            rows = rest;
            let mut values = Values::default();
            values.0.reserve(size * self.columns, 0);
            begin(&mut values);
            let begun = values.0.len();
            chunk.iter().for_each(|row| bind(&mut values, row));
            assert_eq!(values.0.len() - begun, size * self.columns, "every column is bound");
            Some((self.sql(size), values.0))
        })
    }

    /// Runs the statement over all rows.
    pub async fn execute<T: Sync>(
        &self,
        conn: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&mut Values, &T) + Send,
    ) -> Result<(), Failure> {
        self.execute_with(conn, rows, |_| (), bind).await
    }

    /// As [`Self::execute`], where `begin` binds the parameters of the head.
    pub async fn execute_with<T: Sync>(
        &self,
        conn: &mut SqliteConnection,
        rows: &[T],
        begin: impl Fn(&mut Values) + Send,
        bind: impl Fn(&mut Values, &T) + Send,
    ) -> Result<(), Failure> {
        for (sql, values) in self.chunks(rows, begin, bind) {
            sqlx::query_with(AssertSqlSafe(sql), values).execute(&mut *conn).await?;
        }
        Ok(())
    }

    /// Runs the statement over all rows and answers what it finds.
    pub async fn fetch<T: Sync>(
        &self,
        conn: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&mut Values, &T) + Send,
    ) -> Result<Vec<SqliteRow>, Failure> {
        let mut found = Vec::new();
        for (sql, values) in self.chunks(rows, |_| (), bind) {
            found.extend(sqlx::query_with(AssertSqlSafe(sql), values).fetch_all(&mut *conn).await?);
        }
        Ok(found)
    }
}
