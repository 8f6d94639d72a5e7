//! What the service and the engine refuse, as problems.

use crate::api::problem::{Code, Problem};
use crate::domain::OutOfRange;
use crate::engine::{DrawFault, End, EndFault};
use crate::service::{EndError, Unable};
use crate::store::StoreError;

impl From<Unable> for Problem {
    fn from(unable: Unable) -> Self {
        match unable {
            Unable::Store(error @ (StoreError::Rejected(_) | StoreError::Corrupt(_))) => {
                tracing::error!(%error, "the store refused");
                Self::new(Code::Internal, "The store refused what should be right; the log has more.")
            }
            Unable::Store(error) => {
                tracing::warn!(%error, "the store is away");
                Self::new(Code::Unavailable, "The store is away; the same request may be sent again.")
            }
            unable => Self::new(Code::Unavailable, format!("Nothing is half done, but {unable}; send it again.")),
        }
    }
}

impl From<DrawFault> for Problem {
    fn from(fault: DrawFault) -> Self {
        match fault {
            DrawFault::IdReused => id_reused(),
            DrawFault::OutOfRange(error) => out_of_range(error),
        }
    }
}

impl From<EndError> for Problem {
    fn from(error: EndError) -> Self {
        let fault = match error {
            EndError::Unable(unable) => return unable.into(),
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
