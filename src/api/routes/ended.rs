//! What ends and refunds answer, as it stands on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Left, is_false};
use crate::api::wire::{Amount, Wire, WireTime};
use crate::domain::AskedEnd;
use crate::engine::{Asked, Ended, Settled};
use crate::service::Taken;

/// A settled hold.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Settled, example = json!({
    "charged": "0.75", "returned": "0.5", "debt": "0", "late": false, "remaining": {"member": "49.25", "payer": "949.25"}
}))]
pub struct SettledBody {
    /// The real cost, all of it.
    pub charged: Amount,
    /// What of the hold was not needed; null while that is not known here.
    #[schema(required)]
    pub returned: Option<Amount>,
    /// What of the cost the payer could not cover; null while that is not known here.
    #[schema(required)]
    pub debt: Option<Amount>,
    /// Settled at or after the hold's expiry.
    pub late: bool,
    /// What is left now; null while that is not known here.
    #[schema(required)]
    pub remaining: Option<Left>,
    /// It was settled just so before; there only when true.
    #[serde(skip_serializing_if = "is_false")]
    pub replayed: bool,
    /// Another sidecar has the hold or the debit and is told: once, with its next sync. There only when true.
    #[serde(skip_serializing_if = "is_false")]
    pub pending: bool,
}

/// A released hold.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Released, example = json!({"returned": "1.25", "remaining": {"member": "50", "payer": "950"}}))]
pub struct ReleasedBody {
    /// What was set aside; null while that is not known here.
    #[schema(required)]
    pub returned: Option<Amount>,
    /// What is left now; null while that is not known here.
    #[schema(required)]
    pub remaining: Option<Left>,
    /// It was released before; there only when true.
    #[serde(skip_serializing_if = "is_false")]
    pub replayed: bool,
    /// Another sidecar has the hold or the debit and is told: once, with its next sync. There only when true.
    #[serde(skip_serializing_if = "is_false")]
    pub pending: bool,
}

/// A hold with a new expiry.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Extended, example = json!({
    "held": "1.25", "expires_at": "2026-11-22T12:06:00Z", "remaining": {"member": "48.75", "payer": "948.75"}
}))]
pub struct ExtendedBody {
    /// What stays set aside; null while that is not known here.
    #[schema(required)]
    pub held: Option<Amount>,
    /// From when on it counts as returned.
    #[schema(required)]
    pub expires_at: Option<WireTime>,
    /// What is left now; null while that is not known here.
    #[schema(required)]
    pub remaining: Option<Left>,
    /// Another sidecar has the hold or the debit and is told: once, with its next sync. There only when true.
    #[serde(skip_serializing_if = "is_false")]
    pub pending: bool,
}

/// A refunded debit.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Refunded, example = json!({"refunded": "1.25", "remaining": {"member": "50", "payer": "950"}}))]
pub struct RefundedBody {
    /// What is given back; null while that is not known here.
    #[schema(required)]
    pub refunded: Option<Amount>,
    /// What is left now; null while that is not known here.
    #[schema(required)]
    pub remaining: Option<Left>,
    /// It was refunded just so before; there only when true.
    #[serde(skip_serializing_if = "is_false")]
    pub replayed: bool,
    /// Another sidecar has the hold or the debit and is told: once, with its next sync. There only when true.
    #[serde(skip_serializing_if = "is_false")]
    pub pending: bool,
}

impl From<Taken<Settled>> for SettledBody {
    fn from(taken: Taken<Settled>) -> Self {
        match taken {
            Taken::Here(Settled { charged, returned, debt, late, remaining, replayed, seq: _ }) => {
                let (charged, returned, debt) = (Amount(charged), Some(Amount(returned)), Some(Amount(debt)));
                Self { charged, returned, debt, late, remaining: Some(remaining.into()), replayed, pending: false }
            }
            Taken::Elsewhere(Asked { end, replayed, .. }) => {
                let (charged, returned, debt) = (Amount(end.credits().unwrap_or_default()), None, None);
                Self { charged, returned, debt, late: false, remaining: None, replayed, pending: true }
            }
        }
    }
}

/// What an end answers that is entered here: the credits, what is left, whether it is replayed; nothing but
/// the last where another sidecar enters it.
fn parts(taken: &Taken<Ended>) -> (Option<Amount>, Option<Left>, bool, bool) {
    match taken {
        Taken::Here(ended) => (Some(Amount(ended.credits)), Some(ended.remaining.into()), ended.replayed, false),
        Taken::Elsewhere(asked) => (asked.end.credits().map(Amount), None, asked.replayed, true),
    }
}

impl From<Taken<Ended>> for ReleasedBody {
    fn from(taken: Taken<Ended>) -> Self {
        let (returned, remaining, replayed, pending) = parts(&taken);
        Self { returned, remaining, replayed, pending }
    }
}

impl From<Taken<Ended>> for ExtendedBody {
    fn from(taken: Taken<Ended>) -> Self {
        let (held, remaining, _, pending) = parts(&taken);
        let expires_at = match taken {
            Taken::Here(ended) => ended.expires_at,
            Taken::Elsewhere(Asked { end: AskedEnd::Extend { expires_at }, .. }) => Some(expires_at),
            Taken::Elsewhere(_) => None,
        };
        Self { held, expires_at: expires_at.map(Wire), remaining, pending }
    }
}

impl From<Taken<Ended>> for RefundedBody {
    fn from(taken: Taken<Ended>) -> Self {
        let (refunded, remaining, replayed, pending) = parts(&taken);
        Self { refunded, remaining, replayed, pending }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;
    use crate::domain::{Credits, OperationId, Timestamp};

    fn asked(end: AskedEnd) -> Asked {
        Asked { end, replayed: false, seq: 1 }
    }

    #[test]
    fn what_another_sidecar_enters_is_pending_and_what_is_not_known_is_null() {
        let credits = Credits::from_credits(7).expect("small");
        let settled = SettledBody::from(Taken::Elsewhere(asked(AskedEnd::Settle { credits })));
        let expected = json!({
            "charged": "7", "returned": null, "debt": null, "late": false, "remaining": null, "pending": true
        });
        assert_eq!(to_value(settled).expect("it is JSON"), expected);
        let released = ReleasedBody::from(Taken::Elsewhere(Asked { replayed: true, ..asked(AskedEnd::Release) }));
        let expected = json!({"returned": null, "remaining": null, "replayed": true, "pending": true});
        assert_eq!(to_value(released).expect("it is JSON"), expected);
        let expires_at = Timestamp::from_millis(0).expect("a time");
        let extended = ExtendedBody::from(Taken::Elsewhere(asked(AskedEnd::Extend { expires_at })));
        let expected = json!({
            "held": null, "expires_at": "1970-01-01T00:00:00Z", "remaining": null, "pending": true
        });
        assert_eq!(to_value(extended).expect("it is JSON"), expected);
        for (part, refunded) in
            [(None, json!(null)), (Some((OperationId::new("r").expect("an id"), credits)), json!("7"))]
        {
            let body = RefundedBody::from(Taken::Elsewhere(asked(AskedEnd::Refund { part })));
            let expected = json!({"refunded": refunded, "remaining": null, "pending": true});
            assert_eq!(to_value(body).expect("it is JSON"), expected);
        }
    }
}
