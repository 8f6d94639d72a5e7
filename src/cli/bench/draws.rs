//! Who draws what: seeded, so that the same arguments ask for the same debits.

use std::fmt::Write;
use std::sync::Arc;

use super::pace::Ticket;
use crate::cli::town::{Member, Team, Town};
use crate::domain::Credits;

/// What debits cost.
#[derive(Clone, Debug)]
pub(super) enum Costs {
    /// All the same.
    Same(Credits),
    /// Each its own, in the order of the requests.
    Each(Arc<[Credits]>),
}

/// What all who send have in common.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) town: Arc<Town>,
    /// What ids begin with.
    pub(super) prefix: Arc<str>,
    pub(super) costs: Costs,
    /// Debits of one request.
    pub(super) rows: u32,
    pub(super) seed: u64,
}

/// One debit.
#[derive(Clone, Debug)]
pub(super) struct Draw<'a> {
    pub(super) id: String,
    pub(super) team: &'a Team,
    pub(super) member: &'a Member,
    pub(super) credits: Credits,
}

impl Work {
    /// The debits of a request.
    pub(super) fn draws(&self, ticket: Ticket) -> impl Iterator<Item = Draw<'_>> {
        let rows = u64::from(self.rows);
        let first = ticket.number * rows;
        let rows = match &self.costs {
            Costs::Same(_) => rows,
            Costs::Each(costs) => rows.min((costs.len() as u64).saturating_sub(first)),
        };
        (first..first + rows).map(|number| self.draw(number))
    }

    fn draw(&self, number: u64) -> Draw<'_> {
        let team = random(self.seed, number);
        let (team, member) = self.town.pick(team, random(team, number));
        let team = &self.town.teams[team];
        let mut id = String::with_capacity(self.prefix.len() + 17);
        write!(id, "{}-{number}", self.prefix).expect("memory takes it");
        let credits = match &self.costs {
            Costs::Same(credits) => *credits,
            Costs::Each(costs) => costs[usize::try_from(number).expect("it is below their number")],
        };
        Draw { id, team, member: &team.members[member], credits }
    }
}

/// A number for a number, by SplitMix64: whichever connection sends a debit, it is the same debit, and making it costs
/// next to nothing beside what is measured.
fn random(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn work(seed: u64, rows: u32, costs: Costs) -> Work {
        let town = Arc::new(Town::plain("bench", 4, 8, Credits::MAX));
        Work { town, prefix: "r".into(), costs, rows, seed }
    }

    fn draws(work: &Work, requests: u64) -> Vec<(String, String, Credits)> {
        let tickets = (0..requests).map(|number| Ticket { number, due: Duration::ZERO });
        let draws = tickets.flat_map(|ticket| work.draws(ticket));
        draws.map(|draw| (draw.id, draw.member.id.clone(), draw.credits)).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_debits_and_another_makes_others() {
        let same = Costs::Same(Credits::ZERO);
        assert_eq!(draws(&work(7, 2, same.clone()), 500), draws(&work(7, 2, same.clone()), 500));
        assert_ne!(draws(&work(7, 2, same.clone()), 500), draws(&work(8, 2, same), 500));
    }

    #[test]
    fn the_first_team_and_member_draw_most_and_ids_are_never_used_twice() {
        let draws = draws(&work(1, 10, Costs::Same(Credits::ZERO)), 1_000);
        let ids: std::collections::BTreeSet<_> = draws.iter().map(|(id, ..)| id).collect();
        assert_eq!(ids.len(), 10_000);
        let of = |end: &str| draws.iter().filter(|(_, member, _)| member.ends_with(end)).count();
        // Zipf over eight: 0.368 and 0.184.
        assert!((3_500..3_850).contains(&of("-m000")) && (1_700..1_980).contains(&of("-m001")));
    }

    #[test]
    fn a_batch_of_a_trace_has_the_costs_of_its_calls_and_no_more() {
        let costs: Arc<[Credits]> = (1..=5).filter_map(Credits::from_credits).collect();
        let drawn: Vec<_> = draws(&work(1, 3, Costs::Each(costs.clone())), 2).into_iter().map(|draw| draw.2).collect();
        assert_eq!(drawn, *costs);
    }
}
