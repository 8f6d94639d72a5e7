//! The model's words for what the meter asks and answers.

use purser::domain::{Ask, Denial, Payer};
use purser::engine::{Allowed, Draw as MeterDraw, DrawFault, Drawn, EndFault, Remaining, Settled};

use super::ends::Ended;
use super::history::Draw;
use super::model::{Answer, Deny, Left};
use super::setting::{amount, model_name, number, operation, team, user};

pub fn meter_draw(draw: &Draw) -> MeterDraw {
    let min_credits = draw.min.map(amount);
    let ask = Ask { credits: amount(draw.micros), min_credits, model: draw.model.map(model_name) };
    let (team, member) = (draw.team.map(team), user(draw.user));
    MeterDraw { id: operation(draw.id), team, member, ask, ttl_millis: draw.ttl, pricing: Default::default() }
}

pub fn plain(answer: Result<Drawn, DrawFault>) -> Answer {
    match answer {
        Ok(Drawn::Allowed(allowed)) => plain_allowed(&allowed),
        Ok(Drawn::Denied(denial)) => Answer::Deny(plain_denial(&denial)),
        Ok(Drawn::Short(short)) => Answer::Short(number(short.as_str())),
        Err(DrawFault::IdReused) => Answer::IdReused,
        Err(fault) => panic!("{fault}"),
    }
}

fn plain_allowed(allowed: &Allowed) -> Answer {
    Answer::Allow {
        micros: allowed.credits.micros(),
        on_pool: allowed.drawer.payer == Payer::Pool,
        subscription: number(allowed.drawer.subscription.as_str()),
        until: allowed.expires_at.map(|at| at.millis()),
        left: plain_left(allowed.remaining),
        replayed: allowed.replayed,
    }
}

pub fn plain_left(remaining: Remaining) -> Left {
    (remaining.member.map(|left| left.micros()), remaining.payer.micros())
}

fn plain_denial(denial: &Denial) -> Deny {
    Deny {
        reason: denial.reason.as_str(),
        next: denial.next_step.as_str(),
        numbers: denial.numbers.map(|n| (n.limit.micros(), n.used.micros(), n.held.micros())),
        resets: denial.resets_at.map(|at| at.millis()),
        retry: denial.retry_after_ms.map(|millis| millis as i64),
        debt: denial.debt.map(|debt| debt.micros()),
    }
}

pub fn plain_settled(settled: Result<Settled, EndFault>) -> Ended {
    let settled = settled.map(|settled| Ended::Settled {
        charged: settled.charged.micros(),
        returned: settled.returned.micros(),
        debt: settled.debt.micros(),
        late: settled.late,
        left: plain_left(settled.remaining),
        replayed: settled.replayed,
    });
    settled.unwrap_or_else(plain_fault)
}

pub fn plain_fault(fault: EndFault) -> Ended {
    match fault {
        EndFault::NotFound => Ended::NotFound,
        EndFault::HoldEnded(_) => Ended::HoldOver,
        EndFault::AboveDebit { left } => Ended::AboveDebit(left.micros()),
        EndFault::IdReused => Ended::IdReused,
        EndFault::Short(short) => Ended::Short(number(short.as_str())),
        EndFault::Unavailable => Ended::Unavailable,
        EndFault::OutOfRange(fault) => panic!("{fault}"),
    }
}
