//! Operations that another sidecar has: draws that were entered here as well and are undone, and ends
//! that were asked for here of draws that were entered elsewhere. See docs/decisions/0011-one-operation.md.

use super::cells::{BookCell, Source, TeamCell};
use super::ends::EndFault;
use super::known::{By, End, Horizon, Key, Kind, Known};
use super::log::Log;
use super::members::Members;
use super::meter::Meter;
use super::numbered::Numbered;
use super::operations::Operations;
use super::record::{Apart, Done, Header};
use super::work::refund_content;
use crate::domain::{
    AskedEnd, Credits, Drawer, Entry, EntryView, Fact, OperationId, Payer, RateVersion, Scope, SubscriptionId,
    Timestamp,
};
use crate::root::Sharing;

/// What is known here of an operation that another sidecar has.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// What it was granted here, and for a hold until when, before it was undone.
    pub first: Option<(Credits, Option<Timestamp>)>,
    /// The other one was asked with other content.
    pub reused: bool,
    /// The settle or release that was asked for here.
    pub end: Option<AskedEnd>,
    /// All that is left of it was asked back here.
    pub refunded: bool,
}

/// An end that was taken in for another sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How it is to end.
    pub end: AskedEnd,
    /// It had been asked just so before.
    pub replayed: bool,
    /// The entry that must be durable before this is answered.
    pub seq: u64,
}

impl From<Elsewhere> for Done {
    fn from(elsewhere: Elsewhere) -> Self {
        Self::Apart(Box::new(Apart::Elsewhere(elsewhere)))
    }
}

impl Known<'_> {
    /// Whether an entry may yet begin it: so far only somebody asked for it here.
    pub(super) fn may_be_entered(&self) -> bool {
        !self.is_answered() || matches!(self.kind, Kind::Refund { is_asked: true, .. })
    }

    /// Whether a draw was answered here: of some that another sidecar has only an end was asked for.
    pub(super) fn is_answered(&self) -> bool {
        !matches!(self.kind, Kind::Elsewhere(known) if known.first.is_none())
    }
}

impl Operations {
    /// Takes over that a draw was undone. One that charged in two windows is undone by an entry for each.
    pub(super) fn void(&mut self, key: Key, entry: EntryView<'_>, seq: u64, reused: bool) {
        let Some(place) = self.place(key) else { return };
        if self.is_void_in_part(place, entry) {
            return;
        }
        let first = match self.at(place).expect("it was found there").kind {
            Kind::Debit { credits, .. } => (credits, None),
            Kind::Hold(hold) => (hold.hold().set.credits, Some(hold.first_expiry())),
            Kind::Refund { .. } | Kind::Elsewhere(_) => return,
        };
        let elsewhere = Elsewhere { first: Some(first), reused, ..Elsewhere::default() };
        self.replace(key, place, entry, seq, elsewhere.into());
    }

    /// Whether an entry undoes but what a settle charged in another window than the hold's: takes that over.
    fn is_void_in_part(&mut self, place: u32, entry: EntryView<'_>) -> bool {
        let Some(ended) = self.ended_mut(place) else { return false };
        let (window, above) = ended.above;
        let is_part = !above.is_zero() && entry.postings.iter().any(|posting| posting.window == window);
        if is_part {
            ended.above.1 = Credits::ZERO;
        }
        is_part
    }

    /// Takes over that an end was asked for of what another sidecar has.
    pub(super) fn ask(
        &mut self,
        key_of: impl Fn(&OperationId) -> Key,
        entry: EntryView<'_>,
        by: By,
        seq: u64,
        end: &AskedEnd,
    ) {
        let key = key_of(entry.id);
        let place = self.place(key);
        let mut elsewhere = match place.and_then(|place| self.at(place)).map(|known| known.kind) {
            Some(Kind::Elsewhere(known)) => known.clone(),
            None => Elsewhere::default(),
            Some(_) => return,
        };
        match end {
            AskedEnd::Settle { .. } | AskedEnd::Release => elsewhere.end = Some(end.clone()),
            AskedEnd::Refund { part: None } => elsewhere.refunded = true,
            AskedEnd::Extend { .. } | AskedEnd::Refund { .. } => {}
        }
        if let AskedEnd::Refund { part: Some((id, credits)) } = end
            && self.get(key_of(id)).is_none()
        {
            let content = refund_content(entry.id, *credits);
            let done = Done::Refund { credits: *credits, is_asked: true };
            self.remember(key_of(id), Header { at: entry.at, seq, content, by }, done);
        }
        match place {
            Some(place) => self.replace(key, place, entry, seq, elsewhere.into()),
            None => self.remember(key, Header { at: entry.at, seq, content: 0, by }, elsewhere.into()),
        }
    }

    /// Whether an end that is asked for of what another sidecar has was asked for before: its entry.
    fn asked(&self, key: Key, part: Option<Key>, id: &OperationId, end: &AskedEnd) -> Result<Option<u64>, EndFault> {
        if let (AskedEnd::Refund { part: Some((_, credits)) }, Some(part)) = (end, part)
            && let Some(known) = self.get(part)
        {
            let is_same = matches!(known.kind, Kind::Refund { .. }) && known.content == refund_content(id, *credits);
            return if is_same { Ok(Some(known.seq)) } else { Err(EndFault::IdReused) };
        }
        let Some(known) = self.get(key) else { return Ok(None) };
        let Kind::Elsewhere(elsewhere) = known.kind else { return Err(EndFault::NotFound) };
        match (&elsewhere.end, end) {
            (Some(before), AskedEnd::Settle { .. } | AskedEnd::Release) if before == end => Ok(Some(known.seq)),
            (Some(AskedEnd::Settle { credits }), _) => Err(EndFault::HoldEnded(settled(*credits))),
            (Some(_), _) => Err(EndFault::HoldEnded(End::Released { returned: Credits::ZERO })),
            (None, AskedEnd::Refund { part: None }) if elsewhere.refunded => Ok(Some(known.seq)),
            (None, _) => Ok(None),
        }
    }
}

/// What an entry charges in another window than that of its hold, and in which.
pub(super) fn above(entry: EntryView<'_>, window: Timestamp) -> (Timestamp, Credits) {
    let elsewhere = entry.postings.iter().find(|posting| posting.window != window);
    elsewhere.map_or_else(Default::default, |posting| (posting.window, posting.spent))
}

const fn settled(charged: Credits) -> End {
    End::Settled { charged, returned: Credits::ZERO, debt: Credits::ZERO, late: false }
}

/// The numbers of a drawer in a team; `None` where it is no member.
fn by_in(members: &Members, sources: &mut Numbered<Source>, drawer: &Drawer) -> Option<By> {
    let (payer, subscription) = (drawer.payer, drawer.subscription.clone());
    Some(By { member: members.find(&drawer.member)?, source: sources.number(&Source { payer, subscription }).0 })
}

impl<L: Log> Meter<L> {
    /// Takes an end in of a draw that is not known here: another sidecar may have entered it.
    ///
    /// # Errors
    /// [`EndFault::NotFound`] where no other sidecar can have, or the scope is not known.
    pub fn ask_end(&self, scope: &Scope, id: &OperationId, end: AskedEnd, now: Timestamp) -> Result<Asked, EndFault> {
        self.ask_priced_end(scope, id, (end, None), now)
    }

    /// As [`Meter::ask_end`], of a settle that a version of the rate card priced.
    pub fn ask_priced_end(
        &self,
        scope: &Scope,
        id: &OperationId,
        end: (AskedEnd, Option<RateVersion>),
        now: Timestamp,
    ) -> Result<Asked, EndFault> {
        if self.options.sharing == Sharing::Sole {
            return Err(EndFault::NotFound);
        }
        let mut room = self.log.reserve(1).map_err(|_| EndFault::Unavailable)?;
        match scope {
            Scope::Team(team) => {
                let cell = self.team_cell(team).ok_or(EndFault::NotFound)?;
                let TeamCell { team, members, sources, operations, .. } = &mut *cell.lock();
                // It draws on nothing: only the scope is said.
                let subscription = SubscriptionId::new(team.id.as_str()).expect("both are names");
                let (member, payer) = (team.owner.clone(), Payer::Pool);
                let drawer = Drawer { team: Some(team.id.clone()), member, payer, subscription };
                let by = by_in(members, sources, &drawer).ok_or(EndFault::NotFound)?;
                self.ask_end_in(operations, (drawer, by), id, end, &mut room, now)
            }
            Scope::User(user) => {
                let owned = self.owned_by(user).ok_or(EndFault::NotFound)?;
                let cell = self.book_cell(&owned.subscription).ok_or(EndFault::NotFound)?;
                let BookCell { owners, operations, .. } = &mut *cell.lock();
                let by = By { member: owners.number(user).0, source: 0 };
                let (member, payer, subscription) = (user.clone(), Payer::Wallet, owned.subscription);
                let drawer = Drawer { team: None, member, payer, subscription };
                self.ask_end_in(operations, (drawer, by), id, end, &mut room, now)
            }
        }
    }

    fn ask_end_in(
        &self,
        operations: &mut Operations,
        (drawer, by): (Drawer, By),
        id: &OperationId,
        (end, rates): (AskedEnd, Option<RateVersion>),
        room: &mut L::Room<'_>,
        now: Timestamp,
    ) -> Result<Asked, EndFault> {
        let (key, part) = (self.key(id), self.part_key(&end));
        for key in [Some(key), part].into_iter().flatten() {
            operations.refresh(key, self.horizon(now));
        }
        if let Some(seq) = operations.asked(key, part, id, &end)? {
            return Ok(Asked { end, replayed: true, seq });
        }
        let (fact, postings) = (Fact::EndAsked { end: end.clone() }, Default::default());
        let entry = Entry { at: now, id: id.clone(), drawer, fact, rates, postings };
        let seq = self.log.push(room, entry.view());
        self.note(seq);
        operations.note(|id| self.key(id), entry.view(), by, seq);
        Ok(Asked { end, replayed: false, seq })
    }

    /// Remembers an end that was asked for before a restart; it moves nothing.
    pub(super) fn recover_asked(&self, entry: &Entry, seq: u64, horizon: Horizon) {
        let note = |operations: &mut Operations, by| {
            operations.forget(horizon, usize::MAX);
            operations.note(|id| self.key(id), entry.view(), by, seq);
        };
        match &entry.drawer.team {
            Some(team) => {
                let Some(cell) = self.team_cell(team) else { return };
                let TeamCell { members, sources, operations, .. } = &mut *cell.lock();
                if let Some(by) = by_in(members, sources, &entry.drawer) {
                    note(operations, by);
                }
            }
            None => {
                let owned = self.owned_by(&entry.drawer.member);
                let Some(cell) = owned.and_then(|owned| self.book_cell(&owned.subscription)) else { return };
                let BookCell { owners, operations, .. } = &mut *cell.lock();
                note(operations, By { member: owners.number(&entry.drawer.member).0, source: 0 });
            }
        }
    }

    fn part_key(&self, end: &AskedEnd) -> Option<Key> {
        match end {
            AskedEnd::Refund { part: Some((id, _)) } => Some(self.key(id)),
            _ => None,
        }
    }
}
