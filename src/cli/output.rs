//! What commands print: tables for people, JSON lines for programs.
//!
//! A reader that goes away early, as in `purser entries | head`, ends the output and is no error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;

/// How answers look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table.
    Table,
    /// One JSON object a line.
    Json,
}

impl Format {
    /// JSON where it was asked for or where standard output is no terminal, else a table.
    pub fn of(json: bool) -> Self {
        if json || !io::stdout().is_terminal() { Self::Json } else { Self::Table }
    }
}

/// A line of a table; as JSON it is the object that its `Serialize` says.
pub trait Row: Serialize {
    /// The headings of the columns.
    const HEADINGS: &'static [&'static str];

    /// A text per column.
    fn cells(&self) -> Vec<String>;
}

/// Where answers go.
#[derive(Debug)]
pub struct Output<W> {
    to: W,
    format: Format,
    /// The reader went away; what follows is dropped.
    closed: bool,
}

impl Output<io::Stdout> {
    /// Standard output.
    pub fn stdout(format: Format) -> Self {
        Self::new(io::stdout(), format)
    }
}

impl<W: Write> Output<W> {
    /// Any writer.
    pub fn new(to: W, format: Format) -> Self {
        Self { to, format, closed: false }
    }

    /// Prints rows: a table that fits the terminal, or one object a line.
    ///
    /// # Errors
    /// When the writer fails otherwise than by its reader going away.
    pub fn rows<R: Row>(&mut self, rows: &[R]) -> io::Result<()> {
        match self.format {
            Format::Table => self.text(&format!("{}\n", table(rows))),
            Format::Json => rows.iter().try_for_each(|row| self.object(row)),
        }
    }

    /// Prints one JSON object on a line, whatever the format.
    ///
    /// # Errors
    /// As [`Output::rows`].
    pub fn object(&mut self, value: &impl Serialize) -> io::Result<()> {
        let line = serde_json::to_string(value)?;
        self.text(&format!("{line}\n"))
    }

    /// Prints text as it is.
    ///
    /// # Errors
    /// As [`Output::rows`].
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Prints bytes as they are, such as a piece of a file that may end within a character.
    ///
    /// # Errors
    /// As [`Output::rows`].
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.to.write_all(bytes).and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            done => done,
        }
    }

    /// Whether the reader went away, so that more work for it is in vain.
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

/// A terminal that says it is narrower has not been told its width, as in many pipelines.
const COLUMNS_MIN: u16 = 40;

/// A line above, below the headings and at the end; none between rows, which fill a screen too fast.
const STYLE: TableStyle = TableStyle::new().top_border(LINE).header_separator(LINE).bottom_border(LINE);

const LINE: LineStyle = LineStyle::none().fill('─').junction('─');

fn table<R: Row>(rows: &[R]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    if table.width().is_some_and(|columns| columns >= COLUMNS_MIN) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(R::HEADINGS);
    for row in rows {
        let cells = row.cells();
        debug_assert_eq!(cells.len(), R::HEADINGS.len(), "a cell per column");
        table.add_row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Draw {
        member: &'static str,
        credits: &'static str,
    }

    impl Row for Draw {
        const HEADINGS: &'static [&'static str] = &["member", "credits"];

        fn cells(&self) -> Vec<String> {
            vec![self.member.to_owned(), self.credits.to_owned()]
        }
    }

    const DRAWS: [Draw; 2] = [Draw { member: "ana", credits: "1.25" }, Draw { member: "bo", credits: "7" }];

    fn printed(format: Format) -> String {
        let mut bytes = Vec::new();
        Output::new(&mut bytes, format).rows(&DRAWS).expect("memory takes it");
        String::from_utf8(bytes).expect("utf-8")
    }

    #[test]
    fn programs_get_one_object_a_line() {
        assert_eq!(
            printed(Format::Json),
            "{\"member\":\"ana\",\"credits\":\"1.25\"}\n{\"member\":\"bo\",\"credits\":\"7\"}\n"
        );
    }

    #[test]
    fn people_get_a_table() {
        let table = printed(Format::Table);
        for word in ["member", "credits", "ana", "1.25", "bo", "7"] {
            assert!(table.contains(word), "{table}");
        }
    }

    struct Gone(ErrorKind);

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one() {
        let mut output = Output::new(Gone(ErrorKind::BrokenPipe), Format::Json);
        assert!(output.rows(&DRAWS).is_ok() && output.is_closed());
        assert!(Output::new(Gone(ErrorKind::StorageFull), Format::Json).rows(&DRAWS).is_err());
    }
}
