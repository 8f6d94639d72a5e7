//! Rows in the binary form of `COPY`. It takes half the server's work of an `INSERT` with as many
//! arrays. See <https://www.postgresql.org/docs/15/sql-copy.html>.

use sqlx::postgres::{PgConnection, PgCopyIn};
use uuid::Uuid;

use super::failure::Failure;
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
    /// Begins to copy into the columns that `statement` names.
    pub async fn begin(conn: &'c mut PgConnection, statement: &str, columns: i16) -> Result<Self, Failure> {
        let to = conn.copy_in_raw(statement).await?;
        let mut bytes = Vec::with_capacity(CHUNK_BYTES + 4_096);
        // The signature, then no flags and no extension.
        bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        Ok(Self { to, row: Buffer { bytes, columns: 0 }, columns })
    }

    /// Adds a row.
    pub async fn add(&mut self, put: impl FnOnce(&mut Buffer)) -> Result<(), Failure> {
        self.row.columns = 0;
        self.row.bytes.extend_from_slice(&self.columns.to_be_bytes());
        put(&mut self.row);
        assert_eq!(self.row.columns, self.columns, "every column has a value");
        if self.row.bytes.len() >= CHUNK_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        self.to.send(self.row.bytes.as_slice()).await?;
        self.row.bytes.clear();
        Ok(())
    }

    /// Ends; answers how many rows came in.
    pub async fn finish(mut self) -> Result<u64, Failure> {
        self.row.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.send().await?;
        Ok(self.to.finish().await?)
    }
}

impl Buffer {
    fn value(&mut self, value: Option<&[u8]>) -> &mut Self {
        self.columns += 1;
        match value {
            Some(value) => {
                let length = i32::try_from(value.len()).expect("texts are far shorter than 2 GiB");
                self.bytes.extend_from_slice(&length.to_be_bytes());
                self.bytes.extend_from_slice(value);
            }
            None => self.bytes.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
        self
    }

    /// The next column, a text or JSON.
    pub fn text(&mut self, value: Option<&str>) -> &mut Self {
        self.value(value.map(str::as_bytes))
    }

    /// The next column, an integer.
    pub fn int(&mut self, value: Option<i64>) -> &mut Self {
        self.value(value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
    }

    /// The next column, a counter.
    pub fn count(&mut self, value: Option<u64>) -> &mut Self {
        self.int(value.map(|count| i64::try_from(count).expect("counters stay below 2^63")))
    }

    /// The next column, a time.
    pub fn time(&mut self, value: Option<impl Into<Time>>) -> &mut Self {
        self.value(value.map(|at| at.into().to_bytes()).as_ref().map(<[u8; 8]>::as_slice))
    }

    /// The next column, yes or no.
    pub fn flag(&mut self, value: bool) -> &mut Self {
        self.value(Some(&[u8::from(value)]))
    }

    /// The next column, an id of 128 bits.
    pub fn uuid(&mut self, value: Option<u128>) -> &mut Self {
        self.value(value.map(|id| Uuid::from_u128(id).into_bytes()).as_ref().map(<[u8; 16]>::as_slice))
    }
}
