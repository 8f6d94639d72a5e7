//! Decisions and their ends as messages.

use prost_types::Timestamp as Time;

use super::wire::purser::{
    Allow, Decision, Denial, Extended, NextStep, Payer, Reason, Refunded, Released, Remaining, Settled, decision,
};
use crate::domain::{self, AskedEnd, Credits, OperationId, Timestamp};
use crate::engine::{self, Allowed, Asked, Drawn, Ended};
use crate::service::Taken;

/// The answer to a draw, which pays for an answer of so many tokens; `id` is the one that the caller named.
pub fn decision(id: Option<&OperationId>, drawn: Drawn, output_tokens: Option<u64>) -> Decision {
    let decision = match drawn {
        Drawn::Allowed(allowed) => decision::Decision::Allow(Allow { output_tokens, ..allow(&allowed) }),
        Drawn::Denied(denial) => decision::Decision::Denial(self::denial(&denial)),
        Drawn::Short(_) => unreachable!("the service turns a lease that stays short into a denial"),
    };
    Decision { id: id.map(ToString::to_string), decision: Some(decision) }
}

fn allow(allowed: &Allowed) -> Allow {
    Allow {
        credits_micros: allowed.credits.micros(),
        payer: payer(allowed.drawer.payer).into(),
        subscription: allowed.drawer.subscription.to_string(),
        expires_at: allowed.expires_at.map(time),
        remaining: Some(remaining(allowed.remaining)),
        replayed: allowed.replayed,
        output_tokens: None,
    }
}

fn denial(denial: &domain::Denial) -> Denial {
    let number = |of: fn(&domain::denial::Numbers) -> Credits| denial.numbers.as_ref().map(of).map(Credits::micros);
    Denial {
        reason: reason(denial.reason).into(),
        title: denial.reason.title().to_owned(),
        status: denial.reason.status().into(),
        detail: denial.to_string(),
        team: denial.team.as_ref().map(ToString::to_string),
        member: denial.member.to_string(),
        model: denial.model.as_ref().map(ToString::to_string),
        limit_micros: number(|numbers| numbers.limit),
        used_micros: number(|numbers| numbers.used),
        held_micros: number(|numbers| numbers.held),
        remaining_micros: number(domain::denial::Numbers::remaining),
        debt_micros: denial.debt.map(Credits::micros),
        asked_micros: denial.asked.micros(),
        payer: denial.payer.map_or(Payer::Unspecified, payer).into(),
        resets_at: denial.resets_at.map(time),
        retryable: denial.reason.retryable(),
        retry_after_ms: denial.retry_after_ms,
        next_step: next_step(denial.next_step).into(),
    }
}

/// The answer to a settle.
pub fn settled(taken: Taken<engine::Settled>) -> Settled {
    match taken {
        Taken::Here(settled) => Settled {
            charged_micros: settled.charged.micros(),
            returned_micros: Some(settled.returned.micros()),
            debt_micros: Some(settled.debt.micros()),
            late: settled.late,
            remaining: Some(remaining(settled.remaining)),
            replayed: settled.replayed,
            pending: false,
        },
        Taken::Elsewhere(Asked { end, replayed, .. }) => Settled {
            charged_micros: end.credits().unwrap_or_default().micros(),
            replayed,
            pending: true,
            ..Settled::default()
        },
    }
}

/// What comes back or stays, what is left, whether it was done before, and whether it is done elsewhere.
fn parts(taken: &Taken<Ended>) -> (Option<i64>, Option<Remaining>, bool, bool) {
    match taken {
        Taken::Here(ended) => (Some(ended.credits.micros()), Some(remaining(ended.remaining)), ended.replayed, false),
        Taken::Elsewhere(asked) => (asked.end.credits().map(Credits::micros), None, asked.replayed, true),
    }
}

/// The answer to a release.
pub fn released(taken: &Taken<Ended>) -> Released {
    let (returned_micros, remaining, replayed, pending) = parts(taken);
    Released { returned_micros, remaining, replayed, pending }
}

/// The answer to an extend.
pub fn extended(taken: &Taken<Ended>) -> Extended {
    let (held_micros, remaining, _, pending) = parts(taken);
    let expires_at = match taken {
        Taken::Here(ended) => ended.expires_at,
        Taken::Elsewhere(Asked { end: AskedEnd::Extend { expires_at }, .. }) => Some(*expires_at),
        Taken::Elsewhere(_) => None,
    };
    Extended { held_micros, expires_at: expires_at.map(time), remaining, pending }
}

/// The answer to a refund.
pub fn refunded(taken: &Taken<Ended>) -> Refunded {
    let (refunded_micros, remaining, replayed, pending) = parts(taken);
    Refunded { refunded_micros, remaining, replayed, pending }
}

/// What is left.
pub fn remaining(remaining: engine::Remaining) -> Remaining {
    Remaining { member_micros: remaining.member.map(Credits::micros), payer_micros: remaining.payer.micros() }
}

/// An instant.
pub fn time(at: Timestamp) -> Time {
    let millis = at.millis();
    let nanos = i32::try_from(millis % 1_000 * 1_000_000).expect("below a second");
    Time { seconds: millis / 1_000, nanos }
}

/// Whose credits pay.
pub fn payer(payer: domain::Payer) -> Payer {
    match payer {
        domain::Payer::Pool => Payer::Pool,
        domain::Payer::Wallet => Payer::Wallet,
    }
}

fn reason(reason: domain::Reason) -> Reason {
    use domain::Reason as Why;
    match reason {
        Why::NotAMember => Reason::NotAMember,
        Why::Unavailable => Reason::Unavailable,
        Why::ModelNotAllowed => Reason::ModelNotAllowed,
        Why::InDebt => Reason::InDebt,
        Why::MemberLimit => Reason::MemberLimit,
        Why::PoolExhausted => Reason::PoolExhausted,
        Why::WalletExhausted => Reason::WalletExhausted,
        Why::Held => Reason::Held,
    }
}

fn next_step(step: domain::NextStep) -> NextStep {
    use domain::NextStep as Step;
    match step {
        Step::BuyCredits => NextStep::BuyCredits,
        Step::RaiseLimit => NextStep::RaiseLimit,
        Step::SwitchToPersonal => NextStep::SwitchToPersonal,
        Step::OptBackIn => NextStep::OptBackIn,
        Step::ChooseAnotherModel => NextStep::ChooseAnotherModel,
        Step::AskAdmin => NextStep::AskAdmin,
        Step::Retry => NextStep::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_http_interface() {
        for why in domain::Reason::ALL {
            assert_eq!(reason(why).as_str_name(), format!("REASON_{}", why.as_str().to_uppercase()));
        }
        for whose in [domain::Payer::Pool, domain::Payer::Wallet] {
            assert_eq!(payer(whose).as_str_name(), format!("PAYER_{}", whose.as_str().to_uppercase()));
        }
        use domain::NextStep as Step;
        for step in [
            Step::BuyCredits,
            Step::RaiseLimit,
            Step::SwitchToPersonal,
            Step::OptBackIn,
            Step::ChooseAnotherModel,
            Step::AskAdmin,
            Step::Retry,
        ] {
            assert_eq!(next_step(step).as_str_name(), format!("NEXT_STEP_{}", step.as_str().to_uppercase()));
        }
    }

    #[test]
    fn times_keep_their_milliseconds() {
        let at = Timestamp::from_millis(1_764_288_000_123).expect("a time");
        assert_eq!(time(at), Time { seconds: 1_764_288_000, nanos: 123_000_000 });
    }
}
