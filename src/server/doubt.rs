//! What the run before this one may have spent without its journal knowing: decided by how durable its
//! answers were and whether the machine has been up ever since. Noted in the file `boot` of the data
//! folder; only a store that many sidecars share asks.
//!
//! The note of a run is written when the root has heard what the run found in doubt: a run that is
//! killed before is told from the same note again.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::Durability;
use crate::lease::Proof;

const NAME: &str = "boot";

/// What is known of the runs before, and what is to be noted of this one.
#[derive(Debug)]
pub struct Doubt {
    /// What can be said of what the run before spent.
    pub proof: Proof,
    /// Operations up to this entry are doubted: of an earlier doubt.
    pub through: u64,
    /// The random part of the last run that was noted; 0: none was.
    pub nonce: u128,
    folder: PathBuf,
    note: String,
}

impl Doubt {
    /// Reads the note of the run before; this one's random part is `nonce`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(data: &Path, durability: Durability, nonce: u128) -> io::Result<Self> {
        let boot = boot_id();
        let before = match std::fs::read_to_string(data.join(NAME)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let (proof, through, noted) = read(&before, &boot);
        let note = format!("{boot} {durability} {nonce:032x}");
        Ok(Self { proof, through, nonce: noted, folder: data.to_owned(), note })
    }

    /// Notes this run, whose doubted operations are those up to the entry `through`.
    ///
    /// # Errors
    /// It cannot be written; the next start then doubts more than it must.
    pub fn settle(&self, through: u64) -> io::Result<()> {
        let next = self.folder.join("boot.tmp");
        std::fs::write(&next, format!("{} {through}\n", self.note))?;
        std::fs::File::open(&next)?.sync_all()?;
        std::fs::rename(&next, self.folder.join(NAME))?;
        std::fs::File::open(&self.folder)?.sync_all()
    }
}

/// After a kill the system still has what was written; after a loss of power only what was synced.
fn read(before: &str, boot: &str) -> (Proof, u64, u128) {
    let mut words = before.split_ascii_whitespace();
    let (known, durability) = (words.next().unwrap_or_default(), words.next());
    let nonce = words.next().and_then(|word| u128::from_str_radix(word, 16).ok()).unwrap_or(0);
    let through = words.next().and_then(|word| word.parse().ok());
    match (durability, through) {
        (Some("disk" | "store"), Some(through)) => (Proof::Exact, through, nonce),
        (Some("os"), Some(through)) if known == boot => (Proof::Exact, through, nonce),
        _ => (Proof::Nothing, through.unwrap_or(0), nonce),
    }
}

/// Changes with each start of the machine; where the system does not tell, each start is another.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = id.trim();
    if id.is_empty() { format!("unknown-{:x}", rand::random::<u64>()) } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_journal_cannot_have_lost_is_exact() {
        for (before, boot, exact, through) in [
            ("a disk f 7\n", "b", true, 7),
            ("a store f 0\n", "b", true, 0),
            ("a os f 9\n", "a", true, 9),
            ("a os f 9\n", "b", false, 9),
            ("a memory f 3\n", "a", false, 3),
            ("a os\n", "a", false, 0),
            ("", "a", false, 0),
        ] {
            let (proof, doubted, _) = read(before, boot);
            assert_eq!((proof == Proof::Exact, doubted), (exact, through), "{before:?} {boot:?}");
        }
    }

    #[test]
    fn a_run_is_noted_when_its_doubt_is_settled() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let read = |durability| Doubt::read(folder.path(), durability, 0xF00).expect("can be read");
        let first = read(Durability::Disk);
        assert_eq!(first.proof, Proof::Nothing, "nothing is known of a run before");
        assert_eq!(read(Durability::Disk).proof, Proof::Nothing, "the first was never settled");
        first.settle(5).expect("can be written");
        let second = read(Durability::Memory);
        assert_eq!((second.proof, second.through, second.nonce), (Proof::Exact, 5, 0xF00));
        second.settle(5).expect("can be written");
        assert_eq!(read(Durability::Disk).proof, Proof::Nothing);
    }
}
