//! One entry of the ledger as a store keeps and shows it: a fact of a sidecar or a change of control
//! in plain columns, from which every posting can be read back. How a store lays it out is not here.

use super::detail;
use super::kind::Kind;
use crate::domain::ids::Model;
use crate::domain::{
    AskedEnd, Credits, Drawer, Entry, Fact, OperationId, Payer, Posting, RateVersion, Scope, Set, SubscriptionId,
    TeamId, Timestamp, UserId,
};
use crate::root::abandoned::{Ending, HoldEnded};
use crate::root::begun;
use crate::root::pending::What;
use crate::root::{Actor, Change, Pending};

/// One entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its place in the ledger, from 1; 0 until it is saved.
    pub position: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What it records.
    pub kind: Kind,
    /// The team in whose name.
    pub team: Option<TeamId>,
    /// Who draws, or the member that was changed.
    pub member: Option<UserId>,
    /// Whose credits pay.
    pub payer: Option<Payer>,
    /// The subscription that is drawn on, or was changed.
    pub subscription: Option<SubscriptionId>,
    /// The operation's or the purchase's id.
    pub id: Option<OperationId>,
    /// What it charged, set aside, returned, refunded or granted.
    pub credits: Option<Credits>,
    /// What it moves.
    pub moves: Option<Moves>,
    /// When the hold or the grant expires.
    pub expires_at: Option<Timestamp>,
    /// What of a hold was not needed.
    pub returned: Option<Credits>,
    /// What of a settle the payer could not cover.
    pub debt: Option<Credits>,
    /// Settled at or after the hold's expiry.
    pub late: bool,
    /// The debit or hold that was refunded.
    pub refers_to: Option<OperationId>,
    /// The model, where one was named.
    pub model: Option<Model>,
    /// The version of the rate card that priced it; of a hold, that prices its settle.
    pub rates: Option<RateVersion>,
    /// The grant's number within the subscription.
    pub grant: Option<u64>,
    /// Who asked for a change: `user:ID` or `service:NAME`.
    pub actor: Option<String>,
    /// The sidecar that reported it, where a store serves many.
    pub sidecar: Option<u128>,
    /// The incarnation of the sidecar that reported it.
    pub incarnation: Option<u64>,
    /// Its number in the sidecar's journal.
    pub seq: Option<u64>,
    /// The values of a change as they stood from then on; a JSON object.
    pub detail: Option<String>,
}

/// What an entry moves: the postings less their running sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moves {
    /// The start of the window that it moves.
    pub window: Timestamp,
    /// Charged there.
    pub spent: Credits,
    /// Refunded there.
    pub refunded: Credits,
    /// Set aside there.
    pub held: Option<Set>,
    /// No longer set aside there.
    pub unheld: Option<Set>,
    /// A settle above a hold of an ended window: the later window's start, and what was charged there.
    pub above: Option<(Timestamp, Credits)>,
}

impl Moves {
    /// The postings, without their running sums.
    pub fn postings(&self) -> impl Iterator<Item = Posting> {
        let (spent, refunded) = (self.spent, self.refunded);
        let main = Posting { spent, refunded, held: self.held, unheld: self.unheld, ..Posting::new(self.window) };
        let above = self.above.map(|(window, spent)| Posting { spent, ..Posting::new(window) });
        std::iter::once(main).chain(above)
    }

    fn of(entry: &Entry) -> Result<Option<Self>, &'static str> {
        let (main, above) = match entry.postings.as_slice() {
            [] => return Ok(None),
            [main] => (main, None),
            [main, above] => (main, Some(above)),
            _ => return Err("an entry moves at most two windows"),
        };
        if above.is_some_and(|p| !p.refunded.is_zero() || p.held.is_some() || p.unheld.is_some()) {
            return Err("an entry's second posting only charges");
        }
        if main.held.is_some_and(|held| expiry(&entry.fact) != Some(held.expires_at)) {
            return Err("what is set aside expires when its hold does");
        }
        Ok(Some(Self {
            window: main.window,
            spent: main.spent,
            refunded: main.refunded,
            held: main.held,
            unheld: main.unheld,
            above: above.map(|posting| (posting.window, posting.spent)),
        }))
    }
}

const fn expiry(fact: &Fact) -> Option<Timestamp> {
    match fact {
        Fact::Held { expires_at, .. } | Fact::Extended { expires_at } => Some(*expires_at),
        _ => None,
    }
}

impl LedgerEntry {
    /// An entry that says nothing yet but what and when.
    pub fn new(kind: Kind, at: Timestamp) -> Self {
        Self {
            position: 0,
            at,
            kind,
            team: None,
            member: None,
            payer: None,
            subscription: None,
            id: None,
            credits: None,
            moves: None,
            expires_at: None,
            returned: None,
            debt: None,
            late: false,
            refers_to: None,
            model: None,
            rates: None,
            grant: None,
            actor: None,
            sidecar: None,
            incarnation: None,
            seq: None,
            detail: None,
        }
    }

    /// A sidecar's entry `seq`, reported by `incarnation`. Fails on postings that no entry has.
    pub fn of_entry(entry: &Entry, incarnation: u64, seq: u64) -> Result<Self, &'static str> {
        let mut row = Self {
            team: entry.drawer.team.clone(),
            member: Some(entry.drawer.member.clone()),
            payer: Some(entry.drawer.payer),
            subscription: Some(entry.drawer.subscription.clone()),
            id: Some(entry.id.clone()),
            credits: Some(entry.fact.credits()),
            moves: Moves::of(entry)?,
            expires_at: expiry(&entry.fact),
            rates: entry.rates,
            incarnation: Some(incarnation),
            seq: Some(seq),
            ..Self::new(kind(&entry.fact), entry.at)
        };
        match &entry.fact {
            Fact::Debited { model, .. } | Fact::Held { model, .. } => row.model.clone_from(model),
            Fact::Settled { returned, debt, late, .. } => {
                (row.returned, row.debt, row.late) = (Some(*returned), Some(*debt), *late);
            }
            Fact::Refunded { debit, .. } => row.refers_to = Some(debit.clone()),
            Fact::EndAsked { end } => row.ask(&entry.drawer, end),
            Fact::Extended { .. } | Fact::Released { .. } | Fact::Expired { .. } | Fact::Voided { .. } => {}
        }
        Ok(row)
    }

    /// Says nothing but what was asked for: who has drawn, and on what, is not known.
    fn ask(&mut self, drawer: &Drawer, end: &AskedEnd) {
        if drawer.team.is_some() {
            self.member = None;
        }
        (self.payer, self.subscription, self.credits) = (None, None, end.credits());
        self.detail = Some(detail::of_end(end));
    }

    /// An end for which no draw has turned up.
    pub fn of_orphan(pending: &Pending, at: Timestamp) -> Self {
        let mut row = Self { id: Some(pending.operation.id.clone()), ..Self::new(Kind::Orphaned, at) };
        match &pending.operation.scope {
            Scope::Team(team) => row.team = Some(team.clone()),
            Scope::User(user) => row.member = Some(user.clone()),
        }
        if let What::End(end) = &pending.what {
            (row.credits, row.detail) = (end.credits(), Some(detail::of_end(end)));
        }
        row
    }

    /// A hold that the root has ended.
    fn of_ended(ended: &HoldEnded, at: Timestamp) -> Self {
        let HoldEnded { hold, ending, above, debt, .. } = ended;
        let (charged, elsewhere) = (ending.charged(), above.map_or(Credits::ZERO, |(_, credits)| credits));
        let (kind, credits) = match ending {
            Ending::Settled(charged) => (Kind::Settled, *charged),
            Ending::Released => (Kind::Released, hold.set.credits),
            Ending::Expired => (Kind::Expired, hold.set.credits),
        };
        let moves = Moves {
            window: hold.window,
            spent: charged.minus(elsewhere),
            refunded: Credits::ZERO,
            held: None,
            unheld: Some(hold.set),
            above: *above,
        };
        let is_settled = kind == Kind::Settled;
        Self {
            team: hold.drawer.team.clone(),
            member: Some(hold.drawer.member.clone()),
            payer: Some(hold.drawer.payer),
            subscription: Some(hold.drawer.subscription.clone()),
            id: Some(hold.operation.id.clone()),
            credits: Some(credits),
            moves: Some(moves),
            returned: is_settled.then(|| hold.set.credits.saturating_sub(charged)),
            debt: is_settled.then_some(*debt),
            sidecar: Some(hold.sidecar),
            ..Self::new(kind, at)
        }
    }

    /// A change that `actor` asked for, or that time brought about.
    pub fn of_change(change: &Change, actor: Option<&Actor>, at: Timestamp) -> Self {
        let by = actor.map(actor_text);
        match change {
            Change::HoldEnded(ended) => {
                return Self { actor: by, detail: detail::of(change), ..Self::of_ended(ended, at) };
            }
            Change::EndOrphaned(pending) => return Self { actor: by, ..Self::of_orphan(pending, at) },
            _ => {}
        }
        let mut row = Self { actor: actor.map(actor_text), detail: detail::of(change), ..Self::new(Kind::Granted, at) };
        (row.kind, row.team, row.subscription, row.member) = match change {
            Change::SubscriptionPut { subscription, .. } => {
                (Kind::SubscriptionPut, None, Some(subscription.clone()), None)
            }
            Change::Granted { subscription, number, credits, expires_at, purchase, .. } => {
                (row.grant, row.credits, row.expires_at) = (Some(*number), Some(*credits), *expires_at);
                row.id = OperationId::new(purchase).ok();
                (Kind::Granted, None, Some(subscription.clone()), None)
            }
            Change::TeamPut { team, .. } => (Kind::TeamPut, Some(team.clone()), None, None),
            Change::Assigned { team, subscription } => {
                (Kind::Assigned, Some(team.clone()), Some(subscription.clone()), None)
            }
            Change::Unassigned { team, subscription } => {
                (Kind::Unassigned, Some(team.clone()), Some(subscription.clone()), None)
            }
            Change::MemberPut { team, member } => {
                (Kind::MemberPut, Some(team.clone()), None, Some(member.user.clone()))
            }
            Change::MemberRemoved { team, user } => (Kind::MemberRemoved, Some(team.clone()), None, Some(user.clone())),
            Change::WhitelistPut { team, .. } => (Kind::WhitelistPut, Some(team.clone()), None, None),
            Change::SidecarWrittenOff { .. } => (Kind::SidecarWrittenOff, None, None, None),
            Change::HoldEnded(_) | Change::EndOrphaned(_) => unreachable!("they have been told above"),
            Change::FundsForgiven { subscription, credits, .. } => {
                row.credits = Some(*credits);
                (Kind::FundsForgiven, None, Some(subscription.clone()), None)
            }
            Change::LimitForgiven { team, user, credits, .. } => {
                row.credits = Some(*credits);
                (Kind::LimitForgiven, Some(team.clone()), None, Some(user.clone()))
            }
        };
        row
    }
}

/// The likeness of an entry that begins a draw: see [`begun::likeness`].
pub fn likeness(entry: &LedgerEntry) -> u32 {
    let member = entry.member.as_ref().map_or("", UserId::as_str);
    let asked = match entry.kind {
        Kind::Held => begun::Asked::Hold(entry.expires_at.map_or(0, |expires_at| expires_at.millis_since(entry.at))),
        // Another version of the rate card may price the same usage otherwise.
        _ if entry.rates.is_some() => begun::Asked::Debit(Credits::ZERO),
        _ => begun::Asked::Debit(entry.credits.unwrap_or_default()),
    };
    begun::likeness(member, entry.model.as_ref().map(Model::as_str), asked)
}

/// `user:ID` or `service:NAME`.
pub fn actor_text(actor: &Actor) -> String {
    match actor {
        Actor::Service(name) => format!("service:{name}"),
        Actor::User(user) => format!("user:{user}"),
    }
}

const fn kind(fact: &Fact) -> Kind {
    match fact {
        Fact::Debited { .. } => Kind::Debited,
        Fact::Held { .. } => Kind::Held,
        Fact::Extended { .. } => Kind::Extended,
        Fact::Settled { .. } => Kind::Settled,
        Fact::Released { .. } => Kind::Released,
        Fact::Expired { .. } => Kind::Expired,
        Fact::Refunded { .. } => Kind::Refunded,
        Fact::Voided { .. } => Kind::Voided,
        Fact::EndAsked { .. } => Kind::EndAsked,
    }
}
