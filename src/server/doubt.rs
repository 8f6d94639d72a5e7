//! What the run before this one may have spent without its journal knowing: decided by how durable its
//! answers were and whether the machine has been up ever since. Noted in the file `boot` of the data
//! folder; only a store that many sidecars share asks.

use std::io;
use std::path::Path;

use crate::config::Durability;
use crate::lease::Proof;

const NAME: &str = "boot";

/// Says what can be said of the run before, and notes this one.
///
/// # Errors
/// The note cannot be written: the next start could not be told.
pub fn begin(data: &Path, durability: Durability) -> io::Result<Proof> {
    let boot = boot_id();
    let note = format!("{boot} {durability}\n");
    let path = data.join(NAME);
    let before = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let next = data.join("boot.tmp");
    std::fs::write(&next, &note)?;
    std::fs::File::open(&next)?.sync_all()?;
    std::fs::rename(&next, &path)?;
    std::fs::File::open(data)?.sync_all()?;
    Ok(before.map_or(Proof::Nothing, |before| proof(&before, &boot)))
}

/// After a kill the system still has what was written; after a loss of power only what was synced.
fn proof(before: &str, boot: &str) -> Proof {
    match before.trim_end().split_once(' ') {
        Some((_, "disk" | "store")) => Proof::Exact,
        Some((known, "os")) if known == boot && !boot.is_empty() => Proof::Exact,
        _ => Proof::Nothing,
    }
}

/// Changes with each start of the machine; empty where the system does not tell.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_journal_cannot_have_lost_is_exact() {
        for (before, boot, exact) in [
            ("a disk\n", "b", true),
            ("a store\n", "b", true),
            ("a os\n", "a", true),
            ("a os\n", "b", false),
            (" os\n", "", false),
            ("a memory\n", "a", false),
            ("", "a", false),
        ] {
            assert_eq!(proof(before, boot) == Proof::Exact, exact, "{before:?} {boot:?}");
        }
    }

    #[test]
    fn each_run_notes_how_durable_it_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let begin = |durability| begin(folder.path(), durability).expect("can be written");
        assert_eq!(begin(Durability::Disk), Proof::Nothing, "nothing is known of a run before");
        assert_eq!(begin(Durability::Memory), Proof::Exact);
        assert_eq!(begin(Durability::Disk), Proof::Nothing);
    }
}
