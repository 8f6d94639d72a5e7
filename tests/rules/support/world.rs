//! A store in memory that runs rules as every store does, and audits what they leave.

use std::collections::BTreeMap;

use purser::domain::{Access, Member, Role, SubscriptionId, Team, TeamId, Timestamp, UserId};
use purser::root::{Actor, Command, Done, Key, Missing, Refusal, Row, Rows, Subscription, control};

/// Rows as a store holds them, and what was last heard of subscriptions by who spends of them.
pub struct World {
    pub now: Timestamp,
    rows: BTreeMap<Key, Row>,
}

impl World {
    pub fn new(now: Timestamp) -> Self {
        Self { now, rows: BTreeMap::new() }
    }

    /// Runs a command, loading rows as the rule asks for them, and saves what it changed.
    pub fn control(&mut self, command: &Command, actor: &Actor) -> Result<Done, Refusal> {
        let mut rows = Rows::default();
        let done = loop {
            match control(&mut rows, command, actor, self.now) {
                Ok(done) => break done,
                Err(Missing(key)) => {
                    assert!(rows.changed().is_empty(), "a run that starts over has put nothing");
                    rows.load(key.clone(), self.find(&key));
                }
            }
        };
        assert!(done.is_ok() || rows.changed().is_empty(), "a refused command has put nothing");
        for row in rows.changed() {
            self.save(row);
        }
        self.audit();
        done
    }

    fn find(&self, key: &Key) -> Vec<Row> {
        let owned = |row: &Row| match (key, row) {
            (Key::Owned(user), Row::Subscription(s)) if s.terms.owner == *user => {
                Some(Row::Owned(user.clone(), s.id.clone()))
            }
            (Key::Members(team), Row::Member(of, _)) if of == team => Some(row.clone()),
            _ => None,
        };
        match key {
            Key::Owned(_) | Key::Members(_) => self.rows.values().filter_map(owned).collect(),
            _ => self.rows.get(key).cloned().into_iter().collect(),
        }
    }

    fn save(&mut self, row: Row) {
        let key = match &row {
            Row::Sidecar(sidecar) => Key::Sidecar(sidecar.id),
            Row::Subscription(s) => Key::Subscription(s.id.clone()),
            Row::Purchase(p) => Key::Purchase(p.subscription.clone(), p.id.clone()),
            Row::Team(team) => Key::Team(team.id.clone()),
            Row::Member(team, member) => Key::Member(team.clone(), member.user.clone()),
            Row::Owned(..) | Row::Root(_) | Row::MemberFunds(_) | Row::Begun(..) | Row::Pending(_) | Row::Hold(_) => {
                panic!("no rule of one sidecar saves {row:?}")
            }
        };
        self.rows.insert(key, row);
    }

    pub fn subscription(&self, id: &SubscriptionId) -> Option<&Subscription> {
        let Some(Row::Subscription(found)) = self.rows.get(&Key::Subscription(id.clone())) else { return None };
        Some(found)
    }

    pub fn put_subscription(&mut self, subscription: Subscription) {
        self.save(Row::Subscription(Box::new(subscription)));
    }

    pub fn team(&self, id: &TeamId) -> Option<&Team> {
        let Some(Row::Team(found)) = self.rows.get(&Key::Team(id.clone())) else { return None };
        Some(found)
    }

    pub fn member(&self, team: &TeamId, user: &UserId) -> Option<&Member> {
        let Some(Row::Member(_, found)) = self.rows.get(&Key::Member(team.clone(), user.clone())) else { return None };
        Some(found)
    }

    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.rows.values().filter_map(|row| if let Row::Subscription(s) = row { Some(&**s) } else { None })
    }

    fn teams(&self) -> impl Iterator<Item = &Team> {
        self.rows.values().filter_map(|row| if let Row::Team(team) = row { Some(team) } else { None })
    }

    fn members(&self, team: &TeamId) -> impl Iterator<Item = &Member> {
        self.rows.values().filter_map(move |row| match row {
            Row::Member(of, member) if of == team => Some(member),
            _ => None,
        })
    }

    /// What must be so after every command, counted anew from the rows.
    fn audit(&self) {
        for team in self.teams() {
            let present = || self.members(&team.id).filter(|m| !m.removed);
            assert_eq!(team.members as usize, present().count(), "members are counted");
            assert_eq!(team.seats_taken as usize, present().filter(|m| m.takes_seat()).count(), "seats are counted");
            let owners: Vec<_> = present().filter(|m| m.role == Role::Owner).map(|m| &m.user).collect();
            assert_eq!(owners, [&team.owner], "a team has one owner, who is a member");
            assert!(self.members(&team.id).all(|m| m.epoch <= team.epoch), "no member is newer than its team");
            let pool = team.subscription.as_ref().map(|id| self.subscription(id).expect("a pool is there"));
            assert!(pool.is_none_or(|pool| pool.team.as_ref() == Some(&team.id)), "the pool names its team");
            let all_personal = self.members(&team.id).all(|m| m.access == Access::Personal);
            assert!(pool.is_some() || all_personal, "without a pool every access is personal");
        }
        for subscription in self.subscriptions() {
            let owned = self.subscriptions().filter(|s| s.terms.owner == subscription.terms.owner);
            assert_eq!(owned.count(), 1, "a user owns at most one subscription");
            let team = subscription.team.as_ref().map(|id| self.team(id).expect("a pool's team is there"));
            assert!(team.is_none_or(|t| t.subscription.as_ref() == Some(&subscription.id)), "the team names its pool");
        }
    }
}
