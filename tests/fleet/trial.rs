//! A trial: sidecars under load, to which or to whose store something happens again and again. One team
//! has plenty and two members with scarce limits; another has hardly any credits; both get a little more each
//! time. A third shows when a sidecar is lent again.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::counts::Count;
use crate::fleet::{Fleet, debit, soon};
use crate::load::{Load, MEMBERS, Promise};
use crate::place::Place;
use crate::verify::{self, Terms};

/// On which the load draws.
const TEAMS: &[&str] = &["acme", "poor"];

/// Of each connection between two draws: the store's server and the sidecars share the machine with them.
const PAUSE: Duration = Duration::from_millis(3);

/// Credits of a team that has plenty.
const PLENTY: u32 = 1_000_000;

/// Credits that the poor team has at first, and then each time.
const SCARCE: (u32, u32) = (100, 40);

/// What two members of the team that has plenty may draw at first, and then each time more.
const LIMIT: (u32, u32) = (50, 20);

/// Rounds after which everything is looked at.
const LOOKED_AT: u64 = 10;

pub struct Trial {
    pub fleet: Fleet,
    terms: Terms,
    /// Operations that a kill may lose.
    lost_max: usize,
    promised: Vec<Promise>,
    recovery: Duration,
    regressions: u64,
}

impl Trial {
    pub fn start(place: Place, sidecars: usize, durability: &'static str, lost_max: usize) -> Self {
        let fleet = Fleet::start(place, sidecars, durability);
        let members = |limited: u64| {
            let limit = move |member| (member < limited).then_some(LIMIT.0);
            (0..MEMBERS).map(move |member| (format!("m{member}"), limit(member))).collect::<Vec<_>>()
        };
        fleet.team("acme", PLENTY, &members(Terms::LIMITED));
        fleet.team("poor", SCARCE.0, &members(0));
        fleet.team("probe", PLENTY, &members(0)[..1]);
        let terms = Terms { plenty: PLENTY, scarce: SCARCE.0, limit: LIMIT.0 };
        Self { fleet, terms, lost_max, promised: Vec::new(), recovery: Duration::ZERO, regressions: 0 }
    }

    /// Has `fault` happen `count` times, each `lead` after a load on all sidecars has begun; then says
    /// what came of it.
    pub fn run(mut self, what: &str, count: Count, lead: Lead, mut fault: impl FnMut(&mut Fleet, u64)) -> Self {
        let count = count.get();
        for round in 0..count {
            let sidecars = self.fleet.len();
            let load = |at: usize| Load::on(TEAMS, PAUSE, self.fleet.purser(at), round * 16 + at as u64);
            let loads: Vec<Load> = (0..sidecars).map(load).collect();
            thread::sleep(lead.of(round));
            fault(&mut self.fleet, round);
            thread::sleep(lead.of(round) / 4);
            loads.into_iter().for_each(|load| self.promised.extend(load.stop()));
            self.recover(round);
            self.replenish(round);
            self.regressions = self.regressions.max(self.fleet.regressions());
            if round % LOOKED_AT == LOOKED_AT - 1 {
                self.look();
            }
        }
        let lost = self.look();
        let rest = self.spend_the_rest();
        let Self { fleet, promised, recovery, regressions, .. } = &self;
        println!(
            "| {} | {what} | {count} | {} | {lost} | 0 | {:.1} s | {:.1} s | {regressions} |",
            fleet.place.kind.name(),
            promised.len(),
            recovery.as_secs_f64(),
            rest.as_secs_f64(),
        );
        assert!(promised.len() as u64 > count, "it happened under load");
        self
    }

    /// Leases that the store had forgotten, as far as a living sidecar heard.
    pub fn regressions(&self) -> u64 {
        self.regressions
    }

    pub fn stop(self) {
        self.fleet.stop();
    }

    /// Waits until every sidecar is lent what it has not, without anybody's help.
    fn recover(&mut self, round: u64) {
        self.recovery = self.recovery.max(self.fleet.all_are_lent(&format!("recover-{round}")));
    }

    /// A little more of what is scarce, through one sidecar after the other.
    fn replenish(&mut self, round: u64) {
        let at = round as usize % self.fleet.len();
        for (team, credits) in [("poor", SCARCE.1), ("probe", PLENTY)] {
            let purchase = json!({"id": format!("more-{round}"), "credits": credits.to_string()});
            self.fleet.control(at, "POST", &format!("/v1/subscriptions/sub_{team}/purchases"), purchase);
        }
        self.terms.scarce += SCARCE.1;
        self.terms.limit += LIMIT.1;
        for member in 0..Terms::LIMITED {
            self.fleet.limit(at, "acme", &format!("m{member}"), Some(self.terms.limit));
        }
    }

    /// Fails if anything is wrong; answers how many answered operations were lost.
    fn look(&self) -> usize {
        let lost = verify::books(&self.fleet, &self.promised, &self.terms, self.lost_max);
        assert!(lost <= self.lost_max, "{lost} of {} are lost", self.promised.len());
        verify::reconciles(&self.fleet);
        lost
    }

    /// One sidecar debits all that is left to the poor team in one go; how long until it is allowed.
    fn spend_the_rest(&self) -> Duration {
        // Everybody has told what it holds.
        thread::sleep(Duration::from_millis(1_500));
        let mut connection = self.fleet.client(0).connect().expect("the server takes connections");
        let mut tries = 0;
        let waited = soon(|| {
            tries += 1;
            let rest = self.fleet.pool("poor")["remaining"].as_str().unwrap_or_default().to_owned();
            rest == "0" || debit(&mut connection, "poor", "m0", &format!("rest-{tries}"), &rest)
        });
        let waited = waited.expect("nothing is stranded: one sidecar gets all that is left");
        verify::all_is_accounted_for(&self.fleet, &self.terms);
        waited
    }
}

/// How long a load lasts before something happens: at least, and by how much it differs.
#[derive(Clone, Copy, Debug)]
pub struct Lead(pub u64, pub u64);

impl Lead {
    fn of(self, round: u64) -> Duration {
        Duration::from_millis(self.0 + round * 37 % self.1)
    }
}
