//! What one commit hands to the function inside of Redis: a list of lists of texts in MessagePack, one
//! argument however much is written. The order is the one that `library.lua` reads.
//!
//! Entries that follow each other in one stream go there as one text, a JSON array: all that the function does takes
//! its time by the text and not by the byte.

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
    /// Entries, of which many are one text.
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
        self.puts.is_empty() && self.entries.runs == 0
    }

    /// The bytes.
    pub fn pack(&self) -> Vec<u8> {
        let mut to = Pack(Vec::with_capacity(512 + 400 * self.puts.len() + self.entries.bytes.0.len()));
        to.list(14);
        to.text(&self.fence).text(&self.identity);
        to.by_hash(
            &self.checks,
            |(slot, _)| slot,
            3,
            |to, checks| {
                to.texts(checks.iter().map(|(slot, _)| &slot.field)).texts(checks.iter().map(|(_, version)| version));
            },
        );
        to.list(self.counts.len());
        for (key, count) in &self.counts {
            to.list(2).text(key).text(count);
        }
        to.by_hash(
            &self.puts,
            |(slot, _)| slot,
            2,
            |to, puts| {
                to.list(2 * puts.len());
                for (slot, value) in puts {
                    to.text(&slot.field).text(value);
                }
            },
        );
        to.by_hash(
            &self.gone,
            |slot| slot,
            2,
            |to, gone| {
                to.texts(gone.iter().map(|slot| &slot.field));
            },
        );
        to.rows(&self.extended);
        to.list(self.named.len());
        for (key, member, score) in &self.named {
            to.list(3).text(key).text(member).text(score);
        }
        to.list(self.unnamed.len());
        for (key, member) in &self.unnamed {
            to.list(2).text(key).text(member);
        }
        to.list(self.entries.runs);
        to.0.extend_from_slice(&self.entries.bytes.0);
        to.text(&self.ledger).text(&self.channel).text(&self.version);
        to.begins(&self.begins);
        to.0
    }
}

/// The most entries of one message: a reader of the stream gets them together.
const MESSAGE_ENTRIES_MAX: u32 = 100;

/// From how many bytes on a message takes no further entry.
const MESSAGE_BYTES: usize = 32 * 1024;

/// Entries as the function reads them, each written once: runs of one team, or of none, as messages of the stream.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    runs: usize,
    bytes: Pack,
    team: String,
    /// Where the length of the last run stands, and what it is.
    run: (usize, u32),
    message: Message,
}

/// A message that takes further entries.
#[derive(Clone, Copy, Debug, Default)]
struct Message {
    /// Where the number of its entries stands, and what it is.
    count: (usize, u32),
    /// Where the length of its text stands; the text begins behind it.
    length: usize,
}

impl Entries {
    /// Makes room for so many more.
    pub fn reserve(&mut self, entries: usize) {
        self.bytes.0.reserve(400 * entries);
    }

    /// Adds an entry, whose JSON `fill` writes.
    pub fn push(&mut self, team: &str, fill: impl FnOnce(&mut Vec<u8>)) {
        if self.runs == 0 || self.team != team {
            team.clone_into(&mut self.team);
            self.runs += 1;
            self.run = (self.bytes.list(2).text(team).length(0xdd), 0);
        }
        let is_full = self.message.count.1 >= MESSAGE_ENTRIES_MAX || self.message_bytes() >= MESSAGE_BYTES;
        if self.run.1 == 0 || is_full {
            self.run.1 += 2;
            self.bytes.set_length(self.run.0, self.run.1);
            self.message = Message { count: (self.bytes.length(0xce), 0), length: self.bytes.length(0xdb) };
            self.bytes.0.push(b'[');
        } else {
            let end = self.bytes.0.last_mut().expect("a message has been begun");
            *end = b',';
        }
        fill(&mut self.bytes.0);
        self.bytes.0.push(b']');
        self.message.count.1 += 1;
        let (at, entries) = self.message.count;
        self.bytes.set_length(at, entries);
        let length = u32::try_from(self.message_bytes()).expect("no entry has four thousand million bytes");
        self.bytes.set_length(self.message.length, length);
    }

    const fn message_bytes(&self) -> usize {
        self.bytes.0.len() - self.message.length - 4
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

    /// Writes a mark and four bytes that are set later, a length or a number; answers where they stand.
    fn length(&mut self, mark: u8) -> usize {
        self.0.extend([mark, 0, 0, 0, 0]);
        self.0.len() - 4
    }

    fn set_length(&mut self, at: usize, length: u32) {
        self.0[at..at + 4].copy_from_slice(&length.to_be_bytes());
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

    fn texts<'t>(&mut self, texts: impl IntoIterator<Item = &'t String, IntoIter: ExactSizeIterator>) -> &mut Self {
        let texts = texts.into_iter();
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

    /// What follows one another in one hash goes there together: lists of `parts`, of which the hash is the first.
    fn by_hash<T>(&mut self, all: &[T], slot: fn(&T) -> &Slot, parts: usize, rest: impl Fn(&mut Self, &[T])) {
        let runs = || all.chunk_by(|one, next| slot(one).key == slot(next).key);
        self.list(runs().count());
        for run in runs() {
            rest(self.list(parts).text(&slot(&run[0]).key), run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_team_in_a_row_are_one_run() {
        let mut entries = Entries::default();
        for (team, entry) in [("t", "1"), ("t", "2"), ("", "3")] {
            entries.push(team, |text| text.extend(entry.bytes()));
        }
        assert_eq!(entries.runs, 2);
        let first = b"\x92\xa1t\xdd\0\0\0\x02\xce\0\0\0\x02\xdb\0\0\0\x05[1,2]";
        let second = b"\x92\xa0\xdd\0\0\0\x02\xce\0\0\0\x01\xdb\0\0\0\x03[3]";
        assert_eq!(entries.bytes.0, [&first[..], second].concat());
    }

    #[test]
    fn a_message_that_is_full_is_followed_by_another() {
        for (size, count, messages) in [(1, 100, 1), (1, 101, 2), (MESSAGE_BYTES, 2, 2), (MESSAGE_BYTES / 2, 3, 2)] {
            let mut entries = Entries::default();
            for _ in 0..count {
                entries.push("t", |text| text.extend(std::iter::repeat_n(b'1', size)));
            }
            assert_eq!((entries.runs, entries.run.1), (1, 2 * messages), "{count} entries of {size} bytes");
        }
    }

    #[test]
    fn what_is_in_one_hash_goes_there_together() {
        let slot = |key: &str, field: &str| Slot { key: key.to_owned(), field: field.to_owned() };
        let mut pack = Pack::default();
        let all = [slot("a", "1"), slot("a", "2"), slot("b", "3")];
        pack.by_hash(
            &all,
            |slot| slot,
            2,
            |to, of_hash| {
                to.texts(of_hash.iter().map(|slot| &slot.field));
            },
        );
        assert_eq!(pack.0, b"\x92\x92\xa1a\x92\xa11\xa12\x92\xa1b\x91\xa13");
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
