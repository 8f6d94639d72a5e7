//! Following the root: rows that control changed, leases that a sync brought, credits to return.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cells::{BookCell, Owned, TeamCell};
use super::lack::needs_lease;
use super::lock::Mutex;
use super::log::Log;
use super::meter::Meter;
use crate::domain::{Book, Credits, Features, Member, SubscriptionId, Team, TeamId, Timestamp};
use crate::root::{Lease, Leased, Row, Sharing, Status, Subscription};

/// Changed rows of one team, taken over under one lock so that a bulk change shows as a whole.
#[derive(Default)]
struct TeamRows<'a> {
    team: Option<&'a Team>,
    members: Vec<&'a Member>,
}

impl<L: Log> Meter<L> {
    /// Takes over rows as the root left them. Older rows than those known are passed over, so
    /// the order of arrival does not matter.
    pub fn follow(&self, rows: &[Row]) {
        let mut teams: BTreeMap<&TeamId, TeamRows<'_>> = BTreeMap::new();
        for row in rows {
            match row {
                Row::Subscription(row) => self.follow_subscription(row),
                Row::Team(team) => teams.entry(&team.id).or_default().team = Some(team),
                Row::Member(team, member) => teams.entry(team).or_default().members.push(member),
                Row::Sidecar(_) | Row::Purchase(_) | Row::Owned(..) | Row::Root(_) | Row::MemberFunds(_) => {}
                Row::Begun(..) | Row::Pending(_) | Row::Hold(_) => {}
            }
        }
        for (id, rows) in teams {
            self.follow_team(id, &rows);
        }
    }

    /// Takes over members of one team, each unless a newer one is known.
    pub fn follow_members(&self, team: &TeamId, members: &[Member]) {
        self.follow_team(team, &TeamRows { team: None, members: members.iter().collect() });
    }

    fn follow_subscription(&self, row: &Subscription) {
        let features = effective_features(row);
        // The map's own lock ends with this statement: it is never held while waiting for another.
        let cell = Arc::clone(&self.books.entry(row.id.clone()).or_insert_with(|| {
            let (subscription, owner) = (row.id.clone(), row.terms.owner.clone());
            let book = Book { features, ..Book::new(subscription, owner) };
            Arc::new(Mutex::new(BookCell::new(book)))
        }));
        {
            let BookCell { book, pace, .. } = &mut *cell.lock();
            if row.epoch < book.epoch {
                return;
            }
            if self.options.sharing == Sharing::Sole {
                lend(book, &row.leases());
            }
            if self.options.sharing == Sharing::Many {
                // Where something is held, the root may have forgotten it and named it anew.
                self.name(pace, || Leased::Funds(row.id.clone()), !book.funds.is_empty());
            }
            (book.epoch, book.features) = (row.epoch, features);
            book.team.clone_from(&row.team);
            if book.owner != row.terms.owner {
                self.owned.remove_if(&book.owner, |_, owned| owned.subscription == row.id);
                book.owner.clone_from(&row.terms.owner);
            }
            let own = if row.team.is_none() { features } else { Features::default() };
            self.owned.insert(row.terms.owner.clone(), Owned { subscription: row.id.clone(), features: own });
        }
        if let Some(team) = row.team.as_ref().and_then(|team| self.team_cell(team)) {
            let mut team = team.lock();
            if team.team.subscription.as_ref() == Some(&row.id) {
                team.features = cell.lock().book.features;
                team.set_pool(Some(cell));
            }
        }
    }

    fn follow_team(&self, id: &TeamId, rows: &TeamRows<'_>) {
        let cell = match (self.team_cell(id), rows.team) {
            (Some(cell), _) => cell,
            (None, Some(team)) => {
                let new = || Arc::new(Mutex::new(TeamCell::new(Team { epoch: 0, ..team.clone() })));
                Arc::clone(&self.teams.entry(id.clone()).or_insert_with(new))
            }
            (None, None) => return,
        };
        let mut cell = cell.lock();
        if let Some(team) = rows.team.filter(|team| team.epoch >= cell.team.epoch) {
            cell.team = team.clone();
            let pool = team.subscription.as_ref().and_then(|id| self.book_cell(id));
            cell.features = pool.as_ref().map_or(Features::default(), |pool| pool.lock().book.features);
            cell.set_pool(pool);
        }
        cell.members.follow_all(&rows.members);
        if self.options.sharing == Sharing::Many {
            let TeamCell { members, paces, .. } = &mut *cell;
            for row in &rows.members {
                let Some(number) = members.find(&row.user) else { continue };
                let member = members.cell(number);
                let (is_held, needs_lease) = (!member.draws.shares().is_empty(), needs_lease(&member.membership()));
                if is_held || needs_lease {
                    self.name(paces.of(number), || Leased::Limit(id.clone(), row.user.clone()), is_held);
                }
            }
        }
    }

    /// Whatever the store says of rows from now on is newer than what is known: it may have forgotten changes,
    /// and numbers others as it numbered those. What it does not name stays.
    pub fn forget_epochs(&self) {
        // Copied out first: a map's own lock is never held while waiting for another.
        let books: Vec<_> = self.books.iter().map(|cell| Arc::clone(&cell)).collect();
        books.iter().for_each(|cell| cell.lock().book.epoch = 0);
        let teams: Vec<_> = self.teams.iter().map(|cell| Arc::clone(&cell)).collect();
        for cell in &teams {
            let mut cell = cell.lock();
            cell.team.epoch = 0;
            cell.members.forget_epochs();
        }
    }

    /// Takes over what a sync lent.
    pub fn lend(&self, leases: &BTreeMap<SubscriptionId, Vec<Lease>>) {
        for (subscription, leases) in leases {
            if let Some(cell) = self.book_cell(subscription) {
                lend(&mut cell.lock().book, leases);
            }
        }
    }

    /// Takes what is free of leases that have run out off the books of `subscriptions`, and answers
    /// what has been returned in all, for the next sync (deduct first, then return).
    pub fn give_back<'a>(
        &self,
        subscriptions: impl IntoIterator<Item = &'a SubscriptionId>,
        now: Timestamp,
    ) -> BTreeMap<SubscriptionId, Vec<(Timestamp, Credits)>> {
        let returns = subscriptions.into_iter().filter_map(|subscription| {
            let cell = self.book_cell(subscription)?;
            let returns = cell.lock().book.give_back(now);
            Some((subscription.clone(), returns))
        });
        returns.collect()
    }
}

fn lend(book: &mut Book, leases: &[Lease]) {
    for Lease { window, granted, returned, lost, until } in leases {
        book.lend(*window, *granted, *returned, *until);
        book.lose(window.start, *lost);
    }
    // What the root has dropped is older than something that it names.
    let newest = leases.iter().map(|lease| lease.window.start).max();
    book.forget_except(|start| Some(start) > newest || leases.iter().any(|lease| lease.window.start == start));
}

/// What a subscription unlocks: nothing once it is canceled.
fn effective_features(row: &Subscription) -> Features {
    match row.terms.status {
        Status::Active => row.terms.features,
        Status::Canceled => Features::default(),
    }
}
