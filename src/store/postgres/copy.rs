//! Rows in the binary form of `COPY`. It takes half the server's work of an `INSERT` with as many
//! arrays. See <https://www.postgresql.org/docs/15/sql-copy.html>.

use std::borrow::Cow;

use sqlx::postgres::{PgConnection, PgCopyIn};

use super::failure::Failure;
use super::row::Row;
use super::table::Table;
use super::values::Time;

/// Rows that are made while the server takes those before.
const CHUNK_BYTES: usize = 256 * 1024;

/// Rows on their way.
pub struct Copy<'c> {
    to: PgCopyIn<&'c mut PgConnection>,
    row: Buffer,
    columns: i16,
}

/// Values one after the other, as the server reads them.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    columns: i16,
}

impl<'c> Copy<'c> {
    /// Begins to copy into all columns of a table.
    pub async fn begin(conn: &'c mut PgConnection, table: &Table) -> Result<Self, Failure> {
        let names = table.names();
        let statement = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.name, names.join(", "));
        let to = conn.copy_in_raw(&statement).await?;
        let mut row = Buffer { bytes: Vec::with_capacity(CHUNK_BYTES + 4_096), columns: 0 };
        // The signature, then no flags and no extension.
        row.bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        let columns = i16::try_from(names.len()).expect("a table has at most 1 600 columns");
        row.bytes.extend_from_slice(&columns.to_be_bytes());
        Ok(Self { to, row, columns })
    }

    /// The row that is next.
    pub const fn row(&mut self) -> &mut Buffer {
        &mut self.row
    }

    /// Ends a row.
    pub async fn next(&mut self) -> Result<(), Failure> {
        assert_eq!(self.row.columns, self.columns, "every column has a value");
        self.row.columns = 0;
        if self.row.bytes.len() >= CHUNK_BYTES {
            self.send().await?;
        }
        self.row.bytes.extend_from_slice(&self.columns.to_be_bytes());
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        self.to.send(self.row.bytes.as_slice()).await?;
        self.row.bytes.clear();
        Ok(())
    }

    /// Ends; answers how many rows came in.
    pub async fn finish(mut self) -> Result<u64, Failure> {
        // In the place of a further row's number of columns stands the end.
        let begun = self.row.bytes.len() - 2;
        self.row.bytes.truncate(begun);
        self.row.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.send().await?;
        Ok(self.to.finish().await?)
    }
}

impl Buffer {
    fn value(&mut self, value: Option<&[u8]>) {
        self.columns += 1;
        match value {
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
