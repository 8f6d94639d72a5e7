//! The store as maps: rows are loaded on demand and saved when a rule has gone through.

use std::collections::BTreeMap;

use purser::domain::{Entry, Member, OperationId, SubscriptionId, Tally, Team, TeamId, Timestamp, UserId};
use purser::root::rows::Purchase;
use purser::root::sync::Synced;
use purser::root::{Key, Missing, Row, Rows, Sidecar, Subscription};

/// Everything that a store keeps.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub sidecar: Option<Sidecar>,
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    pub purchases: BTreeMap<(SubscriptionId, OperationId), Purchase>,
    pub teams: BTreeMap<TeamId, Team>,
    pub members: BTreeMap<(TeamId, UserId), Member>,
    /// Entries of the sidecar; the first has the number 1.
    pub ledger: Vec<Entry>,
    /// The last sums of each member in each window.
    pub draws: BTreeMap<(TeamId, UserId, Timestamp), Tally>,
}

impl Store {
    /// Runs a rule in one transaction; answers what it answered and the rows that it changed.
    pub fn run<T>(&mut self, rule: impl Fn(&mut Rows) -> Result<T, Missing>) -> (T, Vec<Row>) {
        let mut rows = Rows::default();
        loop {
            match rule(&mut rows) {
                Ok(done) => {
                    let changed = rows.changed();
                    changed.iter().cloned().for_each(|row| self.save(row));
                    return (done, changed);
                }
                Err(Missing(key)) => {
                    let found = self.find(&key);
                    rows.load(key, found);
                }
            }
        }
    }

    /// Takes over what a sync brought beside its rows.
    pub fn take(&mut self, entries: &[Entry], synced: &Synced) {
        self.ledger.extend_from_slice(&entries[synced.new_from..]);
        self.draws.extend(synced.draws.clone());
        assert_eq!(
            self.sidecar.as_ref().map(|sidecar| sidecar.last),
            Some(self.ledger.len() as u64),
            "I9: each entry once"
        );
    }

    /// Every row, subscriptions first.
    pub fn rows(&self) -> Vec<Row> {
        let subscriptions = self.subscriptions.values().cloned().map(|row| Row::Subscription(Box::new(row)));
        let teams = self.teams.values().cloned().map(Row::Team);
        let members = self.members.iter().map(|((team, _), member)| Row::Member(team.clone(), member.clone()));
        subscriptions.chain(teams).chain(members).collect()
    }

    fn save(&mut self, row: Row) {
        match row {
            Row::Sidecar(row) => self.sidecar = Some(row),
            Row::Subscription(row) => drop(self.subscriptions.insert(row.id.clone(), *row)),
            Row::Purchase(row) => drop(self.purchases.insert((row.subscription.clone(), row.id.clone()), row)),
            Row::Team(row) => drop(self.teams.insert(row.id.clone(), row)),
            Row::Member(team, row) => drop(self.members.insert((team, row.user.clone()), row)),
            Row::Owned(..) | Row::Root(_) | Row::MemberFunds(_) | Row::Begun(..) | Row::Pending(_) | Row::Hold(_) => {}
        }
    }

    fn find(&self, key: &Key) -> Vec<Row> {
        let one = match key {
            Key::Sidecar(_) | Key::Sidecars => self.sidecar.clone().map(Row::Sidecar),
            Key::Subscription(id) => self.subscriptions.get(id).cloned().map(|row| Row::Subscription(Box::new(row))),
            Key::Owned(user) => {
                let owned = self.subscriptions.values().find(|row| row.terms.owner == *user);
                owned.map(|row| Row::Owned(user.clone(), row.id.clone()))
            }
            Key::Purchase(subscription, id) => {
                self.purchases.get(&(subscription.clone(), id.clone())).cloned().map(Row::Purchase)
            }
            Key::Team(id) => self.teams.get(id).cloned().map(Row::Team),
            Key::Member(team, user) => {
                let member = self.members.get(&(team.clone(), user.clone())).cloned();
                member.map(|member| Row::Member(team.clone(), member))
            }
            Key::Root | Key::MemberFunds(..) | Key::Begun(_) | Key::Pending(_) | Key::Hold(..) => None,
            Key::Members(team) => {
                let of_team = self.members.iter().filter(|((of, _), _)| of == team);
                return of_team.map(|(_, member)| Row::Member(team.clone(), member.clone())).collect();
            }
        };
        one.into_iter().collect()
    }
}
