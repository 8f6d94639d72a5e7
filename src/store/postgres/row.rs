//! The values of a row, column by column, for a table whose rows are written in one of two ways: as
//! arrays, or by `COPY`.

use std::borrow::Cow;

use sqlx::Arguments;
use sqlx::postgres::PgArguments;
use uuid::Uuid;

use super::table::{Holds, Table};
use super::values::Time;

/// Takes the values of rows, each in the order of the table's columns.
pub trait Row<'a> {
    /// The next column, a text or JSON.
    fn text(&mut self, value: Option<Cow<'a, str>>);
    /// The next column, an integer.
    fn int(&mut self, value: Option<i64>);
    /// The next column, a time.
    fn time(&mut self, value: Option<Time>);
    /// The next column, yes or no.
    fn flag(&mut self, value: bool);
    /// The next column, an id of 128 bits.
    fn uuid(&mut self, value: Option<u128>);
}

/// The values of one column.
#[derive(Debug)]
enum Column<'a> {
    Texts(Vec<Option<Cow<'a, str>>>),
    Ints(Vec<Option<i64>>),
    Times(Vec<Option<Time>>),
    Flags(Vec<bool>),
}

/// Rows as arrays, one per column.
#[derive(Debug)]
pub struct RowArrays<'a> {
    columns: Vec<Column<'a>>,
    next: usize,
}

impl<'a> RowArrays<'a> {
    /// Without a row yet.
    pub fn new(table: &Table) -> Self {
        let column = |holds| match holds {
            Holds::Text | Holds::Json | Holds::Uuid => Column::Texts(Vec::new()),
            Holds::Int => Column::Ints(Vec::new()),
            Holds::Time => Column::Times(Vec::new()),
            Holds::Flag => Column::Flags(Vec::new()),
        };
        Self { columns: table.columns.iter().map(|(_, holds)| column(*holds)).collect(), next: 0 }
    }

    fn column(&mut self) -> &mut Column<'a> {
        let next = self.next;
        self.next = (next + 1) % self.columns.len();
        &mut self.columns[next]
    }

    /// The arrays as the parameters of a statement.
    pub fn finish(self) -> PgArguments {
        assert_eq!(self.next, 0, "every column of the last row has a value");
        let mut arguments = PgArguments::default();
        for column in self.columns {
            let added = match column {
                Column::Texts(values) => arguments.add(values),
                Column::Ints(values) => arguments.add(values),
                Column::Times(values) => arguments.add(values),
                Column::Flags(values) => arguments.add(values),
            };
            added.expect("integers, texts and times can always be bound");
        }
        arguments
    }
}

/// Why a value is never in a column of another kind.
const IN_ORDER: &str = "rows are put in the order of the table's columns";

impl<'a> Row<'a> for RowArrays<'a> {
    fn text(&mut self, value: Option<Cow<'a, str>>) {
        let Column::Texts(values) = self.column() else { unreachable!("{IN_ORDER}") };
        values.push(value);
    }

    fn int(&mut self, value: Option<i64>) {
        let Column::Ints(values) = self.column() else { unreachable!("{IN_ORDER}") };
        values.push(value);
    }

    fn time(&mut self, value: Option<Time>) {
        let Column::Times(values) = self.column() else { unreachable!("{IN_ORDER}") };
        values.push(value);
    }

    fn flag(&mut self, value: bool) {
        let Column::Flags(values) = self.column() else { unreachable!("{IN_ORDER}") };
        values.push(value);
    }

    fn uuid(&mut self, value: Option<u128>) {
        self.text(value.map(|id| Cow::Owned(Uuid::from_u128(id).to_string())));
    }
}
