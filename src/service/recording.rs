//! Recording what was used without a hold: by who cannot say so before the call, or who counts on its own.
//!
//! A hold of nothing is given and settled at once. So what is charged above a limit or above the funds is what a settle may charge
//! above its hold, by the same rules.

use super::decisions::EndError;
use super::{Service, Taken, Unable};
use crate::domain::{Ask, Credits, Denial, Model, OperationId, Priced, TeamId, UserId};
use crate::engine::{Draw, DrawFault, Drawn, EndFault, Pricing, Scope, Settled};
use crate::rates::Usage;
use crate::service::Cost;

/// How long the hold of nothing is open; it is settled at once.
const OPEN_MILLIS: u64 = 60_000;

/// What was used, and by whom.
#[derive(Clone, Debug)]
pub struct Used {
    /// The record's id.
    pub id: OperationId,
    /// In whose name; `None`: the member's own credits pay.
    pub team: Option<TeamId>,
    /// Who used it.
    pub member: UserId,
    /// Of which model.
    pub model: Option<Model>,
    /// What it comes to.
    pub cost: Cost,
}

/// Why nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrecorded {
    /// There is nobody who could be charged, or this sidecar cannot do it safely now.
    Denied(Box<Denial>),
    /// As for a settle.
    End(EndError),
}

impl From<EndError> for Unrecorded {
    fn from(error: EndError) -> Self {
        Self::End(error)
    }
}

impl From<DrawFault> for Unrecorded {
    fn from(fault: DrawFault) -> Self {
        Self::End(match fault {
            DrawFault::IdReused => EndError::Fault(EndFault::IdReused),
            DrawFault::OutOfRange(range) => EndError::Fault(EndFault::OutOfRange(range)),
            DrawFault::Unconfirmed => EndError::Unable(Unable::Journal),
            DrawFault::Unpriced => unreachable!("it has its price before it is drawn"),
        })
    }
}

impl Service {
    /// Charges what was used, in full; what the payer cannot cover becomes debt.
    ///
    /// # Errors
    /// Nothing is charged then, but for one that could not be made durable.
    pub async fn record(&self, used: Used) -> Result<Settled, Unrecorded> {
        let Used { id, team, member, model, cost } = used;
        // What is not said of the answer was not used.
        let cost = match cost {
            Cost::Usage(usage) => {
                let output_tokens = usage.output_tokens.or(Some(usage.reasoning_tokens));
                Cost::Usage(Usage { output_tokens, ..usage })
            }
            credits @ Cost::Credits(_) => credits,
        };
        let quote = self.quote(model.as_ref(), &cost, true);
        if let Some(why) = quote.unpriced {
            return Err(EndError::Unpriced(why).into());
        }
        let ask = Ask { credits: Credits::ZERO, min_credits: None, model };
        let pricing = Pricing { rates: quote.pricing.rates, ..Pricing::default() };
        let draw = Draw { id, team, member, ask, ttl_millis: Some(OPEN_MILLIS), pricing };
        self.begin(&draw).await?;
        let rates = cost.usage().and(quote.pricing.rates);
        let scope = draw.team.map_or_else(|| Scope::User(draw.member), Scope::Team);
        match self.settle(&scope, &draw.id, Priced { credits: quote.credits, rates }, None).await? {
            Taken::Here(settled) => Ok(settled),
            Taken::Elsewhere(_) => unreachable!("its hold was given here"),
        }
    }

    /// Gives the hold of nothing. That need not be durable before its settle is.
    async fn begin(&self, draw: &Draw) -> Result<(), Unrecorded> {
        let mut drawn = self.meter.record(draw, self.clock.now())?;
        if let Drawn::Short(subscription) = drawn {
            self.lease(subscription).await;
            drawn = self.meter.record(draw, self.clock.now())?;
        }
        match drawn {
            Drawn::Allowed(_) => Ok(()),
            Drawn::Denied(denial) => Err(Unrecorded::Denied(denial)),
            Drawn::Short(_) => Err(EndError::Unable(Unable::Timeout).into()),
        }
    }
}
