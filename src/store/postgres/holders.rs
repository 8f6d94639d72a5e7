//! What each sidecar was lent: the columns that holders of funds and of members' limits share.

use super::failure::Failure;
use super::table::Arrays;
use super::values::{Reader, Time};
use crate::root::Holder;
use uuid::Uuid;

/// The columns of a holder behind a table's own key.
macro_rules! holder_columns {
    ($($key:expr),*) => {
        &[
            $($key,)*
            ("sidecar", $crate::store::postgres::table::Holds::Uuid),
            ("granted", $crate::store::postgres::table::Holds::Int),
            ("spent", $crate::store::postgres::table::Holds::Int),
            ("refunded", $crate::store::postgres::table::Holds::Int),
            ("returned", $crate::store::postgres::table::Holds::Int),
            ("lost", $crate::store::postgres::table::Holds::Int),
            ("forgiven", $crate::store::postgres::table::Holds::Int),
            ("owed", $crate::store::postgres::table::Holds::Int),
            ("held", $crate::store::postgres::table::Holds::Int),
            ("until", $crate::store::postgres::table::Holds::Time),
            ("asked_at", $crate::store::postgres::table::Holds::Time),
            ("step", $crate::store::postgres::table::Holds::Int),
            ("borrowed", $crate::store::postgres::table::Holds::Int),
        ]
    };
}
pub(super) use holder_columns;

/// Reads the columns of a holder.
pub fn read(row: &mut Reader<'_>) -> Result<Holder, Failure> {
    Ok(Holder {
        sidecar: row.word_by(uuid)?,
        granted: row.credits()?,
        spent: row.credits()?,
        refunded: row.credits()?,
        returned: row.credits()?,
        lost: row.credits()?,
        forgiven: row.credits()?,
        owed: row.credits()?,
        held: row.credits()?,
        until: row.time()?,
        asked_at: row.time()?,
        step: row.credits()?,
        borrowed: row.credits()?,
    })
}

/// Adds the columns of holders.
pub fn put<'t, R>(arrays: &mut Arrays, rows: &'t [R], of: impl Fn(&'t R) -> &'t Holder) {
    arrays.put(rows, |row| text(of(row).sidecar));
    arrays.put(rows, |row| of(row).granted.micros()).put(rows, |row| of(row).spent.micros());
    arrays.put(rows, |row| of(row).refunded.micros()).put(rows, |row| of(row).returned.micros());
    arrays.put(rows, |row| of(row).lost.micros()).put(rows, |row| of(row).forgiven.micros());
    arrays.put(rows, |row| of(row).owed.micros()).put(rows, |row| of(row).held.micros());
    arrays.put(rows, |row| Time::from(of(row).until)).put(rows, |row| Time::from(of(row).asked_at));
    arrays.put(rows, |row| of(row).step.micros()).put(rows, |row| of(row).borrowed.micros());
}

/// A sidecar's id from its text.
pub fn uuid(text: &str) -> Option<u128> {
    Uuid::parse_str(text).ok().map(|uuid| uuid.as_u128())
}

/// A sidecar's id as a text.
pub fn text(id: u128) -> String {
    Uuid::from_u128(id).to_string()
}
