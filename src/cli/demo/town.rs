//! The teams of a demo: who is in them, with which access, limits and credits. Pure; the same
//! arguments make the same teams.
//!
//! Calls are spread by Zipf's law: the second team gets half of what the first gets, the third a third,
//! and so within each team. What teams and members may draw is measured by what they are expected to.

use crate::domain::{Access, Credits};

/// One demo's teams.
#[derive(Clone, Debug)]
pub(super) struct Town {
    pub(super) teams: Vec<Team>,
    team_draw: Zipf,
    member_draw: Zipf,
}

/// One team; its owner has the subscription and makes no calls.
#[derive(Clone, Debug)]
pub(super) struct Team {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) subscription: String,
    pub(super) seats: u32,
    pub(super) credits_per_seat: Credits,
    /// Bought beside the monthly credits.
    pub(super) purchase: Option<Credits>,
    /// The models that its seats may use.
    pub(super) whitelist: Option<&'static str>,
    pub(super) members: Vec<Member>,
}

/// One member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) access: Access,
    pub(super) limit: Option<Credits>,
    /// A subscription of its own with these credits.
    pub(super) own: Option<(String, Credits)>,
}

/// Models that calls name; teams with a whitelist allow the first.
pub(super) const MODELS: [&str; 2] = ["small", "large"];

/// Every so many teams, one has a nearly empty pool, one a whitelist, one bought credits.
const TEAM_KINDS: usize = 8;

impl Town {
    /// Teams whose ids begin with `prefix`, for calls that draw `expected` in all.
    pub(super) fn new(prefix: &str, teams: u32, members: u32, expected: Credits) -> Self {
        let (team_draw, member_draw) = (Zipf::new(teams), Zipf::new(members));
        let team = |n: usize| team(prefix, n, &member_draw, team_draw.share(n, expected));
        Self { teams: (0..teams as usize).map(team).collect(), team_draw, member_draw }
    }

    /// The team and the member that a random number stands for.
    pub(super) fn pick(&self, team: u64, member: u64) -> (usize, usize) {
        (self.team_draw.pick(team), self.member_draw.pick(member))
    }
}

fn team(prefix: &str, n: usize, draw: &Zipf, expected: Credits) -> Team {
    let id = format!("{prefix}-team-{n:03}");
    let members: Vec<Member> = (0..draw.len()).map(|m| member(&id, m, draw.share(m, expected))).collect();
    let seats = 1 + members.iter().filter(|member| member.access == Access::Seat).count();
    let seats = u32::try_from(seats).unwrap_or(u32::MAX);
    let kind = n % TEAM_KINDS;
    let pool = if kind == 1 { part(expected, 8) } else { part(expected, 250) };
    Team {
        owner: format!("{id}-owner"),
        subscription: format!("{id}-sub"),
        seats,
        credits_per_seat: Credits::from_micros(pool.micros() / i64::from(seats)).unwrap_or_default(),
        purchase: (kind == 2).then(|| part(expected, 20)),
        whitelist: (kind == 3).then_some(MODELS[0]),
        members,
        id,
    }
}

/// Two in five have a seat, two draw on the pool without one, one is on its own.
fn member(team: &str, m: usize, expected: Credits) -> Member {
    let id = format!("{team}-m{m:03}");
    let (access, limit) = match m % 10 {
        0 | 6 => (Access::Seat, None),
        1 => (Access::Seat, Some(part(expected, 200))),
        5 => (Access::Seat, Some(part(expected, 40))),
        2 | 8 => (Access::Credits, Some(part(expected, 60))),
        3 => (Access::Credits, None),
        7 => (Access::Credits, Some(Credits::ZERO)),
        _ => (Access::Personal, None),
    };
    let own = (m % 10 == 4).then(|| (format!("{id}-sub"), part(expected, 70)));
    Member { id, access, limit, own }
}

/// So many per cent of an amount, at least a hundredth of a credit, so that there is something to draw.
fn part(amount: Credits, percent: i64) -> Credits {
    let micros = i128::from(amount.micros()) * i128::from(percent) / 100;
    let micros = i64::try_from(micros.max(10_000)).unwrap_or(i64::MAX);
    Credits::from_micros(micros).unwrap_or(Credits::MAX)
}

/// Zipf's law over `0..len`: weights 1, 1/2, 1/3 ..., as whole numbers.
#[derive(Clone, Debug)]
struct Zipf {
    /// The sum of the weights up to each, itself included.
    sums: Vec<u64>,
}

const WEIGHT: u64 = 1 << 32;

impl Zipf {
    fn new(len: u32) -> Self {
        assert!(len > 0, "there is something to pick");
        let sums = (1..=u64::from(len)).scan(0, |sum, n| {
            *sum += WEIGHT / n;
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    fn len(&self) -> usize {
        self.sums.len()
    }

    fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or(1)
    }

    /// What of `amount` falls to number `n`.
    fn share(&self, n: usize, amount: Credits) -> Credits {
        let weight = WEIGHT / (n as u64 + 1);
        let micros = i128::from(amount.micros()) * i128::from(weight) / i128::from(self.total());
        i64::try_from(micros).ok().and_then(Credits::from_micros).unwrap_or(Credits::MAX)
    }

    /// The number that a random one stands for.
    fn pick(&self, random: u64) -> usize {
        let at = random % self.total();
        self.sums.partition_point(|&sum| sum <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_gets_twice_what_the_second_gets() {
        let zipf = Zipf::new(3);
        let step = zipf.total() / 1_100;
        let mut hits = [0_u32; 3];
        (0..1_100).for_each(|n| hits[zipf.pick(n * step)] += 1);
        for (hit, expected) in hits.into_iter().zip([600, 300, 200]) {
            assert!(hit.abs_diff(expected) <= 2, "{hits:?}");
        }
        let share = |n| zipf.share(n, Credits::from_credits(11).expect("small")).micros() / 10;
        assert_eq!([share(0), share(1), share(2)], [600_000, 300_000, 200_000]);
    }

    #[test]
    fn a_town_has_every_access_every_limit_and_a_nearly_empty_pool() {
        let expected = Credits::from_credits(10_000).expect("small");
        let town = Town::new("demo", 10, 10, expected);
        for access in [Access::Seat, Access::Credits, Access::Personal] {
            assert!(town.teams[0].members.iter().any(|member| member.access == access), "{access:?}");
        }
        let limits: Vec<_> = town.teams[0].members.iter().map(|member| member.limit).collect();
        assert!(limits.contains(&None) && limits.contains(&Some(Credits::ZERO)));
        assert!(town.teams[1].credits_per_seat.micros() * 10 < town.teams[2].credits_per_seat.micros());
        assert_eq!((town.teams[0].seats, town.teams[0].members.len()), (5, 10));
    }
}
