//! Turns what a transaction saves into what one commit writes: rows, the sets by which they are found,
//! holds and entries.

use super::begun::{Begins, Days};
use super::fetch::Read;
use super::keys::{self, Keys, Slot};
use super::ledger;
use super::payload::Payload;
use super::rows::{Json, hold_value};
use crate::domain::TeamId;
use crate::root::{Key, Pending, PendingChanges, Row, Subscription};
use crate::store::commit::Commit;
use crate::store::hold::HoldChanges;

/// Whom a commit tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// Nobody.
    Nobody,
    /// Everybody, that there may be something to sync for.
    Call,
    /// Everybody, and the rows count as changed by this change of control.
    Change(u64),
}

/// All that a commit compares and writes.
pub fn payload(names: &Keys, read: &Read, commit: &Commit, push: Push, days: Option<Days>) -> Payload {
    let mut saving = Saving { names, read, to: Payload::default() };
    saving.to.version = format!("{:016x}", rand::random::<u64>());
    saving.to.fence.clone_from(&read.fence);
    saving.to.ledger = names.ledger();
    saving.to.checks = read.versions.iter().map(|(slot, version)| (slot.clone(), version.clone())).collect();
    saving.to.counts = read.counts.iter().map(|(key, count)| (key.clone(), count.to_string())).collect();
    for row in &commit.rows {
        saving.row(row);
        if let (Push::Change(number), Some(key)) = (push, row.followed()) {
            let member = keys::change(&key).expect("every row that is followed has a name");
            saving.to.named.push((names.changed(), member, number.to_string()));
        }
    }
    saving.holds(&commit.holds);
    saving.pending(&commit.pending);
    if let Some(days) = days {
        saving.to.begins = Begins::of(names, commit, days, &read.begun);
    }
    saving.to.entries.reserve(commit.entries.len());
    for entry in &commit.entries {
        let team = entry.team.as_ref().map_or("", TeamId::as_str);
        saving.to.entries.push(team, |text| ledger::write(entry, text));
    }
    if push != Push::Nobody {
        saving.to.channel = names.pushes();
    }
    saving.to
}

struct Saving<'a> {
    names: &'a Keys,
    read: &'a Read,
    to: Payload,
}

impl Saving<'_> {
    fn put(&mut self, key: &Key, text: &str) {
        let slot = self.names.slot(key).expect("one row has one place");
        let value = format!("{} {text}", self.to.version);
        self.to.puts.push((slot, value));
    }

    fn row(&mut self, row: &Row) {
        match row {
            Row::Sidecar(row) => self.put(&Key::Sidecar(row.id), &row.json()),
            Row::Root(row) => self.put(&Key::Root, &row.json()),
            Row::MemberFunds(row) => self.put(&Key::MemberFunds(row.team.clone(), row.user.clone()), &row.json()),
            Row::Purchase(row) => self.put(&Key::Purchase(row.subscription.clone(), row.id.clone()), &row.json()),
            Row::Subscription(row) => self.subscription(row),
            Row::Team(row) => {
                self.put(&Key::Team(row.id.clone()), &row.json());
                self.to.named.push((self.names.team_names(), row.id.to_string(), "0".to_owned()));
            }
            Row::Member(team, row) => {
                self.put(&Key::Member(team.clone(), row.user.clone()), &row.json());
                let of_team = (self.names.member_names(team), row.user.to_string());
                let of_user = (self.names.teams_of(&row.user), team.to_string());
                for (set, member) in [of_team, of_user] {
                    match row.removed {
                        true => self.to.unnamed.push((set, member)),
                        false => self.to.named.push((set, member, "0".to_owned())),
                    }
                }
            }
            // Follow from the subscription, from entries, and from what is pending.
            Row::Owned(..) | Row::Begun(..) | Row::Pending(_) | Row::Hold(_) => {}
        }
    }

    fn subscription(&mut self, row: &Subscription) {
        self.put(&Key::Subscription(row.id.clone()), &row.json());
        let before = self.read.rows.subscription(&row.id).ok().flatten().map(|before| &before.terms.owner);
        if before == Some(&row.terms.owner) {
            return;
        }
        self.to.gone.extend(before.and_then(|before| self.names.slot(&Key::Owned(before.clone()))));
        self.put(&Key::Owned(row.terms.owner.clone()), row.id.as_str());
    }

    fn pending(&mut self, changes: &PendingChanges) {
        let slot = |owner, key: &_| Slot { key: self.names.pending(owner), field: keys::pending(key) };
        for (owner, key) in &changes.done {
            let slot = slot(*owner, key);
            let version = self.read.pending.get(&slot).cloned().unwrap_or_default();
            self.to.checks.push((slot.clone(), version));
            self.to.gone.push(slot);
        }
        let put = |row: &Pending| (slot(row.owner, &row.key), format!("{} {}", self.to.version, row.json()));
        self.to.puts.extend(changes.put.iter().map(put).collect::<Vec<_>>());
    }

    fn holds(&mut self, changes: &HoldChanges) {
        let hash = self.names.holds(changes.sidecar);
        let slot = |key| Slot { key: hash.clone(), field: keys::hold(key) };
        self.to.gone.extend(changes.ended.iter().map(slot));
        let extended = changes.extended.iter();
        self.to.extended.extend(extended.map(|(key, expires_at)| (slot(key), expires_at.millis().to_string())));
        self.to.puts.extend(changes.opened.iter().map(|(key, hold)| (slot(key), hold_value(hold))));
    }
}
