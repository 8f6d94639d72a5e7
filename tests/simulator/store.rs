//! The store: rows under keys, one transaction at a time, and states to fall back to.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use purser::domain::{Entry, Timestamp};
use purser::root::{Key, MemberFunds, Missing, Root, Row, Rows, Sharing, Sidecar, Subscription};

use super::world::{SUBSCRIPTION, TEAM, USERS, id, team, user};

type Table = BTreeMap<Key, Rc<Row>>;

/// States that a roll-back may return to.
const PAST_MAX: usize = 10;

pub struct Store {
    pub now: Timestamp,
    pub identity: u32,
    rows: Table,
    /// The ledger by sidecar; entry `n` is at `n - 1`.
    pub ledger: BTreeMap<u128, Vec<Entry>>,
    past: VecDeque<Table>,
}

impl Store {
    pub fn new(now: Timestamp) -> Self {
        Self { now, identity: 0, rows: BTreeMap::new(), ledger: BTreeMap::new(), past: VecDeque::new() }
    }

    /// Runs a rule in one transaction.
    pub fn run<T>(&mut self, rule: impl Fn(&mut Rows) -> Result<T, Missing>) -> T {
        let mut loaded = Rows::of(Sharing::Many);
        let funds = USERS.map(|name| Key::MemberFunds(team(TEAM), user(name)));
        let common = [Key::Root, Key::Sidecars, Key::Subscription(id(SUBSCRIPTION)), Key::Members(team(TEAM))];
        for key in common.into_iter().chain(funds) {
            let found = self.find(&key);
            loaded.load(key, found);
        }
        loop {
            let mut rows = loaded.clone();
            match rule(&mut rows) {
                Ok(answer) => {
                    self.past.push_back(self.rows.clone());
                    if self.past.len() > PAST_MAX {
                        self.past.pop_front();
                    }
                    rows.changed().into_iter().for_each(|row| self.save(row));
                    return answer;
                }
                Err(Missing(key)) => {
                    let found = self.find(&key);
                    loaded.load(key, found);
                }
            }
        }
    }

    fn find(&self, key: &Key) -> Vec<Row> {
        let all = || self.rows.values().map(|row| (**row).clone());
        let of = |from: Key, is: fn(&Key) -> bool| {
            let from = self.rows.range(from..).take_while(move |(key, _)| is(key));
            from.map(|(_, row)| (**row).clone()).collect()
        };
        match key {
            Key::Owned(user) => all()
                .filter_map(|row| match row {
                    Row::Subscription(s) if s.terms.owner == *user => Some(Row::Owned(user.clone(), s.id.clone())),
                    _ => None,
                })
                .collect(),
            Key::Members(team) => of(Key::Member(team.clone(), user(USERS[0])), |key| matches!(key, Key::Member(..))),
            Key::Sidecars => of(Key::Sidecar(0), |key| matches!(key, Key::Sidecar(_))),
            key => self.rows.get(key).map(|row| (**row).clone()).into_iter().collect(),
        }
    }

    fn save(&mut self, row: Row) {
        let key = match &row {
            Row::Sidecar(row) => Key::Sidecar(row.id),
            Row::Root(_) => Key::Root,
            Row::Subscription(row) => Key::Subscription(row.id.clone()),
            Row::Purchase(row) => Key::Purchase(row.subscription.clone(), row.id.clone()),
            Row::Team(row) => Key::Team(row.id.clone()),
            Row::Member(team, row) => Key::Member(team.clone(), row.user.clone()),
            Row::MemberFunds(row) => Key::MemberFunds(row.team.clone(), row.user.clone()),
            Row::Owned(..) | Row::Begun(..) | Row::Pending(_) | Row::Hold(_) => return,
        };
        self.rows.insert(key, Rc::new(row));
    }

    /// The store forgets its last commits and is another one then; answers how many.
    pub fn roll_back(&mut self, commits: usize) -> usize {
        let commits = commits.min(self.past.len());
        for _ in 0..commits {
            self.rows = self.past.pop_back().expect("as many are there");
        }
        if commits > 0 {
            self.identity += 1;
        }
        let last: BTreeMap<u128, usize> =
            self.sidecars().map(|s| (s.id, usize::try_from(s.last).expect("few"))).collect();
        for (id, entries) in &mut self.ledger {
            entries.truncate(last.get(id).copied().unwrap_or_default());
        }
        commits
    }

    /// What has been committed is not forgotten any more.
    pub fn keep(&mut self) {
        self.past.clear();
    }

    /// The store forgets everything; all that is known of it is that it was another one.
    pub fn empty(&mut self) {
        let root = Root { identity: "forgotten".to_owned(), ..Root::default() };
        self.rows = [(Key::Root, Rc::new(Row::Root(root)))].into();
        self.ledger.clear();
        self.past.clear();
        self.identity += 1;
    }

    pub fn subscription(&self) -> &Subscription {
        self.known().expect("the subscription is there")
    }

    /// The subscription, where the store has not forgotten it.
    pub fn known(&self) -> Option<&Subscription> {
        match &**self.rows.get(&Key::Subscription(id(SUBSCRIPTION)))? {
            Row::Subscription(row) => Some(row),
            _ => None,
        }
    }

    pub fn funds(&self, name: &str) -> Option<&MemberFunds> {
        match &**self.rows.get(&Key::MemberFunds(team(TEAM), user(name)))? {
            Row::MemberFunds(row) => Some(row),
            _ => None,
        }
    }

    pub fn sidecars(&self) -> impl Iterator<Item = &Sidecar> {
        self.rows.values().filter_map(|row| match &**row {
            Row::Sidecar(row) => Some(row),
            _ => None,
        })
    }

    fn root(&self) -> Root {
        let Some(Row::Root(root)) = self.rows.get(&Key::Root).map(|row| &**row) else { return Root::default() };
        root.clone()
    }

    /// Whether a sidecar has not yet said in this generation what it holds.
    pub fn may_have_forgotten(&self, id: u128) -> bool {
        let generation = self.root().generation;
        self.sidecars().any(|sidecar| sidecar.id == id && sidecar.generation < generation)
    }

    /// Rows of the team and its members.
    pub fn config(&self) -> (u64, Vec<Row>) {
        let number = self.root().config;
        let rows = self.rows.values().filter(|row| matches!(***row, Row::Team(_) | Row::Member(..)));
        (number, rows.map(|row| (**row).clone()).collect())
    }
}
