//! What the service and the engine refuse, as problems.

use crate::api::json::Fault;
use crate::api::problem::{Code, Problem};
use crate::domain::{Model, OutOfRange};
use crate::engine::{DrawFault, End, EndFault};
use crate::rates::Unpriced;
use crate::service::{EndError, Unable};
use crate::store::StoreError;

/// Why the service could not do what was asked. Files and causes go to the log only.
pub fn unable(unable: &Unable) -> Problem {
    let away = |detail: &'static str| Problem::new(Code::Unavailable, detail);
    match unable {
        Unable::Journal => away("The journal takes no entries; see this sidecar's log."),
        Unable::Stopping => away("This sidecar is stopping; ask again or ask another one."),
        Unable::Timeout => away("The store did not answer in time; the same request may be sent again."),
        Unable::Store(error @ StoreError::Unavailable(_)) => {
            tracing::warn!(%error, "the store is away");
            away("The store is away; the same request may be sent again.")
        }
        Unable::Store(error @ (StoreError::Rejected(_) | StoreError::Corrupt(_))) => {
            tracing::error!(%error, "the store refuses");
            Problem::new(Code::Internal, "The store cannot do this; see this sidecar's log.")
        }
    }
}

impl From<Unable> for Problem {
    fn from(error: Unable) -> Self {
        unable(&error)
    }
}

impl From<DrawFault> for Problem {
    fn from(fault: DrawFault) -> Self {
        match fault {
            DrawFault::IdReused => id_reused(),
            DrawFault::Unpriced => unpriced(Unpriced::NoRate, None),
            DrawFault::OutOfRange(error) => out_of_range(error),
            DrawFault::Unconfirmed => Self::new(Code::Unavailable, fault.to_string()),
        }
    }
}

impl From<EndError> for Problem {
    fn from(error: EndError) -> Self {
        let fault = match error {
            EndError::Unable(unable) => return unable.into(),
            EndError::Unpriced(why) => return unpriced(why, None),
            EndError::Fault(fault) => fault,
        };
        match fault {
            EndFault::NotFound => {
                let detail = "There is no such hold or debit in this team, or of this member; ids are kept for a time.";
                Self::new(Code::NotFound, detail)
            }
            EndFault::HoldEnded(end) => Self::new(Code::HoldEnded, ended(&end)),
            EndFault::AboveDebit { left } => {
                Self::new(Code::InvalidValue, format!("Only {left} credits of the debit are left to refund."))
                    .at("/credits")
            }
            EndFault::IdReused => id_reused(),
            EndFault::OutOfRange(error) => out_of_range(error),
            EndFault::Short(_) => Unable::Timeout.into(),
            EndFault::Unavailable => Unable::Journal.into(),
        }
    }
}

/// Why a usage has no price.
pub fn unpriced(why: Unpriced, model: Option<&Model>) -> Problem {
    let (code, field) = match why {
        Unpriced::NoRate => {
            let of = model.map_or_else(|| "a call without a model".to_owned(), |model| format!("{model}"));
            let detail = format!("The rate card has no rate for {of}; send credits instead, or name it there.");
            return Problem::new(Code::NoRate, detail).at("/usage");
        }
        Unpriced::CachedAboveInput => (Code::InvalidValue, Some("cached_input_tokens")),
        Unpriced::ReasoningAboveOutput => (Code::InvalidValue, Some("reasoning_tokens")),
        Unpriced::OutputUnknown => (Code::MissingField, Some("output_tokens")),
        Unpriced::TooLarge => (Code::InvalidValue, None),
    };
    let fault = Fault::new(code, why.to_string());
    field.into_iter().fold(fault, Fault::in_field).in_field("usage").into()
}

fn ended(end: &End) -> String {
    match end {
        End::Settled { charged, .. } => format!("The hold was settled with {charged} credits before."),
        End::Released { .. } => "The hold was released before.".to_owned(),
        End::Expired => "The hold has expired; it can still be settled.".to_owned(),
    }
}

fn id_reused() -> Problem {
    Problem::new(Code::IdReused, "This id was used before with other content; use a new id.").at("/id")
}

fn out_of_range(error: OutOfRange) -> Problem {
    Problem::new(Code::InvalidValue, format!("A sum would be out of range: {error}.")).at("/credits")
}
