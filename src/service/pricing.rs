//! What something costs, where an edge is told what was used instead: the rate card prices draws as it stands, and settles
//! as it stood when the hold was given.

use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::decisions::{EndError, Taken, Together};
use super::{Service, Unable};
use crate::domain::{Credits, Model, OperationId, Priced};
use crate::engine::{Allowed, EndFault, HoldTerms, Pricing, Scope, Settled, Terms};
use crate::rates::{Card, Unpriced, Usage};
use crate::root::Sharing;
use crate::store::{self, Filter, Kind};

/// What something costs, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// So much.
    Credits(Credits),
    /// What the rate card says of this.
    Usage(Usage),
}

impl From<Credits> for Cost {
    fn from(credits: Credits) -> Self {
        Self::Credits(credits)
    }
}

impl Cost {
    /// What was used, where that is what is told.
    pub const fn usage(&self) -> Option<&Usage> {
        match self {
            Self::Usage(usage) => Some(usage),
            Self::Credits(_) => None,
        }
    }
}

/// What a draw asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// How much it costs.
    pub credits: Credits,
    /// How the rate card comes into it.
    pub pricing: Pricing,
    /// Why it has no price: then it is answered only where it was answered before, else
    /// [`DrawFault::Unpriced`](crate::engine::DrawFault::Unpriced).
    pub unpriced: Option<Unpriced>,
}

impl Service {
    /// What a debit, a hold or a check of a cost asks for, by the card in force. A hold keeps its version, so that its
    /// settle is priced by it even where the hold was not.
    #[inline]
    pub fn quote(&self, model: Option<&Model>, cost: &Cost, is_hold: bool) -> Quote {
        let usage = match cost {
            Cost::Credits(credits) => {
                let rates = if is_hold { self.cards.version() } else { None };
                return Quote { credits: *credits, pricing: Pricing { rates, ..Pricing::default() }, unpriced: None };
            }
            Cost::Usage(usage) => usage,
        };
        let card = self.cards.current();
        let (rates, usage_print) = (card.as_ref().map(|card| card.version()), Some(fingerprint(usage)));
        let priced = card.ok_or(Unpriced::NoRate).and_then(|card| card.cost(model, usage));
        let pricing = Pricing { rates, usage: usage_print, is_unpriced: priced.is_err() };
        Quote { credits: priced.unwrap_or_default(), pricing, unpriced: priced.err() }
    }

    /// How many tokens the answer may have that a hold pays for which was asked with a usage.
    pub fn output_tokens(&self, model: Option<&Model>, usage: &Usage, allowed: &Allowed) -> Option<u64> {
        let card = self.cards.of(allowed.rates?)?;
        card.rate(model).ok()?.affordable(usage, allowed.credits).ok()
    }

    /// Ends a hold with its real cost, as [`Service::settle`]. A usage is priced by the card of the hold; `model` counts only
    /// where the hold's own is not known.
    ///
    /// # Errors
    /// As [`Service::settle`], and [`EndError::Unpriced`].
    pub async fn settle_cost(
        &self,
        scope: &Scope,
        id: &OperationId,
        cost: &Cost,
        model: Option<&Model>,
        together: Option<&Together>,
    ) -> Result<Taken<Settled>, EndError> {
        let priced = match cost {
            Cost::Credits(credits) => (*credits).into(),
            Cost::Usage(usage) => self.price_end(scope, id, usage, model).await?,
        };
        self.settle(scope, id, priced, together).await
    }

    /// What a usage costs that a hold is settled with.
    async fn price_end(
        &self,
        scope: &Scope,
        id: &OperationId,
        usage: &Usage,
        model: Option<&Model>,
    ) -> Result<Priced, EndError> {
        // What an ended call has not said of its answer, it has not used.
        let usage = Usage { output_tokens: usage.output_tokens.or(Some(usage.reasoning_tokens)), ..*usage };
        let terms = match self.meter.hold_terms(scope, id) {
            HoldTerms::Priced(terms) => Some(terms),
            HoldTerms::Unpriced => None,
            HoldTerms::Unknown if self.store.sharing() == Sharing::Sole => {
                return Err(EndError::Fault(EndFault::NotFound));
            }
            HoldTerms::Unknown | HoldTerms::Ended => self.terms_told(scope, id).await?,
        };
        let (card, model) = match &terms {
            Some(terms) => (self.card_of(terms), terms.model.as_ref().or(model)),
            None => (self.cards.current(), model),
        };
        let card = card.ok_or(EndError::Unpriced(Unpriced::NoRate))?;
        let credits = card.cost(model, &usage).map_err(EndError::Unpriced)?;
        Ok(Priced { credits, rates: Some(card.version()) })
    }

    /// The card of a hold; where that is lost, the one in force: a settle is not refused for that.
    fn card_of(&self, terms: &Terms) -> Option<Arc<Card>> {
        if let Some(card) = self.cards.of(terms.rates) {
            return Some(card);
        }
        self.metrics.holds.repriced.increment(1);
        tracing::warn!(version = %terms.rates, "the rate card of a hold is lost; its settle is priced by the one in force");
        self.cards.current()
    }

    /// The terms of a hold that another sidecar has, as far as it has told, or of one that has long ended here.
    async fn terms_told(&self, scope: &Scope, id: &OperationId) -> Result<Option<Terms>, Unable> {
        let scope = match scope {
            Scope::Team(team) => store::Scope::Team(team.clone()),
            Scope::User(user) => store::Scope::User(user.clone()),
        };
        let (kind, id, newest_first) = (Some(Kind::Held), Some(id.clone()), true);
        let filter = Filter { scope, kind, id, newest_first, ..Filter::default() };
        let found = self.entries(&filter, None, 1).await?.pop();
        Ok(found.and_then(|held| Some(Terms { rates: held.rates?, model: held.model })))
    }
}

/// The same for the same usage, today and after a restart.
fn fingerprint(usage: &Usage) -> u64 {
    let Usage { input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, images, second_micros } = *usage;
    let mut hash = SipHasher13::new();
    hash.write_u8(u8::from(output_tokens.is_some()));
    let numbers =
        [input_tokens, cached_input_tokens, output_tokens.unwrap_or(0), reasoning_tokens, images, second_micros];
    numbers.into_iter().for_each(|number| hash.write_u64(number));
    hash.finish()
}
