//! What one commit hands to the function inside of Redis: a list of lists of texts in MessagePack, one
//! argument however much is written. The order is the one that `library.lua` reads.

use std::fmt::Display;
use std::io::Write;

use super::begun::Begins;
use super::keys::Slot;

/// All that one commit compares and writes.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    /// The fence under which the rows were read.
    pub fence: String,
    /// The new fence of a store that is another than before; empty otherwise.
    pub identity: String,
    /// Rows and the versions that they must have; empty: not there.
    pub checks: Vec<(Slot, String)>,
    /// Hashes and how many rows they must have.
    pub counts: Vec<(String, String)>,
    /// Rows to write. The first one's version is this commit's own, by which it is known when it comes twice.
    pub puts: Vec<(Slot, String)>,
    /// Rows to delete.
    pub gone: Vec<Slot>,
    /// Holds whose expiry is replaced.
    pub extended: Vec<(Slot, String)>,
    /// Members of sorted sets to add: set, member, score.
    pub named: Vec<(String, String, String)>,
    /// Members of sorted sets to take out.
    pub unnamed: Vec<(String, String)>,
    /// Entries.
    pub entries: Entries,
    /// The stream of all entries.
    pub ledger: String,
    /// Where to push to; empty: nothing is pushed.
    pub channel: String,
    /// The version of all rows that this writes.
    pub version: String,
    /// Draws whose ids are to be theirs alone.
    pub begins: Begins,
}

impl Payload {
    /// Whether it only compares.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.entries.count == 0
    }

    /// The bytes.
    pub fn pack(&self) -> Vec<u8> {
        let mut to = Pack(Vec::with_capacity(512 + 400 * self.puts.len() + self.entries.bytes.0.len()));
        to.list(14);
        to.text(&self.fence).text(&self.identity);
        to.rows(&self.checks);
        to.list(self.counts.len());
        for (key, count) in &self.counts {
            to.list(2).text(key).text(count);
        }
        to.rows(&self.puts);
        to.list(self.gone.len());
        for slot in &self.gone {
            to.list(2).text(&slot.key).text(&slot.field);
        }
        to.rows(&self.extended);
        to.list(self.named.len());
        for (key, member, score) in &self.named {
            to.list(3).text(key).text(member).text(score);
        }
        to.list(self.unnamed.len());
        for (key, member) in &self.unnamed {
            to.list(2).text(key).text(member);
        }
        to.list(self.entries.count);
        to.0.extend_from_slice(&self.entries.bytes.0);
        to.text(&self.ledger).text(&self.channel).text(&self.version);
        to.begins(&self.begins);
        to.0
    }
}

/// Entries as the function reads them, each written once: the team or nothing, and names and values in turns.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    count: usize,
    bytes: Pack,
}

impl Entries {
    /// Makes room for so many more.
    pub fn reserve(&mut self, entries: usize) {
        self.bytes.0.reserve(400 * entries);
    }

    /// Adds an entry, whose fields `fill` writes.
    pub fn push(&mut self, team: &str, fill: impl FnOnce(&mut Fields<'_>)) {
        self.count += 1;
        self.bytes.list(2).text(team);
        let head = self.bytes.0.len();
        self.bytes.0.extend([0xdc, 0, 0]);
        let mut fields = Fields { to: &mut self.bytes, texts: 0 };
        fill(&mut fields);
        let texts = fields.texts.to_be_bytes();
        self.bytes.0[head + 1..head + 3].copy_from_slice(&texts);
    }
}

/// Takes the names and values of an entry.
pub struct Fields<'p> {
    to: &'p mut Pack,
    texts: u16,
}

impl Fields<'_> {
    /// Adds a text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.to.text(name).text(value);
        self.texts += 2;
        self
    }

    /// Adds a number, an amount or an id, which have fewer than 256 characters.
    pub fn shown(&mut self, name: &str, value: impl Display) -> &mut Self {
        let Pack(bytes) = self.to.text(name);
        bytes.extend([0xd9, 0]);
        let begin = bytes.len();
        write!(bytes, "{value}").expect("memory takes all that is written");
        bytes[begin - 1] = u8::try_from(bytes.len() - begin).expect("what is shown is short");
        self.texts += 2;
        self
    }
}

#[derive(Clone, Debug, Default)]
struct Pack(Vec<u8>);

impl Pack {
    fn head(&mut self, length: usize, short: Option<u8>, mark16: u8) -> &mut Self {
        match (short, u16::try_from(length)) {
            (Some(short), _) => self.0.push(short),
            (None, Ok(length)) => {
                self.0.push(mark16);
                self.0.extend(length.to_be_bytes());
            }
            (None, Err(_)) => {
                let length = u32::try_from(length).expect("no text and no list has four thousand million parts");
                self.0.push(mark16 + 1);
                self.0.extend(length.to_be_bytes());
            }
        }
        self
    }

    fn list(&mut self, length: usize) -> &mut Self {
        let short = u8::try_from(length).ok().filter(|length| *length < 16).map(|length| 0x90 | length);
        self.head(length, short, 0xdc)
    }

    fn text(&mut self, text: &str) -> &mut Self {
        let short = u8::try_from(text.len()).ok().filter(|length| *length < 32).map(|length| 0xa0 | length);
        self.head(text.len(), short, 0xda);
        self.0.extend(text.as_bytes());
        self
    }

    fn texts(&mut self, texts: &[String]) -> &mut Self {
        self.list(texts.len());
        for text in texts {
            self.text(text);
        }
        self
    }

    fn begins(&mut self, begins: &Begins) {
        self.list(7).texts(&begins.days).texts(&begins.fields).texts(&begins.values).texts(&begins.stale);
        self.text(&begins.ttl).texts(&begins.undone).text(&begins.own);
    }

    fn rows(&mut self, rows: &[(Slot, String)]) {
        self.list(rows.len());
        for (slot, value) in rows {
            self.list(3).text(&slot.key).text(&slot.field).text(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_its_team_and_its_fields_in_turns() {
        let mut entries = Entries::default();
        entries.push("t", |fields| {
            fields.text("id", "r1").shown("credits", 15);
        });
        assert_eq!(entries.count, 1);
        assert_eq!(entries.bytes.0, b"\x92\xa1t\xdc\0\x04\xa2id\xa2r1\xa7credits\xd9\x0215");
    }

    #[test]
    fn lengths_take_the_shortest_head() {
        for (length, head) in [(0, &[0xa0][..]), (31, &[0xbf]), (32, &[0xda, 0, 32]), (65_536, &[0xdb, 0, 1, 0, 0])] {
            let mut pack = Pack(Vec::new());
            pack.text(&"x".repeat(length));
            assert_eq!((&pack.0[..head.len()], pack.0.len()), (head, head.len() + length));
        }
        for (length, head) in [(0, &[0x90][..]), (15, &[0x9f]), (16, &[0xdc, 0, 16]), (65_536, &[0xdd, 0, 1, 0, 0])] {
            let mut pack = Pack(Vec::new());
            pack.list(length);
            assert_eq!(pack.0, head);
        }
    }
}
