//! The teams of a demo or a benchmark: who is in them, with which access, limits and credits. Pure, but for
//! `seed`; the same arguments make the same teams.
//!
//! Calls are spread by Zipf's law: the second team gets half of what the first gets, the third a third,
//! and so within each team.

mod seed;
mod zipf;

pub(super) use seed::seed;

use crate::domain::{Access, Credits};
use zipf::Zipf;

/// All teams of one run.
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
    /// Teams of every kind whose ids begin with `prefix`, for calls that draw `expected` in all. What teams and
    /// members may draw is measured by what they are expected to.
    pub(super) fn mixed(prefix: &str, teams: u32, members: u32, expected: Credits) -> Self {
        let (team_draw, member_draw) = (Zipf::new(teams), Zipf::new(members));
        let team = |n: usize| team(prefix, n, &member_draw, team_draw.share(n, expected));
        Self { teams: (0..teams as usize).map(team).collect(), team_draw, member_draw }
    }

    /// Teams that are alike, with `pool` credits each; every member draws on them and may draw them all.
    pub(super) fn plain(prefix: &str, teams: u32, members: u32, pool: Credits) -> Self {
        let team = |n: u32| plain_team(format!("{prefix}-team-{n:03}"), members, pool);
        Self { teams: (0..teams).map(team).collect(), team_draw: Zipf::new(teams), member_draw: Zipf::new(members) }
    }

    /// The team and the member that a random number stands for.
    pub(super) fn pick(&self, team: u64, member: u64) -> (usize, usize) {
        (self.team_draw.pick(team), self.member_draw.pick(member))
    }
}

fn plain_team(id: String, members: u32, pool: Credits) -> Team {
    let member = |m: u32| Member { id: format!("{id}-m{m:03}"), access: Access::Credits, limit: Some(pool), own: None };
    Team {
        owner: format!("{id}-owner"),
        subscription: format!("{id}-sub"),
        seats: 1,
        credits_per_seat: pool,
        purchase: None,
        whitelist: None,
        members: (0..members).map(member).collect(),
        id,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_town_has_every_access_every_limit_and_a_nearly_empty_pool() {
        let expected = Credits::from_credits(10_000).expect("small");
        let town = Town::mixed("demo", 10, 10, expected);
        for access in [Access::Seat, Access::Credits, Access::Personal] {
            assert!(town.teams[0].members.iter().any(|member| member.access == access), "{access:?}");
        }
        let limits: Vec<_> = town.teams[0].members.iter().map(|member| member.limit).collect();
        assert!(limits.contains(&None) && limits.contains(&Some(Credits::ZERO)));
        assert!(town.teams[1].credits_per_seat.micros() * 10 < town.teams[2].credits_per_seat.micros());
        assert_eq!((town.teams[0].seats, town.teams[0].members.len()), (5, 10));
    }
}
