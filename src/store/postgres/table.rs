//! A table as statements see it: its columns and its key. Many rows are written by one statement whose
//! parameters are arrays, one per column. What a row means is known to the module of its table.

use sqlx::postgres::{PgArguments, PgConnection, PgHasArrayType, Postgres};
use sqlx::{Arguments, AssertSqlSafe, Encode, Type};

use super::failure::Failure;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// `text`.
    Text,
    /// `bigint`.
    Int,
    /// `boolean`.
    Flag,
    /// `timestamptz`.
    Time,
    /// `json`; a text on the way.
    Json,
    /// `uuid`; a text on the way.
    Uuid,
}

impl Holds {
    const fn on_the_way(self) -> &'static str {
        match self {
            Self::Text | Self::Json | Self::Uuid => "text",
            Self::Int => "bigint",
            Self::Flag => "boolean",
            Self::Time => "timestamptz",
        }
    }

    const fn cast(self) -> &'static str {
        match self {
            Self::Json => "::json",
            Self::Uuid => "::uuid",
            Self::Text | Self::Int | Self::Flag | Self::Time => "",
        }
    }
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns in the order in which rows are read and written; those of the key come first.
    pub columns: &'static [(&'static str, Holds)],
    /// How many columns the key has.
    pub key: usize,
}

/// One array per column, all of the same rows in the same order.
#[derive(Default)]
pub struct Arrays {
    arguments: PgArguments,
    columns: usize,
}

impl Arrays {
    /// Adds the next column of the rows.
    pub fn put<'t, R, V>(&mut self, rows: &'t [R], value: impl Fn(&'t R) -> V) -> &mut Self
    where
        V: PgHasArrayType + Type<Postgres> + Encode<'t, Postgres> + 't,
    {
        let values: Vec<V> = rows.iter().map(value).collect();
        self.arguments.add(values).expect("integers, texts and times can always be bound");
        self.columns += 1;
        self
    }

    /// Adds the next column of the rows, a counter.
    pub fn put_count<'t, R>(&mut self, rows: &'t [R], value: impl Fn(&'t R) -> u64) -> &mut Self {
        self.put(rows, |row| i64::try_from(value(row)).expect("counters stay below 2^63"))
    }
}

impl Table {
    /// The columns, to be read by a `SELECT`.
    pub fn list(&self) -> String {
        let read = self.columns.iter().map(|(name, holds)| match holds.cast() {
            "" => (*name).to_owned(),
            _ => format!("{name}::text"),
        });
        read.collect::<Vec<_>>().join(", ")
    }

    fn unnest(columns: &[(&str, Holds)]) -> String {
        let arrays = columns.iter().enumerate().map(|(n, (_, holds))| format!("${}::{}[]", n + 1, holds.on_the_way()));
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        format!("unnest({}) AS new ({})", arrays.collect::<Vec<_>>().join(", "), names.join(", "))
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(name, _)| *name).collect()
    }

    /// Adds rows that are not there: takes one array per column.
    pub fn insert(&self) -> String {
        let names = self.names();
        let values: Vec<_> = self.columns.iter().map(|(name, holds)| format!("new.{name}{}", holds.cast())).collect();
        let from = Self::unnest(self.columns);
        format!("INSERT INTO {} ({}) SELECT {} FROM {from}", self.name, names.join(", "), values.join(", "))
    }

    fn upsert(&self) -> String {
        let names = self.names();
        let (key, rest) = names.split_at(self.key);
        let set: Vec<_> = rest.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        format!("{} ON CONFLICT ({}) DO UPDATE SET {}", self.insert(), key.join(", "), set.join(", "))
    }

    fn delete(&self) -> String {
        let key = &self.columns[..self.key];
        let same = key.iter().map(|(name, holds)| format!("old.{name} = new.{name}{}", holds.cast()));
        let same = same.collect::<Vec<_>>().join(" AND ");
        format!("DELETE FROM {} AS old USING {} WHERE {same}", self.name, Self::unnest(key))
    }

    /// Adds rows that are not there.
    pub async fn add<R>(&self, conn: &mut PgConnection, rows: &[R], put: impl Fn(&mut Arrays)) -> Result<(), Failure> {
        self.execute(conn, rows, self.insert(), self.columns.len(), put).await
    }

    /// Adds rows, or replaces those with the same key.
    pub async fn save<R>(&self, conn: &mut PgConnection, rows: &[R], put: impl Fn(&mut Arrays)) -> Result<(), Failure> {
        self.execute(conn, rows, self.upsert(), self.columns.len(), put).await
    }

    /// Deletes the rows with these keys.
    pub async fn forget<R>(
        &self,
        conn: &mut PgConnection,
        keys: &[R],
        put: impl Fn(&mut Arrays),
    ) -> Result<(), Failure> {
        self.execute(conn, keys, self.delete(), self.key, put).await
    }

    fn execute<'c, R>(
        &self,
        conn: &'c mut PgConnection,
        rows: &[R],
        sql: String,
        columns: usize,
        put: impl Fn(&mut Arrays),
    ) -> impl Future<Output = Result<(), Failure>> + Send + 'c {
        let mut arrays = Arrays::default();
        let is_empty = rows.is_empty();
        if !is_empty {
            put(&mut arrays);
            assert_eq!(arrays.columns, columns, "every column of {} is bound", self.name);
        }
        async move {
            if !is_empty {
                sqlx::query_with(AssertSqlSafe(sql), arrays.arguments).execute(conn).await?;
            }
            Ok(())
        }
    }
}
