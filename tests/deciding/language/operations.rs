//! Commands that draw, end and undo, and the words of their answers:
//!
//! ```text
//! debit d1 ana 20 [model m]                       -> allow credits payer subscription left pool-left
//! hold h1 ana 50 [ttl 60s] [min 10] [model m]     -> the same and until
//! check c1 ana 5                                  -> the same
//! settle h1 70 [of beta]                          -> ok charged returned debt left pool-left
//! release h1 [of ~ana]                            -> ok returned
//! extend h1 90s                                   -> ok until
//! refund d1 [5 as r1] [of beta]                   -> ok refunded
//! ```
//! Words without a value: `replayed` or `fresh`, `late` or `timely`. Denied: `deny REASON`, then
//! `status next asked limit used held remaining debt retry resets payer team`. Refused: `not_found`,
//! `hold_ended`, `above_debit`, `id_reused`, `out_of_range`, `unavailable`.

use purser::domain::{Ask, Denial};
use purser::engine::{Allowed, Draw, DrawFault, Drawn, EndFault, Ended, Remaining};

use super::names::{millis, model, operation, scope, who};
use super::{Answer, Teller, Words};
use crate::support::credits;

impl Teller {
    pub(super) fn operate(&mut self, words: &Words<'_>) -> Answer {
        let (verb, id) = (words.0[0], operation(words.0[1]));
        let scope = scope(words.after("of").unwrap_or("acme"));
        let (meter, now) = (&self.world.meter, self.world.now);
        match verb {
            "settle" => match self.world.settle(&scope, &id, credits(words.0[2])) {
                Err(fault) => refused(&fault),
                Ok(settled) => {
                    let mut answer = Answer::from([
                        ("ok", String::new()),
                        ("charged", settled.charged.to_string()),
                        ("returned", settled.returned.to_string()),
                        ("debt", settled.debt.to_string()),
                        (if settled.late { "late" } else { "timely" }, String::new()),
                        (if settled.replayed { "replayed" } else { "fresh" }, String::new()),
                    ]);
                    left(&mut answer, settled.remaining);
                    answer
                }
            },
            "release" => ended(meter.release(&scope, &id, now), "returned"),
            "extend" => ended(meter.extend(&scope, &id, millis(words.0[2]), now), "kept"),
            "refund" => {
                let part = words.after("as").map(operation);
                let part = part.as_ref().map(|own| (own, credits(words.0[2])));
                ended(meter.refund(&scope, &id, part, now), "refunded")
            }
            _ => self.draw(words),
        }
    }

    fn draw(&mut self, words: &Words<'_>) -> Answer {
        let (verb, who) = (words.0[0], who(words.0[2]));
        let ask = Ask {
            credits: credits(words.0[3]),
            min_credits: words.after("min").map(credits),
            model: words.after("model").map(model),
        };
        let ttl_millis = (verb == "hold").then(|| words.after("ttl").map_or(60_000, millis));
        let draw = Draw {
            id: operation(words.0[1]),
            team: who.team,
            member: who.user,
            ask,
            ttl_millis,
            pricing: Default::default(),
        };
        let answer = if verb == "check" { self.world.check(&draw) } else { self.world.draw(&draw) };
        match answer {
            Ok(Drawn::Allowed(allowed)) => allow(&allowed),
            Ok(Drawn::Denied(denial)) => deny(&denial),
            Ok(Drawn::Short(subscription)) => panic!("{subscription} is short after a sync"),
            Err(DrawFault::IdReused) => Answer::from([("id_reused", String::new())]),
            Err(DrawFault::OutOfRange(_)) => Answer::from([("out_of_range", String::new())]),
            Err(DrawFault::Unpriced) => panic!("credits need no price"),
            Err(DrawFault::Unconfirmed) => panic!("the engine waits for no confirmation"),
        }
    }
}

fn left(answer: &mut Answer, remaining: Remaining) {
    answer.insert("left", remaining.member.map_or("none".to_owned(), |left| left.to_string()));
    answer.insert("pool-left", remaining.payer.to_string());
}

fn allow(allowed: &Allowed) -> Answer {
    let mut answer = Answer::from([
        ("allow", String::new()),
        ("credits", allowed.credits.to_string()),
        ("payer", allowed.drawer.payer.as_str().to_owned()),
        ("subscription", allowed.drawer.subscription.to_string()),
        (if allowed.replayed { "replayed" } else { "fresh" }, String::new()),
    ]);
    if let Some(until) = allowed.expires_at {
        answer.insert("until", until.to_string());
    }
    left(&mut answer, allowed.remaining);
    answer
}

fn deny(denial: &Denial) -> Answer {
    assert!(!denial.to_string().is_empty(), "a denial says why in a sentence");
    assert_eq!(denial.retry_after_ms.is_some(), denial.reason.retryable(), "who may retry is told when");
    let mut answer = Answer::from([
        ("deny", denial.reason.as_str().to_owned()),
        ("status", denial.reason.status().to_string()),
        ("next", denial.next_step.as_str().to_owned()),
        ("asked", denial.asked.to_string()),
        ("payer", denial.payer.map_or("none", |payer| payer.as_str()).to_owned()),
        ("detail", denial.to_string().replace(' ', "_")),
    ]);
    if let Some(numbers) = denial.numbers {
        answer.insert("limit", numbers.limit.to_string());
        answer.insert("used", numbers.used.to_string());
        answer.insert("held", numbers.held.to_string());
        answer.insert("remaining", numbers.remaining().to_string());
    }
    let optional = [
        ("debt", denial.debt.map(|debt| debt.to_string())),
        ("retry", denial.retry_after_ms.map(|millis| millis.to_string())),
        ("resets", denial.resets_at.map(|at| at.to_string())),
        ("team", denial.team.as_ref().map(|team| team.to_string())),
    ];
    answer.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    answer
}

fn ended(result: Result<Ended, EndFault>, name: &'static str) -> Answer {
    match result {
        Err(fault) => refused(&fault),
        Ok(ended) => {
            let mut answer = Answer::from([
                ("ok", String::new()),
                (name, ended.credits.to_string()),
                (if ended.replayed { "replayed" } else { "fresh" }, String::new()),
            ]);
            if let Some(until) = ended.expires_at {
                answer.insert("until", until.to_string());
            }
            left(&mut answer, ended.remaining);
            answer
        }
    }
}

fn refused(fault: &EndFault) -> Answer {
    let word = match fault {
        EndFault::NotFound => "not_found",
        EndFault::HoldEnded(_) => "hold_ended",
        EndFault::AboveDebit { .. } => "above_debit",
        EndFault::IdReused => "id_reused",
        EndFault::OutOfRange(_) => "out_of_range",
        EndFault::Unavailable => "unavailable",
        EndFault::Short(subscription) => panic!("{subscription} is short after a sync"),
    };
    Answer::from([(word, String::new())])
}
