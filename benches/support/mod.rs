//! The seeded workload that the benches share: many teams of equal size, each with a pool, and draws
//! of their members as they come in from the wire, with names of their own.

#![allow(dead_code, reason = "each bench uses a part of it")]

pub mod floor;
pub mod handles;
pub mod memory;
pub mod single;

use std::convert::Infallible;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use purser::domain::{
    Access, Ask, Credits, Features, Member, OperationId, SubscriptionId, Team, TeamId, Timestamp, UserId, Whitelist,
};
use purser::engine::{Draw, JournalLog, Meter, Options};
use purser::journal::media::memory::MemoryFolder;
use purser::journal::{self, Claim, Journal};
use purser::root::{Rollover, Row, Status, Subscription, Terms};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

/// The time of every decision.
const NOW_MILLIS: i64 = 1_795_000_000_000;
/// So many entries are remembered: the maps of first answers are as full as they get.
const REMEMBERED_MAX: u64 = 1_000_000;
/// Draws that are made ready together.
pub const BATCH: usize = 1_000;
/// What each member may draw in a window: never reached but by asking for more.
const LIMIT: u32 = 1_000_000;

/// How much of everything there is.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub teams: usize,
    pub members: usize,
    pub remembered: usize,
    pub samples: usize,
    pub seconds: u64,
}

/// The sizes of the figures in docs/performance.md, or with `PURSER_BENCH_SMOKE=1` so few that a test
/// run can afford them; `PURSER_BENCH_TEAMS` says of how many teams, where other than 10 000.
pub fn sizes() -> Sizes {
    match std::env::var_os("PURSER_BENCH_SMOKE") {
        Some(_) => Sizes { teams: 10, members: 10, remembered: 1_000, samples: 10, seconds: 0 },
        None => {
            let remembered = REMEMBERED_MAX as usize;
            let teams = std::env::var("PURSER_BENCH_TEAMS").map_or(10_000, |teams| teams.parse().expect("a number"));
            Sizes { teams, members: 100, remembered, samples: 50, seconds: 3 }
        }
    }
}

/// Criterion as both benches set it up.
pub fn criterion(sizes: Sizes) -> Criterion {
    let time = Duration::from_secs(sizes.seconds).max(Duration::from_millis(1));
    let criterion = Criterion::default().sample_size(sizes.samples);
    criterion.warm_up_time(time).measurement_time(time).configure_from_args()
}

pub fn now() -> Timestamp {
    Timestamp::from_millis(NOW_MILLIS).expect("1970 to 9999")
}

fn credits(whole: u32) -> Credits {
    Credits::from_credits(whole).expect("every u32 fits")
}

/// 36 characters, as a UUID has.
fn name(kind: &str, of: usize, number: usize) -> String {
    format!("{kind}-{of:08x}-0000-4000-8000-{number:011x}")
}

pub fn team_id(team: usize) -> TeamId {
    TeamId::new(&name("t", team, 0)).expect("a name")
}

pub fn user_id(team: usize, member: usize) -> UserId {
    UserId::new(&name("u", team, member)).expect("a name")
}

/// A meter that knows nobody.
pub fn empty_meter() -> Meter<JournalLog> {
    // Small segments: the next one is made ready by a thread beside, which is not to take a processor from what is measured.
    meter_with(journal::Options { segment_bytes: 1 << 20, ..journal::Options::default() }, REMEMBERED_MAX)
}

/// A meter that knows nobody and remembers so many entries, before the real queue of a journal in memory.
pub fn meter_with(journal: journal::Options, entries_max: u64) -> Meter<JournalLog> {
    Meter::new(new_log(journal), Options { entries_max, ..Options::default() })
}

fn new_log(options: journal::Options) -> JournalLog {
    let claim = Claim::take(Arc::new(MemoryFolder::default())).expect("is free");
    let visit = |_, _: &[u8]| Ok::<(), Infallible>(());
    let (journal, _) = Journal::open(claim, options, Uuid::from_u128(7), visit).expect("opens");
    let log = JournalLog::default();
    log.open(journal);
    log
}

/// Makes every team and member known.
pub fn fill(meter: &Meter<JournalLog>, sizes: Sizes) {
    (0..sizes.teams).for_each(|team| meter.follow(&rows(team, sizes.members)));
}

/// A team with its pool and its members, each with a seat and a limit.
pub fn rows(team: usize, members: usize) -> Vec<Row> {
    let id = team_id(team);
    let subscription = SubscriptionId::new(&name("s", team, 0)).expect("a name");
    let terms = Terms {
        owner: user_id(team, 0),
        plan: String::new(),
        status: Status::Active,
        seats: 1_000,
        credits_per_seat: credits(LIMIT),
        anchor: now(),
        rollover: Rollover::default(),
        features: Features::default(),
    };
    let mut pool = Subscription::new(subscription.clone(), terms, now());
    pool.team = Some(id.clone());
    pool.lend_all(now());
    let member = |number| Member {
        access: Access::Seat,
        limit: Some(credits(LIMIT)),
        epoch: 1,
        ..Member::new(user_id(team, number))
    };
    let members: Vec<_> = (0..members).map(|number| Row::Member(id.clone(), member(number))).collect();
    let team = team_row(team, members.len());
    [Row::Subscription(Box::new(pool)), Row::Team(team)].into_iter().chain(members).collect()
}

/// A team to which its subscription is assigned.
pub fn team_row(team: usize, members: usize) -> Team {
    Team {
        id: team_id(team),
        name: String::new(),
        owner: user_id(team, 0),
        subscription: Some(SubscriptionId::new(&name("s", team, 0)).expect("a name")),
        whitelist: Whitelist::default(),
        seats_taken: members as u32,
        members: members as u32,
        epoch: 1,
    }
}

/// Empties the journal's queue, which a writer does meanwhile in a server.
pub fn tidy(log: &JournalLog) {
    let journal = log.journal().expect("it was opened");
    journal.write().expect("writes");
    let synced = journal.sync().expect("syncs");
    journal.confirm(synced, synced).expect("drops");
}

/// Which teams draw how often.
#[derive(Clone, Copy, Debug)]
pub enum Skew {
    /// All alike.
    Uniform,
    /// The n-th member of all teams as often as 1/n.
    Zipf,
    /// One team alone.
    OneTeam,
}

/// Draws without end, the same for the same seed.
pub struct Workload {
    sizes: Sizes,
    random: SmallRng,
    /// For [`Skew::Zipf`]: the sum of 1/n up to each member. Else empty.
    sums: Vec<f64>,
    teams: usize,
    drawn: usize,
    seed: u64,
}

impl Workload {
    pub fn new(sizes: Sizes, skew: Skew, seed: u64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=sizes.teams * sizes.members).map(|n| 1.0 / n as f64);
        let sums = weights.map(|weight| {
            sum += weight;
            sum
        });
        let (teams, sums) = match skew {
            Skew::Uniform => (sizes.teams, Vec::new()),
            Skew::Zipf => (sizes.teams, sums.collect()),
            Skew::OneTeam => (1, Vec::new()),
        };
        Self { sizes, random: SmallRng::seed_from_u64(seed), sums, teams, drawn: 0, seed }
    }

    /// Which member of which team is next.
    pub fn member(&mut self) -> (usize, usize) {
        match self.sums.last() {
            None => (self.random.random_range(0..self.teams), self.random.random_range(0..self.sizes.members)),
            Some(all) => {
                let at = self.random.random::<f64>() * all;
                // Popular members are spread over the ids, as they are in life.
                let number = self.sums.partition_point(|sum| *sum < at) * 7_919 % self.sums.len();
                (number % self.teams, number / self.teams)
            }
        }
    }

    /// The next debit, of one micro-credit to a thousandth of a credit.
    pub fn debit(&mut self) -> Draw {
        self.placed_debit().1
    }

    /// The next debit, and which member of which team makes it.
    pub fn placed_debit(&mut self) -> ((usize, usize), Draw) {
        self.drawn += 1;
        let (team, member) = self.member();
        let micros = self.random.random_range(1..1_000);
        let draw = Draw {
            id: OperationId::new(&name("d", self.seed as usize, self.drawn)).expect("a name"),
            team: Some(team_id(team)),
            member: user_id(team, member),
            ask: Ask { credits: Credits::from_micros(micros).expect("small"), min_credits: None, model: None },
            ttl_millis: None,
            pricing: Default::default(),
        };
        ((team, member), draw)
    }

    /// The next hold, open for a minute.
    pub fn hold(&mut self) -> Draw {
        Draw { ttl_millis: Some(60_000), ..self.debit() }
    }

    /// The next debit that is above its member's limit.
    pub fn too_much(&mut self) -> Draw {
        let debit = self.debit();
        Draw { ask: Ask { credits: credits(LIMIT + 1), ..debit.ask }, ..debit }
    }

    /// The next `count` of one kind.
    pub fn take<T>(&mut self, count: usize, next: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..count).map(|_| next(self)).collect()
    }
}

/// Bytes of memory that this process occupies.
pub fn resident_bytes() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux");
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    resident.expect("the second number") * 4_096
}
