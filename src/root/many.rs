//! How many sidecars share a pool: each is lent a part, charged when it is lent, and only its own
//! report brings anything back. See docs/decisions/0008-many-sidecars.md.

use std::collections::{BTreeMap, BTreeSet};

use super::blocks;
use super::desk::Desk;
use super::gather::{ByHash, in_order};
use super::limits;
use super::pending;
use super::rows::{Missing, Rows};
use super::share::{Position, Shared, Shares};
use super::sidecar::{Root, Sidecar, State};
use super::sync::{Reply, Request, SyncRefusal, Synced, admit, granted, new_from};
use crate::domain::{Credits, Entry, Fact, SubscriptionId, Tally, TeamId, Timestamp, UserId};

/// For so long a store that may have forgotten lends nothing, whoever has told: a beat, and the longest pause
/// between two tries, in which each sidecar that lives is heard.
pub const HEARING_MILLIS: u64 = 3_000;

/// What new entries say of one account: its last sums, and what was settled above what was lent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub tally: Option<Tally>,
    pub owed: Credits,
}

impl Told {
    /// What the newest report says: new entries, or where there are none the position's own sums.
    pub fn or(self, position: Option<&Position>) -> Self {
        Self { tally: self.tally.or(position.map(|position| position.tally)), ..self }
    }
}

/// What new entries say, by account.
#[derive(Debug, Default)]
pub(super) struct Tale {
    pub funds: BTreeMap<SubscriptionId, BTreeMap<Timestamp, Told>>,
    pub members: BTreeMap<(TeamId, UserId), BTreeMap<Timestamp, Tally>>,
}

impl Tale {
    fn of(new: &[Entry]) -> Self {
        let mut all: ByHash<&SubscriptionId, BTreeMap<Timestamp, Told>> = ByHash::default();
        let mut members: ByHash<_, BTreeMap<Timestamp, Tally>> = ByHash::default();
        for entry in new {
            if entry.postings.is_empty() {
                continue;
            }
            let funds = all.entry(&entry.drawer.subscription).or_default();
            for posting in &entry.postings {
                funds.entry(posting.window).or_default().tally = Some(posting.account);
            }
            if let (Fact::Settled { debt, .. }, Some(last)) = (&entry.fact, entry.postings.last()) {
                let told = funds.entry(last.window).or_default();
                told.owed = told.owed.checked_add(*debt).unwrap_or(Credits::MAX);
            }
            let Some(team) = &entry.drawer.team else { continue };
            for posting in &entry.postings {
                if let Some(tally) = posting.member {
                    members.entry((team, &entry.drawer.member)).or_default().insert(posting.window, tally);
                }
            }
        }
        let own = |(team, user): (&TeamId, &UserId)| (team.clone(), user.clone());
        Self { funds: in_order(all, SubscriptionId::clone), members: in_order(members, own) }
    }
}

/// Takes one of many sidecars' report and lends.
pub(super) fn sync(
    rows: &mut Rows,
    request: &Request,
    now: Timestamp,
) -> Result<Result<(Reply, Synced), SyncRefusal>, Missing> {
    let none = Shares::default();
    let shares = request.shares.as_ref().unwrap_or(&none);
    let known = match admit(rows.sidecar(request.sidecar)?, request) {
        Ok(sidecar) => sidecar.clone(),
        Err(refusal) => return Ok(Err(refusal)),
    };
    // Also where it has nothing new: what it returned rests on entries that the ledger must have.
    if request.batch.first > known.last + 1 && !forgets_lives() {
        return Ok(Err(SyncRefusal::Gap { last: known.last }));
    }
    let root = rows.root()?;
    let root = follow_generation(rows, root, shares)?;
    let mut sidecar = follow_sidecar(&known, shares, &root, now);
    if shares.beat > known.beat {
        sidecar.unknown = unknown(rows, shares, &root)?;
    }
    let root = end_evidence(rows, root, &sidecar, now)?;
    let new_from = new_from(request, known.last);
    let tale = Tale::of(&request.batch.entries[new_from..]);
    let is_lagging = sidecar.config < root.limited;
    let mut desk = Desk {
        sidecar: request.sidecar,
        now,
        is_newest: shares.beat > known.beat,
        is_withheld: root.evidence || is_lagging || sidecar.state != State::Open,
    };
    let ids: BTreeSet<SubscriptionId> = tale.funds.keys().chain(shares.subscriptions()).cloned().collect();
    blocks::need(rows, &root, shares)?;
    need(rows, &ids, shares, &tale)?;
    pending::need(rows, request, now)?;
    let (changes, asked) = pending::sync(rows, request, shares, new_from, now)?;
    let root = blocks::follow(rows, root, shares, now)?;

    let mut synced = Synced { new_from, pending: changes, ..Synced::default() };
    let (generation, config) = (root.generation, root.config);
    let asks_all = sidecar.generation < generation;
    let (beat, lender) = (shares.beat, root.lender);
    let mut shared = Shared { beat, generation, asks_all, config, now, lender, ..Shared::default() };
    let mut reply = Reply { acked: last_of(request, known.last, new_from), ..Reply::default() };
    for id in &ids {
        let Some(before) = rows.subscription(id)? else { continue };
        let mut after = before.clone();
        let positions = shares.funds.get(id).map_or(&[][..], Vec::as_slice);
        blocks::report(&mut after, desk.sidecar, shares.loans.get(id), now);
        let found = desk.report(&mut after, tale.funds.get(id), positions);
        desk.is_withheld |= found.overdrawn;
        synced.found(found);
        shared.flags.insert(id.clone(), desk.lend(&mut after, shares.wants.get(id)));
        blocks::lend(&desk, &mut after, &root, (id, shares), &mut shared);
        reply.leases.insert(id.clone(), after.leases_of(desk.sidecar));
        synced.changes.extend(granted(before, &after));
        rows.put_subscription(after);
    }
    limits::sync(rows, &desk, shares, &tale, &ids, &mut shared)?;
    if synced.overdrawn {
        sidecar.state = State::Quarantined;
    }
    sidecar.last = reply.acked;
    rows.put_sidecar(sidecar);
    rows.put_root(root);
    shared.regressions = synced.regressions;
    (shared.pending, shared.orphaned) = (asked, synced.pending.orphaned.len() as u64);
    reply.shared = Some(Box::new(shared));
    Ok(Ok((reply, synced)))
}

fn last_of(request: &Request, last: u64, new_from: usize) -> u64 {
    if forgets_lives() && request.batch.first > last {
        return request.batch.first + request.batch.entries.len() as u64 - 1;
    }
    last + (request.batch.entries.len() - new_from) as u64
}

/// Whether the mistake is seeded that what is missing of the ledger is passed over.
pub(super) fn forgets_lives() -> bool {
    #[cfg(feature = "faults")]
    return super::faults::has(super::faults::Fault::ForgetLives);
    #[cfg(not(feature = "faults"))]
    false
}

/// Every row is there before the first one is put, so that a run that starts over starts clean. Pools
/// come before members, each in the order of their ids: so do a store's locks.
fn need(rows: &Rows, ids: &BTreeSet<SubscriptionId>, shares: &Shares, tale: &Tale) -> Result<(), Missing> {
    for id in ids {
        rows.subscription(id)?;
    }
    limits::need(rows, shares, tale)
}

/// A sidecar that has seen a later generation tells that this store is an earlier state of itself.
fn follow_generation(rows: &mut Rows, root: Root, shares: &Shares) -> Result<Root, Missing> {
    if shares.generation <= root.generation {
        return Ok(root);
    }
    let root = blocks::retire(rows, root)?;
    Ok(Root { generation: shares.generation + 1, evidence: true, hears_until: Timestamp::MIN, ..root })
}

fn follow_sidecar(known: &Sidecar, shares: &Shares, root: &Root, now: Timestamp) -> Sidecar {
    let mut sidecar = known.clone();
    sidecar.synced_at = known.synced_at.max(now);
    sidecar.config = known.config.max(shares.config);
    if shares.beat <= known.beat {
        return sidecar;
    }
    (sidecar.beat, sidecar.host) = (shares.beat, shares.host.clone());
    if shares.tells_all && shares.generation == root.generation {
        sidecar.generation = root.generation;
    }
    if shares.closes && known.state == State::Open {
        sidecar.state = State::Closed;
    }
    sidecar
}

/// [`Sidecar::unknown`] of a sync that names all that is held of subscriptions which are not here.
fn unknown(rows: &Rows, shares: &Shares, root: &Root) -> Result<u64, Missing> {
    for (id, positions) in &shares.funds {
        if !positions.is_empty() && rows.subscription(id)?.is_none() {
            return Ok(root.config + 1);
        }
    }
    Ok(0)
}

/// Lending goes on once every sidecar that may hold something has said what: of the store as it was, and of
/// subscriptions that have been put anew. Those that the store has forgotten have a while to be heard again.
fn end_evidence(rows: &Rows, root: Root, me: &Sidecar, now: Timestamp) -> Result<Root, Missing> {
    if !root.evidence {
        return Ok(root);
    }
    let is_first = root.hears_until == Timestamp::MIN;
    let hears_until = if is_first { now.plus_millis(HEARING_MILLIS) } else { root.hears_until };
    let may_hold = |s: &&Sidecar| matches!(s.state, State::Open | State::Quarantined);
    let others = rows.sidecars()?.filter(|s| s.id != me.id).filter(may_hold);
    let put = root.put;
    #[cfg(feature = "faults")]
    let put = if super::faults::has(super::faults::Fault::LendUntold) { 0 } else { put };
    let has_told = |s: &Sidecar| s.generation >= root.generation && (s.unknown == 0 || s.unknown > put);
    let (is_told, is_heard) = (others.chain([me]).all(has_told), now >= hears_until);
    #[cfg(feature = "faults")]
    let (is_told, is_heard) = {
        use super::faults::{Fault, has};
        (is_told || has(Fault::Learning), is_heard || has(Fault::LendUnheard) || has(Fault::Learning))
    };
    let is_told = is_told && is_heard;
    Ok(Root { evidence: !is_told, hears_until, ..root })
}

/// Makes an incarnation the newest of a sidecar. What earlier ones held is its own to return: it
/// goes on with their sums, and has no lease that it may spend of.
pub(super) fn register(
    rows: &mut Rows,
    id: u128,
    incarnation: u64,
    nonce: u128,
) -> Result<Result<Sidecar, SyncRefusal>, Missing> {
    let root = rows.root()?;
    let Some(known) = rows.sidecar(id)?.cloned() else {
        // A store that has forgotten what it lent may have forgotten to whom.
        let generation = if root.evidence { 0 } else { root.generation };
        let sidecar = Sidecar { id, incarnation, nonce, generation, ..Sidecar::default() };
        rows.put_sidecar(sidecar.clone());
        return Ok(Ok(sidecar));
    };
    let is_repeated = (known.incarnation, known.nonce) == (incarnation, nonce);
    if known.state == State::WrittenOff || known.incarnation >= incarnation && !is_repeated {
        return Ok(Err(SyncRefusal::Fenced));
    }
    if is_repeated {
        return Ok(Ok(known));
    }
    let state = if known.state == State::Closed { State::Open } else { known.state };
    let before = known.nonce;
    let sidecar = Sidecar { incarnation, nonce, before, state, beat: 0, config: 0, ..known };
    rows.put_sidecar(sidecar.clone());
    Ok(Ok(sidecar))
}
