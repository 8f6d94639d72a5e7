//! An entry on the wire: flat, with the same names in JSON, NDJSON and CSV.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::wire::{Amount, Wire, WireOperation, WireSubscription, WireTeam, WireTime, WireUser};
use crate::domain::Payer;
use crate::store::LedgerEntry;

/// One entry of the ledger. What does not apply to its kind is left out. In the window that starts at
/// `window` it adds `spent`, `refunded` and `held` to the sums of the subscription (and, where `payer`
/// is `pool`, of the member) and takes `unheld` off what is held; where `above_window` is there, it
/// also adds `above` to what is spent in that later window.
#[derive(Serialize, ToSchema)]
#[serde(rename = "Entry")]
#[schema(as = Entry)]
pub struct EntryRow {
    /// Its place in the ledger; rises without gaps over all teams.
    pub position: u64,
    /// When it was decided.
    pub at: WireTime,
    /// What it records, such as `debited`, `held`, `settled`, `granted` or `member_put`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// The team in whose name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<WireTeam>,
    /// Who draws, or the member that was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<WireUser>,
    /// `pool` or `wallet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub payer: Option<&'static str>,
    /// The subscription that is drawn on, or was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription: Option<WireSubscription>,
    /// The operation's or the purchase's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<WireOperation>,
    /// What it charged, set aside, returned, refunded or granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<Amount>,
    /// The start of the window that it moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WireTime>,
    /// Charged there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spent: Option<Amount>,
    /// Refunded there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Amount>,
    /// Set aside there, until `expires_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Amount>,
    /// No longer set aside there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unheld: Option<Amount>,
    /// When what is no longer set aside would have expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unheld_until: Option<WireTime>,
    /// The start of the later window in which it charges what a settle took above its hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above_window: Option<WireTime>,
    /// Charged in the later window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<Amount>,
    /// When the hold or the grant expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<WireTime>,
    /// What of a hold was not needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned: Option<Amount>,
    /// What of a settle the payer could not cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debt: Option<Amount>,
    /// Settled at or after the hold's expiry.
    pub late: bool,
    /// The debit or hold that was refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refers_to: Option<WireOperation>,
    /// The model, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The version of the rate card that priced it; of a hold, that prices its settle. 16 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<String>,
    /// The grant's number within the subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<u64>,
    /// Who asked for a change: `user:ID` or `service:NAME`; left out where time brought it about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The incarnation of the sidecar that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u64>,
    /// Its number in the sidecar's journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The values of a change as they stood from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub detail: Option<Box<RawValue>>,
}

impl From<LedgerEntry> for EntryRow {
    fn from(entry: LedgerEntry) -> Self {
        let moves = entry.moves;
        let (held, unheld) = (moves.and_then(|m| m.held), moves.and_then(|m| m.unheld));
        let above = moves.and_then(|m| m.above);
        Self {
            position: entry.position,
            at: Wire(entry.at),
            kind: entry.kind.as_str(),
            team: entry.team.map(Wire),
            member: entry.member.map(Wire),
            payer: entry.payer.map(Payer::as_str),
            subscription: entry.subscription.map(Wire),
            id: entry.id.map(Wire),
            credits: entry.credits.map(Amount),
            window: moves.map(|m| Wire(m.window)),
            spent: moves.map(|m| Amount(m.spent)),
            refunded: moves.map(|m| Amount(m.refunded)),
            held: held.map(|set| Amount(set.credits)),
            unheld: unheld.map(|set| Amount(set.credits)),
            unheld_until: unheld.map(|set| Wire(set.expires_at)),
            above_window: above.map(|(window, _)| Wire(window)),
            above: above.map(|(_, spent)| Amount(spent)),
            expires_at: entry.expires_at.map(Wire),
            returned: entry.returned.map(Amount),
            debt: entry.debt.map(Amount),
            late: entry.late,
            refers_to: entry.refers_to.map(Wire),
            model: entry.model.map(|model| model.to_string()),
            rates: entry.rates.map(|rates| rates.to_string()),
            grant: entry.grant,
            actor: entry.actor,
            incarnation: entry.incarnation,
            seq: entry.seq,
            detail: entry.detail.and_then(|detail| RawValue::from_string(detail).ok()),
        }
    }
}
