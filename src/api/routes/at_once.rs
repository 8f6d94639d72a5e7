//! Debits and holds as most are: they come as a whole and are decided at once, so that only what makes them durable is
//! waited for.
//!
//! What is wrong with a body is told by the way of all others, to which a request is left as long as nothing was done.

use std::sync::Arc;
use std::time::Instant;

use super::answers::{Answer, Decision};
use super::asks::{Asked, DrawBody, Key};
use super::decisions::{Turn, drawn_lent, drawn_now};
use super::guard::{caught_now, guard};
use super::{plain_answer, plain_draw};
use crate::api::auth::{Access, Caller};
use crate::api::json::{is_json, text};
use crate::api::listen::{Decided, Plain};
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::domain::SubscriptionId;
use crate::engine::{DrawFault, Drawn};
use crate::metrics::Route;
use crate::service::Together;

/// What a body asks for: [`DrawBody::debit`] or [`DrawBody::hold`].
pub type Asks = fn(DrawBody, Key, &App) -> Result<Asked, Problem>;

/// What the head of a connection's last request told, for the next one, which mostly has the same.
#[derive(Default)]
pub struct Known(Option<Asker>);

/// What is told before the body is looked at.
struct Asker {
    /// The number of that head.
    head: u64,
    /// Who may call, as it was then; `None`: who calls is known for a time only, as by a JWT.
    access: Option<Arc<Access>>,
    caller: Caller,
    key: Key,
    is_json: bool,
}

impl Known {
    /// What the head of this request tells.
    fn asker(&mut self, request: &Plain<'_>, app: &App) -> Result<&Asker, Problem> {
        let access = app.access.load();
        if self.0.as_ref().is_some_and(|asker| !asker.is_of(request, &access)) {
            self.0 = None;
        }
        match &mut self.0 {
            Some(asker) => Ok(asker),
            none => Ok(none.insert(Asker::of(request, &access, app)?)),
        }
    }
}

impl Asker {
    fn of(Plain { headers, head, .. }: &Plain<'_>, access: &Arc<Access>, app: &App) -> Result<Self, Problem> {
        let mut lasts = true;
        let now = || {
            lasts = false;
            app.service.clock().now()
        };
        let caller = access.identify(headers, now)?;
        let access = lasts.then(|| Arc::clone(access));
        Ok(Self { head: *head, access, caller, key: Key::of(headers)?, is_json: is_json(headers) })
    }

    /// Whether it is what the head of this request tells, too.
    fn is_of(&self, request: &Plain<'_>, access: &Arc<Access>) -> bool {
        self.head == request.head && self.access.as_ref().is_some_and(|known| Arc::ptr_eq(known, access))
    }
}

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
    pub fn decide(self, asks: Asks, request: &Plain<'_>, known: &mut Known) -> Option<Decided<'a>> {
        let decided = caught_now(|| self.draw(asks, request, known)).flatten();
        decided.unwrap_or_else(|problem| Some(Decided::Refused(self.refused(problem))))
    }

    fn draw(self, asks: Asks, request: &Plain<'_>, known: &mut Known) -> Result<Option<Decided<'a>>, Problem> {
        let Asker { caller, key, is_json, .. } = known.asker(request, self.app)?;
        let Some(body) = text(request.body, self.app.bodies).filter(|_| *is_json) else { return Ok(None) };
        let asked = asks(plain_draw::read(body)?, key.clone(), self.app)?;
        let clock = self.app.service.clock();
        let start = clock.instant();
        Ok(Some(match drawn_now(Turn::alone(self.app, caller), &asked, clock.now())? {
            (Drawn::Short(subscription), _) => self.lent(caller.clone(), asked, subscription),
            (drawn, output_tokens) => {
                let together = Together::of(&drawn);
                let body = plain_answer::answer(asked.draw.id, drawn, output_tokens);
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
