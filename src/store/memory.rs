//! A store in plain maps: the specification that every other store must match, and a store for tests
//! of what is above. Nothing outlives it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::audit::{Audit, Recount};
use super::commit::{Commit, MemberDraws};
use super::error::StoreError;
use super::hold::{Hold, HoldChanges, HoldKey};
use super::ledger::{LedgerEntry, likeness};
use super::read::{Changes, Filter, Loaded, Visitor, oldest_window, page};
use super::{Controlled, RULE_RUNS_MAX, Rule, Store, widened};
use crate::domain::{Member, Operation, OperationId, SubscriptionId, Tally, Team, TeamId, Timestamp, UserId};
use crate::root::rows::Purchase;
use crate::root::subscription::Subscription;
use crate::root::sync::{self, Reply, Request, SyncRefusal};
use crate::root::{
    Actor, Begun, Key, MemberFunds, Missing, Pending, PendingKey, Root, Row, Rows, SOLE, Sharing, Sidecar,
};

/// A store in memory. [`Memory::default`] serves one sidecar.
#[derive(Debug, Default)]
pub struct Memory {
    tables: Mutex<Tables>,
    pushes: watch::Sender<u64>,
}

impl Memory {
    /// A store that any number of sidecars share.
    pub fn shared() -> Self {
        let tables = Tables { sharing: Sharing::Many, ..Tables::default() };
        Self { tables: Mutex::new(tables), ..Self::default() }
    }
}

#[derive(Debug, Default)]
struct Tables {
    sharing: Sharing,
    sidecars: BTreeMap<u128, Sidecar>,
    root: Option<Root>,
    member_funds: BTreeMap<(TeamId, UserId), MemberFunds>,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    purchases: BTreeMap<(SubscriptionId, OperationId), Purchase>,
    teams: BTreeMap<TeamId, Team>,
    members: BTreeMap<(TeamId, UserId), Member>,
    draws: MemberDraws,
    holds: BTreeMap<(u128, HoldKey), Hold>,
    /// Who entered operations first, and when.
    begun: BTreeMap<Operation, (Begun, Timestamp)>,
    pending: BTreeMap<(u128, PendingKey), Pending>,
    /// The change of control that last changed a row.
    changed_by: BTreeMap<Key, u64>,
    ledger: Vec<LedgerEntry>,
}

/// What a rule answered, and the rows before and after it.
type Ran<T> = (T, Rows, Rows);

impl Tables {
    fn fetch(&self, key: &Key) -> Vec<Row> {
        let row = match key {
            Key::Sidecar(SOLE) => self.sidecars.values().next().cloned().map(Row::Sidecar),
            Key::Sidecar(id) => self.sidecars.get(id).cloned().map(Row::Sidecar),
            Key::Sidecars => return self.sidecars.values().cloned().map(Row::Sidecar).collect(),
            Key::Root => self.root.clone().map(Row::Root),
            Key::MemberFunds(team, user) => {
                let funds = self.member_funds.get(&(team.clone(), user.clone())).cloned();
                funds.map(|row| Row::MemberFunds(Box::new(row)))
            }
            Key::Subscription(id) => self.subscriptions.get(id).map(|row| Row::Subscription(Box::new(row.clone()))),
            Key::Owned(user) => {
                let owned = self.subscriptions.values().find(|s| s.terms.owner == *user);
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
            Key::Begun(sought) => {
                let known =
                    sought.operations.iter().filter_map(|operation| Some((operation, self.begun.get(operation)?)));
                let known = known.filter(|(_, (_, at))| *at >= sought.since);
                return known.map(|(operation, (begun, _))| Row::Begun(operation.clone(), *begun)).collect();
            }
            Key::Hold(sidecar, operation) => {
                let key = (*sidecar, (operation.scope.to_string(), operation.id.clone()));
                self.holds.get(&key).map(|hold| Row::Hold(Box::new(hold.abandoned())))
            }
            Key::Pending(owner) => {
                let first = (*owner, PendingKey { by: 0, seq: 0 });
                let of_owner = self.pending.range(first..).take_while(|((of, _), _)| of == owner);
                return of_owner.map(|(_, row)| Row::Pending(Box::new(row.clone()))).collect();
            }
            Key::Members(team) => {
                let of_team = self.members.iter().filter(|((of, _), _)| of == team);
                return of_team.map(|(_, member)| Row::Member(team.clone(), member.clone())).collect();
            }
        };
        row.into_iter().collect()
    }

    fn run<T>(&self, first: Vec<Key>, rule: impl Fn(&mut Rows) -> Result<T, Missing>) -> Result<Ran<T>, StoreError> {
        let mut loaded = Rows::of(self.sharing);
        for key in first {
            let found = self.fetch(&key);
            loaded.load(key, found);
        }
        for runs in 0..RULE_RUNS_MAX {
            let mut rows = loaded.clone();
            match rule(&mut rows) {
                Ok(answer) => return Ok((answer, loaded, rows)),
                Err(Missing(key)) => {
                    let key = widened(key, runs);
                    let found = self.fetch(&key);
                    loaded.load(key, found);
                }
            }
        }
        Err(StoreError::rejected("running a rule", "memory", "it asked for too many rows"))
    }

    fn save(&mut self, commit: Commit) {
        if self.sharing == Sharing::Many {
            self.save_begun(&commit);
        }
        for row in commit.rows {
            self.save_row(row);
        }
        for mut entry in commit.entries {
            entry.position = self.ledger.len() as u64 + 1;
            self.ledger.push(entry);
        }
        self.draws.extend(commit.draws);
        self.save_holds(commit.holds);
    }

    fn save_begun(&mut self, commit: &Commit) {
        for (operation, entry) in commit.begun() {
            let begun = Begun { sidecar: entry.sidecar.unwrap_or(SOLE), likeness: likeness(entry) };
            self.begun.insert(operation, (begun, entry.at));
        }
        for operation in commit.undone() {
            if self.begun.get(&operation).is_some_and(|(begun, _)| begun.sidecar == commit.holds.sidecar) {
                self.begun.remove(&operation);
            }
        }
        for done in &commit.pending.done {
            self.pending.remove(done);
        }
        let put = commit.pending.put.iter().cloned();
        self.pending.extend(put.map(|pending| ((pending.owner, pending.key), pending)));
    }

    fn save_row(&mut self, row: Row) {
        match row {
            Row::Sidecar(row) => {
                if self.sharing == Sharing::Sole {
                    self.sidecars.clear();
                }
                self.sidecars.insert(row.id, row);
            }
            Row::Root(row) => self.root = Some(row),
            Row::MemberFunds(row) => drop(self.member_funds.insert((row.team.clone(), row.user.clone()), *row)),
            Row::Subscription(row) => drop(self.subscriptions.insert(row.id.clone(), *row)),
            Row::Purchase(row) => drop(self.purchases.insert((row.subscription.clone(), row.id.clone()), row)),
            Row::Team(row) => drop(self.teams.insert(row.id.clone(), row)),
            Row::Member(team, row) => drop(self.members.insert((team, row.user.clone()), row)),
            Row::Owned(..) | Row::Begun(..) | Row::Pending(_) | Row::Hold(_) => {}
        }
    }

    fn save_holds(&mut self, changes: HoldChanges) {
        let of = |key: HoldKey| (changes.sidecar, key);
        for key in changes.ended {
            self.holds.remove(&of(key));
        }
        for (key, expires_at) in changes.extended {
            if let Some(hold) = self.holds.get_mut(&of(key)) {
                hold.expires_at = expires_at;
            }
        }
        self.holds.extend(changes.opened.into_iter().map(|(key, hold)| (of(key), hold)));
    }

    /// Visits all rows; of holds those of one sidecar, or all.
    fn visit(&self, of: Option<u128>, since: i64, visit: Visitor<'_>) {
        if self.sharing == Sharing::Many {
            visit(Loaded::Root(self.root.clone().unwrap_or_default()));
        }
        for row in self.subscriptions.values() {
            visit(Loaded::Subscription(Box::new(row.clone())));
        }
        for row in self.teams.values() {
            visit(Loaded::Team(row.clone()));
        }
        let members: Vec<_> = self.members.iter().map(|((team, _), row)| (team, row)).collect();
        for of_team in members.chunk_by(|(one, _), (other, _)| one == other) {
            let rows = of_team.iter().map(|(_, row)| (*row).clone());
            visit(Loaded::Members(of_team[0].0.clone(), rows.collect()));
        }
        for ((team, member, window), &tally) in &self.draws {
            if window.millis() >= since || self.holds.values().any(|hold| hold.window == *window) {
                visit(draws(team, member, *window, tally));
            }
        }
        for row in self.member_funds.values() {
            visit(Loaded::MemberFunds(Box::new(row.clone())));
        }
        for row in self.holds.values().filter(|row| of.is_none_or(|of| row.sidecar == of)) {
            visit(Loaded::Hold(Box::new(row.clone())));
        }
    }
}

fn draws(team: &TeamId, member: &UserId, window: Timestamp, tally: Tally) -> Loaded {
    Loaded::Draws { team: team.clone(), member: member.clone(), window, tally }
}

#[async_trait]
impl Store for Memory {
    async fn register(
        &self,
        id: u128,
        incarnation: u64,
        nonce: u128,
    ) -> Result<Result<Sidecar, SyncRefusal>, StoreError> {
        let mut tables = self.tables.lock();
        let (answer, loaded, rows) = tables.run(Vec::new(), |rows| sync::register(rows, id, incarnation, nonce))?;
        if answer.is_ok() {
            tables.save(Commit { rows: super::commit::changed(&loaded, &rows), ..Commit::default() });
        }
        Ok(answer)
    }

    async fn sync(&self, request: &Request, now: Timestamp) -> Result<Result<Reply, SyncRefusal>, StoreError> {
        let mut tables = self.tables.lock();
        let first = if tables.sharing == Sharing::Many { request.rows(now) } else { Vec::new() };
        let (answer, loaded, rows) = tables.run(first, |rows| sync::sync(rows, request, now))?;
        let (reply, synced) = match answer {
            Ok(answer) => answer,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let commit = Commit::of_sync(request, &loaded, &rows, synced, now)?;
        let pushes = commit.pushes || reply.calls_back();
        tables.save(commit);
        if pushes {
            self.pushes.send_modify(|pushes| *pushes += 1);
        }
        Ok(Ok(reply))
    }

    async fn control(&self, rule: Rule<'_>, actor: &Actor, now: Timestamp) -> Result<Controlled, StoreError> {
        let mut tables = self.tables.lock();
        let (answer, loaded, rows) = tables.run(Vec::new(), rule)?;
        let Ok(done) = &answer else { return Ok(Controlled { answer, rows: Vec::new() }) };
        let commit = Commit::of_control(done, actor, &loaded, &rows, now);
        if tables.sharing == Sharing::Many && !commit.is_empty() {
            let number = rows.root().map_or(0, |root| root.config);
            let changed = commit.rows.iter().filter_map(Row::followed);
            tables.changed_by.extend(changed.map(|key| (key, number)));
        }
        if commit.pushes {
            self.pushes.send_modify(|pushes| *pushes += 1);
        }
        tables.save(commit);
        Ok(Controlled { answer, rows: rows.changed() })
    }

    async fn load(&self, sidecar: u128, now: Timestamp, visit: Visitor<'_>) -> Result<(), StoreError> {
        let tables = self.tables.lock();
        tables.visit((tables.sharing == Sharing::Many).then_some(sidecar), oldest_window(now), visit);
        Ok(())
    }

    fn sharing(&self) -> Sharing {
        self.tables.lock().sharing
    }

    async fn changes(&self, since: u64) -> Result<Changes, StoreError> {
        let tables = self.tables.lock();
        let keys = tables.changed_by.iter().filter(|(_, number)| **number > since);
        let rows = keys.flat_map(|(key, _)| tables.fetch(key)).collect();
        let upto = tables.root.as_ref().map_or(0, |root| root.config);
        Ok(Changes { rows, upto, more: false })
    }

    fn pushes(&self) -> Option<watch::Receiver<u64>> {
        (self.sharing() == Sharing::Many).then(|| self.pushes.subscribe())
    }

    fn name(&self) -> &'static str {
        "memory"
    }

    async fn sidecars(&self) -> Result<Vec<Sidecar>, StoreError> {
        Ok(self.tables.lock().sidecars.values().cloned().collect())
    }

    async fn member_funds(&self, team: &TeamId, users: &[UserId]) -> Result<Vec<MemberFunds>, StoreError> {
        let tables = self.tables.lock();
        let funds = users.iter().filter_map(|user| tables.member_funds.get(&(team.clone(), user.clone())));
        Ok(funds.cloned().collect())
    }

    async fn abandoned(&self, sidecar: u128) -> Result<(Vec<Hold>, Vec<Pending>), StoreError> {
        let tables = self.tables.lock();
        let holds = tables.holds.values().filter(|hold| hold.sidecar == sidecar).cloned().collect();
        Ok((holds, tables.pending.values().filter(|pending| pending.owner == sidecar).cloned().collect()))
    }

    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        Ok(self.tables.lock().subscriptions.get(id).cloned())
    }

    async fn team(&self, id: &TeamId) -> Result<Option<Team>, StoreError> {
        Ok(self.tables.lock().teams.get(id).cloned())
    }

    async fn members(&self, team: &TeamId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, StoreError> {
        let tables = self.tables.lock();
        let of_team = tables.members.iter().filter(|((of, _), member)| of == team && !member.removed);
        let rest = of_team.filter(|((_, user), _)| after.is_none_or(|after| user > after));
        Ok(rest.take(page(limit)).map(|(_, member)| member.clone()).collect())
    }

    async fn teams(&self, of: Option<&UserId>, after: Option<&TeamId>, limit: usize) -> Result<Vec<Team>, StoreError> {
        let tables = self.tables.lock();
        let is_in = |team: &TeamId, user: &UserId| {
            tables.members.get(&(team.clone(), user.clone())).is_some_and(|member| !member.removed)
        };
        let rest = tables.teams.values().filter(|team| after.is_none_or(|after| team.id > *after));
        let mine = rest.filter(|team| of.is_none_or(|user| is_in(&team.id, user)));
        Ok(mine.take(page(limit)).cloned().collect())
    }

    async fn entries(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let tables = self.tables.lock();
        let admitted = |entry: &&LedgerEntry| filter.is_after(entry.position, after) && filter.admits(entry);
        let entries = tables.ledger.iter();
        Ok(match filter.newest_first {
            true => entries.rev().filter(admitted).take(page(limit)).cloned().collect(),
            false => entries.filter(admitted).take(page(limit)).cloned().collect(),
        })
    }

    async fn audit(&self) -> Result<Audit, StoreError> {
        let tables = self.tables.lock();
        let mut recount = Recount::default();
        for entry in &tables.ledger {
            recount.take(entry);
        }
        match tables.sharing {
            Sharing::Sole => recount.check_sidecar(SOLE, tables.sidecars.values().next()),
            Sharing::Many => tables.sidecars.iter().for_each(|(&id, row)| recount.check_sidecar(id, Some(row))),
        }
        tables.visit(None, i64::MIN, &mut |row| recount.check(&row));
        Ok(recount.finish())
    }
}
