//! The `detail` of a ledger entry: what a change of control set, in the names and forms of the wire
//! contract. Nothing reads it back; all that an audit needs has columns of its own.

use serde_json::{Value, json};

use crate::domain::{AskedEnd, Member};
use crate::root::sidecar::id_text;
use crate::root::{Change, Status, Terms};

/// The detail of a change, where it has more to say than the entry's own columns.
pub fn of(change: &Change) -> Option<String> {
    let detail = match change {
        Change::SubscriptionPut { terms, .. } => of_terms(terms),
        Change::Granted { kind, .. } => json!({ "kind": kind.as_str() }),
        Change::TeamPut { name, owner, .. } => json!({ "name": name, "owner": owner.as_str() }),
        Change::MemberPut { member, .. } => of_member(member),
        Change::WhitelistPut { enabled, models, .. } => {
            json!({ "enabled": enabled, "models": models.iter().map(|m| m.as_str()).collect::<Vec<_>>() })
        }
        Change::SidecarWrittenOff { sidecar, host } => json!({ "sidecar": id_text(*sidecar), "host": host }),
        Change::HoldEnded(ended) => json!({ "sidecar": id_text(ended.hold.sidecar) }),
        Change::FundsForgiven { sidecar, .. } | Change::LimitForgiven { sidecar, .. } => {
            json!({ "sidecar": id_text(*sidecar) })
        }
        Change::Assigned { .. } | Change::Unassigned { .. } | Change::MemberRemoved { .. } | Change::EndOrphaned(_) => {
            return None;
        }
    };
    Some(detail.to_string())
}

/// How a draw was to end.
pub fn of_end(end: &AskedEnd) -> String {
    let word = end.as_str();
    let detail = match end {
        AskedEnd::Extend { expires_at } => json!({ "end": word, "expires_at": expires_at.to_string() }),
        AskedEnd::Refund { part: Some((id, _)) } => json!({ "end": word, "id": id.as_str() }),
        _ => json!({ "end": word }),
    };
    detail.to_string()
}

/// The word for a status on the wire and in the tables.
pub const fn status_text(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Canceled => "canceled",
    }
}

fn of_terms(terms: &Terms) -> Value {
    json!({
        "owner": terms.owner.as_str(),
        "plan": terms.plan,
        "status": status_text(terms.status),
        "seats": terms.seats,
        "credits_per_seat": terms.credits_per_seat.to_string(),
        "billing_anchor": terms.anchor.to_string(),
        "rollover": {
            "cap": terms.rollover.cap.map(|cap| cap.to_string()),
            "windows": terms.rollover.windows,
        },
        "features": {
            "private_workflows": terms.features.private_workflows,
            "save_history": terms.features.save_history,
            "model_whitelist": terms.features.model_whitelist,
        },
    })
}

fn of_member(member: &Member) -> Value {
    json!({
        "role": member.role.as_str(),
        "access": member.access.as_str(),
        "limit": member.limit.map(|limit| limit.to_string()),
        "opted_out": member.opted_out,
    })
}
