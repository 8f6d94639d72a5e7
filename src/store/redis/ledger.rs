//! Entries of the ledger as streams keep them: plain fields, those that say nothing left out. A team's
//! entries are in a stream of its own; the one of all has their ids and the team's name in their place.

use std::fmt::Display;

use super::failure::Failure;
use super::keys::hex;
use super::payload::Fields;
use super::text::Text;
use crate::domain::ids::Model;
use crate::domain::{Credits, OperationId, Payer, Set, SubscriptionId, TeamId, Timestamp, UserId};
use crate::store::ledger::{LedgerEntry, Moves};

/// Writes names and values of an entry.
pub fn write(entry: &LedgerEntry, to: &mut Fields<'_>) {
    to.text("kind", entry.kind.as_str()).shown("at", entry.at.millis());
    text(to, "team", entry.team.as_ref().map(TeamId::as_str));
    text(to, "member", entry.member.as_ref().map(UserId::as_str));
    text(to, "payer", entry.payer.map(Payer::as_str));
    text(to, "subscription", entry.subscription.as_ref().map(SubscriptionId::as_str));
    text(to, "id", entry.id.as_ref().map(OperationId::as_str));
    shown(to, "credits", entry.credits);
    if let Some(moves) = &entry.moves {
        write_moves(to, moves);
    }
    shown(to, "expires_at", entry.expires_at.map(Timestamp::millis));
    shown(to, "returned", entry.returned);
    shown(to, "debt", entry.debt);
    if entry.late {
        to.text("late", "1");
    }
    text(to, "refers_to", entry.refers_to.as_ref().map(OperationId::as_str));
    text(to, "model", entry.model.as_ref().map(Model::as_str));
    shown(to, "grant", entry.grant);
    text(to, "actor", entry.actor.as_deref());
    text(to, "sidecar", entry.sidecar.map(hex).as_deref());
    shown(to, "incarnation", entry.incarnation);
    shown(to, "seq", entry.seq);
    text(to, "detail", entry.detail.as_deref());
}

fn write_moves(to: &mut Fields<'_>, moves: &Moves) {
    let some = |credits: Credits| (!credits.is_zero()).then_some(credits);
    to.shown("window", moves.window.millis());
    shown(to, "spent", some(moves.spent));
    shown(to, "refunded", some(moves.refunded));
    shown(to, "held", moves.held.map(|set| set.credits));
    shown(to, "unheld", moves.unheld.map(|set| set.credits));
    shown(to, "unheld_until", moves.unheld.map(|set| set.expires_at.millis()));
    shown(to, "above_window", moves.above.map(|(window, _)| window.millis()));
    shown(to, "above", moves.above.map(|(_, spent)| spent));
}

fn text(to: &mut Fields<'_>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        to.text(name, value);
    }
}

fn shown(to: &mut Fields<'_>, name: &str, value: Option<impl Display>) {
    if let Some(value) = value {
        to.shown(name, value);
    }
}

/// The team in whose stream the entry is, where this is only its place among all.
pub fn elsewhere(fields: &[String]) -> Option<TeamId> {
    match fields {
        [name, team] if name == "team" => TeamId::of_text(team),
        _ => None,
    }
}

/// Reads an entry back: its id and its names and values in turns.
pub fn entry(id: &str, fields: &[String]) -> Result<LedgerEntry, Failure> {
    let place = format!("ledger {id}");
    let from = Reader { place: &place, fields };
    let position = id.split_once('-').and_then(|(position, _)| position.parse().ok());
    let position = position.ok_or_else(|| Failure::value(&place, "is no position"))?;
    let mut entry = LedgerEntry { position, ..LedgerEntry::new(from.must("kind")?, from.must("at")?) };
    (entry.team, entry.member, entry.payer) = (from.get("team")?, from.get("member")?, from.get("payer")?);
    (entry.subscription, entry.id) = (from.get("subscription")?, from.get("id")?);
    (entry.credits, entry.expires_at) = (from.get("credits")?, from.get("expires_at")?);
    entry.moves = read_moves(&from, entry.expires_at)?;
    (entry.returned, entry.debt, entry.late) = (from.get("returned")?, from.get("debt")?, from.find("late").is_some());
    (entry.refers_to, entry.model, entry.grant) = (from.get("refers_to")?, from.get("model")?, from.get("grant")?);
    (entry.actor, entry.sidecar) = (from.get("actor")?, from.get("sidecar")?);
    (entry.incarnation, entry.seq, entry.detail) = (from.get("incarnation")?, from.get("seq")?, from.get("detail")?);
    Ok(entry)
}

fn read_moves(from: &Reader<'_>, expires_at: Option<Timestamp>) -> Result<Option<Moves>, Failure> {
    let Some(window) = from.get("window")? else { return Ok(None) };
    let set = |credits, expires_at| Set { credits, expires_at };
    let (held, unheld) = (from.get("held")?, from.get("unheld")?);
    let above: Option<Credits> = from.get("above")?;
    Ok(Some(Moves {
        window,
        spent: from.get("spent")?.unwrap_or_default(),
        refunded: from.get("refunded")?.unwrap_or_default(),
        held: from.both(held, expires_at)?.map(|(credits, until)| set(credits, until)),
        unheld: from.both(unheld, from.get("unheld_until")?)?.map(|(credits, until)| set(credits, until)),
        above: from.both(above, from.get("above_window")?)?.map(|(spent, window)| (window, spent)),
    }))
}

struct Reader<'a> {
    place: &'a str,
    fields: &'a [String],
}

impl Reader<'_> {
    fn find(&self, name: &str) -> Option<&str> {
        let pair = self.fields.chunks_exact(2).find(|pair| pair[0] == name)?;
        Some(&pair[1])
    }

    fn get<T: Text>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.find(name) else { return Ok(None) };
        let wrong = || Failure::value(self.place, format!("{name} cannot be {text:?}"));
        T::of_text(text).map(Some).ok_or_else(wrong)
    }

    fn must<T: Text>(&self, name: &str) -> Result<T, Failure> {
        self.get(name)?.ok_or_else(|| Failure::value(self.place, format!("has no {name}")))
    }

    /// Two fields of which the first needs the second.
    fn both<T>(&self, one: Option<T>, other: Option<Timestamp>) -> Result<Option<(T, Timestamp)>, Failure> {
        match (one, other) {
            (None, _) => Ok(None),
            (Some(one), Some(other)) => Ok(Some((one, other))),
            (Some(_), None) => Err(Failure::value(self.place, "an amount lacks its time")),
        }
    }
}
