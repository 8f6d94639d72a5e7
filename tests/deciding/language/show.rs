//! What stands, for `expect`:
//!
//! ```text
//! expect ana access seat payer pool limit 60 used 50 held 0 left 10
//! expect pool lent 100 used 20 held 50 free 30 debt 0        the book, this window; `short` before a sync
//! expect ana.own lent 5
//! expect journal entries 3 [last settled]
//! ```

use purser::domain::Credits;

use super::control::subscription_of;
use super::names::who;
use super::{Answer, Teller};

impl Teller {
    pub(super) fn show(&self, what: &str) -> Answer {
        match what {
            "journal" => self.show_journal(),
            "pool" => self.show_book(what),
            _ if what.ends_with(".own") => self.show_book(what.trim_end_matches(".own")),
            _ => self.show_member(what),
        }
    }

    fn show_journal(&self) -> Answer {
        let log = self.world.meter.log();
        let last = log.after(log.last().saturating_sub(1));
        let last = last.first().map_or("none", |entry| entry.fact.kind());
        Answer::from([("entries", log.last().to_string()), ("last", last.to_owned())])
    }

    fn show_book(&self, name: &str) -> Answer {
        let (book, now) = (self.world.meter.book(&subscription_of(name)).expect(name), self.world.now);
        let debt = book.debt(now).to_string();
        let Some(funds) = book.current(now) else { return Answer::from([("short", String::new()), ("debt", debt)]) };
        Answer::from([
            ("lent", funds.lent().to_string()),
            ("used", funds.draws.used().to_string()),
            ("held", funds.draws.held(now).to_string()),
            ("free", funds.free(now).to_string()),
            ("debt", debt),
        ])
    }

    fn show_member(&self, name: &str) -> Answer {
        let (who, now) = (who(name), self.world.now);
        let team = who.team.expect("a member of a team");
        let balance = self.world.meter.member_balance(&team, &who.user, now).expect(name);
        let limit = |limit: Option<Credits>| limit.map_or("none".to_owned(), |limit| limit.to_string());
        Answer::from([
            ("access", balance.access.as_str().to_owned()),
            ("given", balance.member.access.as_str().to_owned()),
            ("payer", balance.payer.as_str().to_owned()),
            ("limit", limit(balance.member.limit)),
            ("used", balance.used.to_string()),
            ("held", balance.held.to_string()),
            ("left", limit(balance.remaining.member)),
            ("pool-left", balance.remaining.payer.to_string()),
            ("window", balance.window.map_or("none".to_owned(), |window| window.start.to_string())),
        ])
    }
}
