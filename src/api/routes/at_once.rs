//! Debits and holds as most are: they come as a whole and are decided at once, so that only what makes them durable is
//! waited for.
//!
//! What is wrong with a body is told by the way of all others, to which a request is left as long as nothing was done.

use std::time::Instant;

use super::answers::{ANSWER_BYTES, Answer, Decision, write};
use super::asks::{Asked, DrawBody, Key};
use super::decisions::{Turn, drawn_lent, drawn_now};
use super::guard::{caught_now, guard};
use crate::api::auth::Caller;
use crate::api::json::{read, text};
use crate::api::listen::{Decided, Plain};
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::domain::SubscriptionId;
use crate::engine::{DrawFault, Drawn};
use crate::metrics::Route;
use crate::service::Together;

/// What a body asks for: [`DrawBody::debit`] or [`DrawBody::hold`].
pub type Asks = fn(DrawBody, Key, &App) -> Result<Asked, Problem>;

/// What decides, and counts.
#[derive(Clone, Copy)]
pub struct AtOnce<'a> {
    /// Decides.
    pub app: &'a App,
    /// Counts answers.
    pub route: &'a Route,
}

impl<'a> AtOnce<'a> {
    /// Decides what a request asks for; `None`: nothing was done.
    pub fn decide(self, asks: Asks, request: &Plain<'_>) -> Option<Decided<'a>> {
        let decided = caught_now(|| self.draw(asks, request)).flatten();
        decided.unwrap_or_else(|problem| Some(Decided::Refused(self.refused(problem))))
    }

    fn draw(self, asks: Asks, request: &Plain<'_>) -> Result<Option<Decided<'a>>, Problem> {
        let caller = Caller::of(request.headers, self.app)?;
        let key = Key::of(request.headers)?;
        let Some(body) = text(request.headers, request.body, self.app.bodies) else { return Ok(None) };
        let asked = asks(read(body)?, key, self.app)?;
        let clock = self.app.service.clock();
        let start = clock.instant();
        Ok(Some(match drawn_now(Turn::alone(self.app, &caller), &asked, clock.now())? {
            (Drawn::Short(subscription), _) => self.lent(caller, asked, subscription),
            (drawn, output_tokens) => {
                let together = Together::of(&drawn);
                let mut body = Vec::with_capacity(ANSWER_BYTES);
                write(&mut body, &Decision::new(Some(asked.draw.id), drawn, output_tokens));
                Decided::Json(body, Box::pin(self.confirmed(together, start)))
            }
        }))
    }

    /// Returns once an answer that was decided from `start` on may be given.
    async fn confirmed(self, together: Together, start: Instant) -> Result<(), Problem> {
        let durable = self.durable(together).await;
        self.app.service.took(start, 1);
        durable.map_err(|problem| self.refused(problem))?;
        self.route.answered(200);
        Ok(())
    }

    /// A draw that is short of a lease.
    fn lent(self, caller: Caller, asked: Asked, subscription: SubscriptionId) -> Decided<'a> {
        let answer = async move {
            let (drawn, output_tokens) = drawn_lent(Turn::alone(self.app, &caller), &asked, subscription).await?;
            self.durable(Together::of(&drawn)).await?;
            Ok(Answer(Decision::new(Some(asked.draw.id), drawn, output_tokens)).answer())
        };
        let answer = async { answer.await.unwrap_or_else(|problem: Problem| problem.answer()) };
        Decided::Open(Box::pin(guard(self.route.clone(), answer)))
    }

    async fn durable(self, together: Together) -> Result<(), Problem> {
        self.app.service.durable_together(together).await.map_err(|_| DrawFault::Unconfirmed.into())
    }

    /// Counts it as an answer.
    fn refused(self, problem: Problem) -> Problem {
        self.route.answered(problem.code.status().as_u16());
        problem
    }
}
