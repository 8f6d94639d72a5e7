//! Who this sidecar is, and which run of it this is: the file `sidecar` of the data folder.
//!
//! What an incarnation means to the store is not known here.

use std::io::ErrorKind;

use uuid::{Builder, Uuid};

use super::claim::Claim;
use super::error::DiskError;
use super::format::{segment_number, u32_at, u64_at};
use super::media::Folder;

const NAME: &str = "sidecar";
const NEXT_NAME: &str = "sidecar.tmp";
const MAGIC: &[u8; 8] = b"PURSERID";
const VERSION: u32 = 1;
const BYTES: usize = 60;
const CRC_AT: usize = BYTES - 4;

/// An installed sidecar and one run of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The sidecar; stays for the life of its data folder.
    pub sidecar: Uuid,
    /// Which run, from 1.
    pub incarnation: u64,
    /// Random, new in each run: tells a copied data folder from the original.
    pub nonce: u128,
    /// That of the run before; 0: there was none. The file holds but one.
    pub before: u128,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file is there and not readable as one.
    #[error(
        "{place}/sidecar is damaged ({why}): restore it from a copy; without one, move the whole data folder away and start anew"
    )]
    Damaged {
        /// The data folder.
        place: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is a journal and no identity.
    #[error(
        "{place} holds a journal but no `sidecar` file: restore it from a copy; without one, move the whole data folder away and start anew"
    )]
    Missing {
        /// The data folder.
        place: String,
    },
    /// The disk does not do what it should.
    #[error(transparent)]
    Io(#[from] DiskError),
}

impl Identity {
    /// Raises the incarnation by one, or makes a new sidecar in an empty folder. What is returned is on the disk.
    pub fn mint(claim: &Claim) -> Result<Self, IdentityError> {
        let folder = &*claim.folder;
        let nonce = rand::random();
        let minted = match Self::load(folder)? {
            Some(last) => {
                let damaged = || IdentityError::Damaged { place: folder.place(), why: "no incarnation is left" };
                let incarnation = last.incarnation.checked_add(1).ok_or_else(damaged)?;
                Self { incarnation, nonce, before: last.nonce, ..last }
            }
            None => {
                let sidecar = Builder::from_random_bytes(rand::random()).into_uuid();
                Self { sidecar, incarnation: 1, nonce, before: 0 }
            }
        };
        minted.store(folder).map_err(DiskError::on("writing", NAME))?;
        assert!(minted.incarnation > 0, "incarnations count from 1");
        Ok(minted)
    }

    fn load(folder: &dyn Folder) -> Result<Option<Self>, IdentityError> {
        let file = match folder.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let names = folder.list().map_err(DiskError::on("listing", &folder.place()))?;
                let orphaned = names.iter().any(|name| segment_number(name).is_some());
                return if orphaned { Err(IdentityError::Missing { place: folder.place() }) } else { Ok(None) };
            }
            Err(error) => return Err(DiskError::new("opening", NAME, error).into()),
        };
        let damaged = |why| IdentityError::Damaged { place: folder.place(), why };
        if file.len().map_err(DiskError::on("reading", NAME))? != BYTES as u64 {
            return Err(damaged("its size is wrong"));
        }
        let mut bytes = [0; BYTES];
        file.read_at(&mut bytes, 0).map_err(DiskError::on("reading", NAME))?;
        Self::decode(&bytes).map(Some).map_err(damaged)
    }

    fn store(&self, folder: &dyn Folder) -> std::io::Result<()> {
        match folder.remove(NEXT_NAME) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = folder.create(NEXT_NAME)?;
        file.write_at(&self.encode(), 0)?;
        file.sync_data()?;
        folder.rename(NEXT_NAME, NAME)?;
        folder.sync()
    }

    fn encode(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(self.sidecar.as_bytes());
        bytes[32..40].copy_from_slice(&self.incarnation.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.nonce.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; BYTES]) -> Result<Self, &'static str> {
        if &bytes[0..8] != MAGIC || u32_at(bytes, CRC_AT) != crc32c::crc32c(&bytes[..CRC_AT]) {
            return Err("its checksum is wrong");
        }
        if u32_at(bytes, 8) != VERSION {
            return Err("its version is of another release");
        }
        let sidecar = Uuid::from_slice(&bytes[16..32]).map_err(|_| "it names no sidecar")?;
        let nonce = u128::from(u64_at(bytes, 48)) << 64 | u128::from(u64_at(bytes, 40));
        Ok(Self { sidecar, incarnation: u64_at(bytes, 32), nonce, before: 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::media::crashing::{CrashingFolder, Fault};
    use crate::journal::media::memory::MemoryFolder;

    fn mint(folder: &MemoryFolder) -> Result<Identity, IdentityError> {
        Identity::mint(&Claim::take(Arc::new(folder.clone())).expect("is free"))
    }

    #[test]
    fn every_start_raises_the_incarnation_of_the_same_sidecar() {
        let folder = MemoryFolder::default();
        let (first, second) = (mint(&folder).expect("mints"), mint(&folder).expect("mints"));
        assert_eq!((first.incarnation, second.incarnation), (1, 2));
        assert_eq!(first.sidecar, second.sidecar);
        assert_ne!(first.nonce, second.nonce);
        assert_eq!((first.before, second.before), (0, first.nonce));
        assert_eq!(Identity::load(&folder).expect("loads"), Some(Identity { before: 0, ..second }));
    }

    #[test]
    fn a_damaged_or_missing_file_is_refused_and_never_replaced() {
        let folder = MemoryFolder::default();
        mint(&folder).expect("mints");
        let whole = folder.files()["sidecar"].clone();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let folder = MemoryFolder::with_files([("sidecar".into(), flipped)]);
            assert!(matches!(mint(&folder), Err(IdentityError::Damaged { .. })), "bit {bit}");
        }
        let orphaned = MemoryFolder::with_files([("journal-0000000001.seg".into(), Vec::new())]);
        assert!(matches!(mint(&orphaned), Err(IdentityError::Missing { .. })));
    }

    #[test]
    fn power_lost_at_any_step_leaves_the_old_or_the_new_identity_and_never_uses_one_twice() {
        for step in 0.. {
            let disk = CrashingFolder::default();
            let claim = Claim::take(Arc::new(disk.clone())).expect("is free");
            let first = Identity::mint(&claim).expect("mints");
            disk.fail_at(disk.operations() + step, Fault::PowerOff);
            let second = Identity::mint(&claim);
            for kept in [0, 7, usize::MAX] {
                let third = mint(&disk.image(|len| kept.min(len))).expect("is whole");
                assert_eq!(third.sidecar, first.sidecar);
                let used = second.as_ref().map_or(first.incarnation, |second| second.incarnation);
                assert!(third.incarnation > used, "step {step}");
            }
            if second.is_ok() {
                return;
            }
        }
    }
}
