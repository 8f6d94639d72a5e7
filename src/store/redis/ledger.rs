//! Entries of the ledger as streams keep them: a JSON object each, without what says nothing.

use std::fmt::{Arguments, Display};
use std::io::Write;

use super::failure::Failure;
use super::text::Text;
use crate::domain::ids::Model;
use crate::domain::{Credits, OperationId, Payer, Set, SubscriptionId, TeamId, Timestamp, UserId};
use crate::store::ledger::{LedgerEntry, Moves};

/// Writes an entry.
pub fn write(entry: &LedgerEntry, to: &mut Vec<u8>) {
    let mut to = Object { to, next: b'{' };
    to.text("kind", Some(entry.kind.as_str()));
    to.number("at", Some(entry.at.millis()));
    to.text("team", entry.team.as_ref().map(TeamId::as_str));
    to.text("member", entry.member.as_ref().map(UserId::as_str));
    to.text("payer", entry.payer.map(Payer::as_str));
    to.text("subscription", entry.subscription.as_ref().map(SubscriptionId::as_str));
    to.text("id", entry.id.as_ref().map(OperationId::as_str));
    to.amount("credits", entry.credits);
    if let Some(moves) = &entry.moves {
        write_moves(&mut to, moves);
    }
    to.number("expires_at", entry.expires_at.map(Timestamp::millis));
    to.amount("returned", entry.returned);
    to.amount("debt", entry.debt);
    to.json("late", entry.late.then_some(format_args!("true")));
    to.text("refers_to", entry.refers_to.as_ref().map(OperationId::as_str));
    to.text("model", entry.model.as_ref().map(Model::as_str));
    if let Some(rates) = entry.rates {
        to.json("rates", Some(format_args!("\"{rates}\"")));
    }
    to.number("grant", entry.grant);
    to.text("actor", entry.actor.as_deref());
    if let Some(sidecar) = entry.sidecar {
        to.json("sidecar", Some(format_args!("\"{sidecar:032x}\"")));
    }
    to.number("incarnation", entry.incarnation);
    to.number("seq", entry.seq);
    to.number("detail", entry.detail.as_deref());
    to.to.push(b'}');
}

fn write_moves(to: &mut Object<'_>, moves: &Moves) {
    let some = |credits: Credits| (!credits.is_zero()).then_some(credits);
    to.number("window", Some(moves.window.millis()));
    to.amount("spent", some(moves.spent));
    to.amount("refunded", some(moves.refunded));
    to.amount("held", moves.held.map(|set| set.credits));
    to.amount("unheld", moves.unheld.map(|set| set.credits));
    to.number("unheld_until", moves.unheld.map(|set| set.expires_at.millis()));
    to.number("above_window", moves.above.map(|(window, _)| window.millis()));
    to.amount("above", moves.above.map(|(_, spent)| spent));
}

/// Names and values, of which those that are not there are left out.
struct Object<'t> {
    to: &'t mut Vec<u8>,
    next: u8,
}

impl Object<'_> {
    fn name(&mut self, name: &str) {
        self.to.extend([self.next, b'"']);
        self.to.extend_from_slice(name.as_bytes());
        self.to.extend_from_slice(b"\":");
        self.next = b',';
    }

    fn json(&mut self, name: &str, value: Option<Arguments<'_>>) {
        if let Some(value) = value {
            self.name(name);
            self.to.write_fmt(value).expect("memory takes all that is written");
        }
    }

    /// A number, or what is JSON already.
    fn number(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.json(name, Some(format_args!("{value}")));
        }
    }

    fn amount(&mut self, name: &str, value: Option<Credits>) {
        if let Some(value) = value {
            self.json(name, Some(format_args!("\"{value}\"")));
        }
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.name(name);
            serde_json::to_writer(&mut *self.to, value).expect("a text is JSON");
        }
    }
}

/// Reads an entry back from names and values in turns.
pub fn entry(place: &str, position: u64, fields: &[String]) -> Result<LedgerEntry, Failure> {
    let from = Reader { place, fields };
    let mut entry = LedgerEntry { position, ..LedgerEntry::new(from.must("kind")?, from.must("at")?) };
    (entry.team, entry.member, entry.payer) = (from.get("team")?, from.get("member")?, from.get("payer")?);
    (entry.subscription, entry.id) = (from.get("subscription")?, from.get("id")?);
    (entry.credits, entry.expires_at) = (from.get("credits")?, from.get("expires_at")?);
    entry.moves = read_moves(&from, entry.expires_at)?;
    (entry.returned, entry.debt, entry.late) = (from.get("returned")?, from.get("debt")?, from.find("late").is_some());
    (entry.refers_to, entry.model, entry.grant) = (from.get("refers_to")?, from.get("model")?, from.get("grant")?);
    entry.rates = from.get("rates")?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Kind;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn settled() -> LedgerEntry {
        let at = |millis| Timestamp::from_millis(millis).expect("a time");
        let credits = |text: &str| text.parse().expect("an amount");
        let (unheld, above) = (Set { credits: credits("2.5"), expires_at: at(90) }, (at(50), credits("1")));
        LedgerEntry {
            position: 7,
            team: TeamId::new("t").ok(),
            id: OperationId::new("r1").ok(),
            credits: Some(credits("3.5")),
            moves: Some(Moves {
                window: at(40),
                spent: unheld.credits,
                refunded: Credits::ZERO,
                held: None,
                unheld: Some(unheld),
                above: Some(above),
            }),
            late: true,
            actor: Some("service:\"o\"ps".to_owned()),
            sidecar: Some(15),
            seq: Some(3),
            detail: Some(r#"{"why":"\"","n":[1,2]}"#.to_owned()),
            ..LedgerEntry::new(Kind::Settled, at(60))
        }
    }

    #[test]
    fn an_entry_is_one_object() {
        let mut json = Vec::new();
        write(&settled(), &mut json);
        let json = String::from_utf8(json).expect("JSON is UTF-8");
        let expected = concat!(
            r#"{"kind":"settled","at":60,"team":"t","id":"r1","credits":"3.5","window":40,"spent":"2.5","#,
            r#""unheld":"2.5","unheld_until":90,"above_window":50,"above":"1","late":true,"#,
            r#""actor":"service:\"o\"ps","sidecar":"0000000000000000000000000000000f","seq":3,"#,
            r#""detail":{"why":"\"","n":[1,2]}}"#
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn an_entry_is_read_back_from_names_and_values() {
        let fields = [
            ["kind", "settled"],
            ["at", "60"],
            ["team", "t"],
            ["id", "r1"],
            ["credits", "3.5"],
            ["window", "40"],
            ["spent", "2.5"],
            ["unheld", "2.5"],
            ["unheld_until", "90"],
            ["above_window", "50"],
            ["above", "1"],
            ["late", "1"],
            ["actor", "service:\"o\"ps"],
            ["sidecar", "0000000000000000000000000000000f"],
            ["seq", "3"],
            ["detail", r#"{"why":"\"","n":[1,2]}"#],
        ];
        assert_eq!(entry("ledger 7-0", 7, &texts(fields.as_flattened())).expect("it is one"), settled());
    }
}
