//! What sidecars have yet to enter, as the JSON text that Redis keeps of it.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::rows::{Json, is_none_said};
use super::text;
use crate::domain::{Credits, Operation, OperationId, RateVersion, Timestamp};
use crate::root::pending::{Pending, PendingKey};
use crate::store::pending::{Flat, heard, heard_json, scope};

/// What a sidecar has yet to enter.
#[derive(Serialize, Deserialize)]
struct PendingRow {
    #[serde(with = "text")]
    owner: u128,
    #[serde(with = "text")]
    by: u128,
    seq: u64,
    scope: String,
    #[serde(with = "text")]
    id: OperationId,
    what: String,
    #[serde(default, skip_serializing_if = "is_none_said")]
    reused: bool,
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    credits: Option<Credits>,
    #[serde(with = "text::maybe_time", default, skip_serializing_if = "is_none_said")]
    expires_at: Option<Timestamp>,
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    refund: Option<OperationId>,
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    rates: Option<RateVersion>,
    #[serde(with = "text::time")]
    at: Timestamp,
    heard: String,
}

impl Json for Pending {
    fn json(&self) -> String {
        let Flat { what, reused, credits, expires_at, refund } = Flat::of(&self.what);
        let Self { owner, key: PendingKey { by, seq }, operation, at, .. } = self;
        let (scope, id, what) = (operation.scope.to_string(), operation.id.clone(), what.to_owned());
        let heard = heard_json(&self.heard);
        let (owner, by, seq, rates, at) = (*owner, *by, *seq, self.rates, *at);
        let row = PendingRow { owner, by, seq, scope, id, what, reused, credits, expires_at, refund, rates, at, heard };
        serde_json::to_string(&row).expect("texts and numbers are JSON")
    }

    fn of_json(text: &str, place: &str) -> Result<Self, Failure> {
        let row: PendingRow = serde_json::from_str(text).map_err(|error| Failure::value(place, error.to_string()))?;
        let wrong = || Failure::value(place, "does not say what is pending");
        let PendingRow { owner, by, seq, id, reused, credits, expires_at, refund, rates, at, .. } = row;
        let flat = Flat { what: "", reused, credits, expires_at, refund };
        let what = Flat::read(&row.what, flat).ok_or_else(wrong)?;
        let operation = Operation { scope: scope(&row.scope).ok_or_else(wrong)?, id };
        let heard = heard(&row.heard).ok_or_else(wrong)?;
        Ok(Self { owner, key: PendingKey { by, seq }, operation, what, rates, at, heard })
    }
}
