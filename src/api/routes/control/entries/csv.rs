//! Entries as comma-separated values.
//!
//! Callers choose ids, and people open such files in spreadsheets, which take a cell that begins
//! with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula. Such a cell gets a `'` in front, which spreadsheets
//! do not show; so does one that begins with `'`, so that taking one `'` off a cell that begins with
//! it always gives back the exact text.

use std::fmt::Display;

use super::row::EntryRow;

/// The header line's names: those of the JSON fields, in the same order.
pub const NAMES: [&str; 29] = [
    "position",
    "at",
    "kind",
    "team",
    "member",
    "payer",
    "subscription",
    "id",
    "credits",
    "window",
    "spent",
    "refunded",
    "held",
    "unheld",
    "unheld_until",
    "above_window",
    "above",
    "expires_at",
    "returned",
    "debt",
    "late",
    "refers_to",
    "model",
    "rates",
    "grant",
    "actor",
    "incarnation",
    "seq",
    "detail",
];

/// Lines of a header and of rows, each ended by CRLF (RFC 4180).
pub fn lines(header: bool, rows: &[EntryRow]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let infallible = "writing to memory does not fail";
    if header {
        writer.write_record(NAMES).expect(infallible);
    }
    for row in rows {
        writer.write_record(cells(row)).expect(infallible);
    }
    writer.into_inner().expect(infallible)
}

/// A row's cells; empty for what does not apply.
fn cells(row: &EntryRow) -> [String; 29] {
    [
        cell(row.position),
        cell(row.at.0),
        cell(row.kind),
        maybe(row.team.as_ref().map(|v| &v.0)),
        maybe(row.member.as_ref().map(|v| &v.0)),
        maybe(row.payer),
        maybe(row.subscription.as_ref().map(|v| &v.0)),
        maybe(row.id.as_ref().map(|v| &v.0)),
        maybe(row.credits.as_ref().map(|v| &v.0)),
        maybe(row.window.as_ref().map(|v| &v.0)),
        maybe(row.spent.as_ref().map(|v| &v.0)),
        maybe(row.refunded.as_ref().map(|v| &v.0)),
        maybe(row.held.as_ref().map(|v| &v.0)),
        maybe(row.unheld.as_ref().map(|v| &v.0)),
        maybe(row.unheld_until.as_ref().map(|v| &v.0)),
        maybe(row.above_window.as_ref().map(|v| &v.0)),
        maybe(row.above.as_ref().map(|v| &v.0)),
        maybe(row.expires_at.as_ref().map(|v| &v.0)),
        maybe(row.returned.as_ref().map(|v| &v.0)),
        maybe(row.debt.as_ref().map(|v| &v.0)),
        cell(row.late),
        maybe(row.refers_to.as_ref().map(|v| &v.0)),
        maybe(row.model.as_deref()),
        maybe(row.rates.as_deref()),
        maybe(row.grant),
        maybe(row.actor.as_deref()),
        maybe(row.incarnation),
        maybe(row.seq),
        maybe(row.detail.as_ref().map(|v| v.get())),
    ]
}

fn maybe(value: Option<impl Display>) -> String {
    value.map_or_else(String::new, cell)
}

fn cell(value: impl Display) -> String {
    let text = value.to_string();
    if text.starts_with(['=', '+', '-', '@', '\'', '\t', '\r']) { format!("'{text}") } else { text }
}
