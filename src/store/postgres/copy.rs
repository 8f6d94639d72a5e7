//! Rows in the binary form of `COPY`. It takes half the server's work of an `INSERT` with as many
//! arrays, and less again without the columns of which no row has a value. See <https://www.postgresql.org/docs/15/sql-copy.html>.

use std::borrow::Cow;

use sqlx::postgres::{PgConnection, PgCopyIn};

use super::failure::Failure;
use super::row::Row;
use super::table::Table;
use super::values::Time;

/// What is sent at once, while further rows are made; the last part is once to twice as long. The driver sends the end in a
/// packet of its own, and the system holds it back until all before is acknowledged, which a server's system puts off by
/// 40 ms as long as no more than one packet waits for it. On one machine a packet has 64 KiB, so the last part is one and a
/// bit: neither alone in one, nor so long that what it ends with is left alone.
const PART_BYTES: usize = 64 * 1024;

/// Rows on their way.
pub struct Copy<'c> {
    to: PgCopyIn<&'c mut PgConnection>,
    row: Buffer,
}

/// Values one after the other, as the server reads them.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    columns: Vec<bool>,
    next: usize,
    sent: i16,
}

/// The columns of which a row has a value.
#[derive(Debug, Default)]
pub struct Used {
    columns: Vec<bool>,
    next: usize,
}

impl<'c> Copy<'c> {
    /// Begins to copy rows of a table's columns into one of its partitions, or itself; no row has a value of a
    /// column that is not in use.
    pub async fn begin(conn: &'c mut PgConnection, table: &Table, part: &str, used: Used) -> Result<Self, Failure> {
        let names = table.names();
        assert_eq!(names.len(), used.columns.len(), "the columns are the table's");
        let names: Vec<_> =
            names.into_iter().zip(&used.columns).filter_map(|(name, used)| used.then_some(name)).collect();
        let statement = format!("COPY {part} ({}) FROM STDIN (FORMAT binary)", names.join(", "));
        let to = conn.copy_in_raw(&statement).await?;
        let mut bytes = Vec::with_capacity(2 * PART_BYTES + 4_096);
        // The signature, then no flags and no extension.
        bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        let sent = i16::try_from(names.len()).expect("a table has at most 1 600 columns");
        bytes.extend_from_slice(&sent.to_be_bytes());
        Ok(Self { to, row: Buffer { bytes, columns: used.columns, next: 0, sent } })
    }

    /// The row that is next.
    pub const fn row(&mut self) -> &mut Buffer {
        &mut self.row
    }

    /// Ends a row.
    pub async fn next(&mut self) -> Result<(), Failure> {
        assert_eq!(self.row.next, self.row.columns.len(), "every column has a value");
        self.row.next = 0;
        while self.row.bytes.len() >= 2 * PART_BYTES {
            self.send(PART_BYTES).await?;
        }
        self.row.bytes.extend_from_slice(&self.row.sent.to_be_bytes());
        Ok(())
    }

    async fn send(&mut self, count: usize) -> Result<(), Failure> {
        self.to.send(&self.row.bytes[..count]).await?;
        self.row.bytes.drain(..count);
        Ok(())
    }

    /// Ends; answers how many rows came in.
    pub async fn finish(mut self) -> Result<u64, Failure> {
        // In the place of a further row's number of columns stands the end.
        let begun = self.row.bytes.len() - 2;
        self.row.bytes.truncate(begun);
        self.row.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.send(self.row.bytes.len()).await?;
        Ok(self.to.finish().await?)
    }
}

impl Buffer {
    fn value(&mut self, value: Option<&[u8]>) {
        let is_used = self.columns[self.next];
        self.next += 1;
        match value {
            _ if !is_used => assert!(value.is_none(), "a column with a value is in use"),
            Some(value) => {
                let length = i32::try_from(value.len()).expect("texts are far shorter than 2 GiB");
                self.bytes.extend_from_slice(&length.to_be_bytes());
                self.bytes.extend_from_slice(value);
            }
            None => self.bytes.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }
}

impl<'a> Row<'a> for Buffer {
    fn text(&mut self, value: Option<Cow<'a, str>>) {
        self.value(value.as_deref().map(str::as_bytes));
    }

    fn int(&mut self, value: Option<i64>) {
        self.value(value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }

    fn time(&mut self, value: Option<Time>) {
        self.value(value.map(Time::to_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }

    fn flag(&mut self, value: bool) {
        self.value(Some(&[u8::from(value)]));
    }

    fn uuid(&mut self, value: Option<u128>) {
        self.value(value.map(u128::to_be_bytes).as_ref().map(<[u8; 16]>::as_slice));
    }
}

impl Used {
    /// Ends a row.
    pub const fn end_row(&mut self) {
        self.next = 0;
    }

    fn value(&mut self, is_there: bool) {
        match self.columns.get_mut(self.next) {
            Some(used) => *used |= is_there,
            None => self.columns.push(is_there),
        }
        self.next += 1;
    }
}

impl<'a> Row<'a> for Used {
    fn text(&mut self, value: Option<Cow<'a, str>>) {
        self.value(value.is_some());
    }

    fn int(&mut self, value: Option<i64>) {
        self.value(value.is_some());
    }

    fn time(&mut self, value: Option<Time>) {
        self.value(value.is_some());
    }

    fn flag(&mut self, _: bool) {
        self.value(true);
    }

    fn uuid(&mut self, value: Option<u128>) {
        self.value(value.is_some());
    }
}
