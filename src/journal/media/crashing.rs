//! A folder that fails, or loses its power, at a chosen moment, and can then show what a disk may hold afterwards:
//! everything that was synced, and any part of what was not.
//!
//! It models sectors that are written whole or up to some byte, and names that change, in any order. It does not model disks that lose what they have synced.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::memory::{MemoryFolder, read, write};
use super::{Folder, Hold, Media};

/// Unsynced writes are kept or lost in pieces of this many bytes.
const SECTOR_BYTES: usize = 512;

/// What happens at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and fails with this operating system error; what comes later works again.
    Error(i32),
    /// The power fails: a write stops half-way, and nothing works from then on.
    PowerOff,
}

/// A folder in memory that counts the operations that change it, and fails at one of them. A clone is the same folder.
#[derive(Clone, Debug, Default)]
pub struct CrashingFolder(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    names_synced: BTreeMap<String, usize>,
    names_since: Vec<Renamed>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    off: bool,
}

#[derive(Debug, Default)]
struct Content {
    seen: Vec<u8>,
    synced: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { at: u64, bytes: Vec<u8> },
    Len(u64),
}

/// A name that got another file, or none.
type Renamed = Vec<(String, Option<usize>)>;

#[derive(Debug)]
struct CrashingFile {
    disk: CrashingFolder,
    index: usize,
}

impl CrashingFolder {
    /// Lets the operation with this number, counted from 0 over writes, syncs and changes of names, go wrong.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.0.lock().fault = Some((operation, fault));
    }

    /// How many operations have been asked for.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// What the disk may hold after a loss of power. For each unsynced sector, `keep` is told how many bytes were
    /// written and says how many of them, from the first, are there; for each unsynced change of names it is told 1, and says
    /// 0 or more.
    pub fn image(&self, mut keep: impl FnMut(usize) -> usize) -> MemoryFolder {
        let disk = self.0.lock();
        let mut names = disk.names_synced.clone();
        for change in disk.names_since.iter().filter(|_| keep(1) > 0) {
            apply(&mut names, change);
        }
        let files = names.into_iter().map(|(name, index)| (name, disk.files[index].image(&mut keep)));
        MemoryFolder::with_files(files.collect::<Vec<_>>())
    }

    /// Counts one operation; says how much of it happens, in bytes of `len`, and how it ends.
    fn step(&self, disk: &mut Disk, len: usize) -> (usize, io::Result<()>) {
        let number = disk.operations;
        disk.operations += 1;
        if disk.off {
            return (0, Err(io::Error::other("the power is off")));
        }
        match disk.fault {
            Some((at, Fault::Error(errno))) if at == number => (0, Err(io::Error::from_raw_os_error(errno))),
            Some((at, Fault::PowerOff)) if at == number => {
                disk.off = true;
                (len / 2, Err(io::Error::other("the power failed")))
            }
            _ => (len, Ok(())),
        }
    }

    fn change_names(&self, change: impl FnOnce(&BTreeMap<String, usize>) -> io::Result<Renamed>) -> io::Result<()> {
        let mut disk = self.0.lock();
        self.step(&mut disk, 0).1?;
        let change = change(&disk.names)?;
        apply(&mut disk.names, &change);
        disk.names_since.push(change);
        Ok(())
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: &Renamed) {
    for (name, index) in change {
        match index {
            Some(index) => names.insert(name.clone(), *index),
            None => names.remove(name),
        };
    }
}

impl Content {
    fn image(&self, keep: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
        let mut image = self.synced.clone();
        for change in &self.since {
            match change {
                Change::Len(len) => image.resize(*len as usize, 0),
                Change::Write { at, bytes } => {
                    for (at, sector) in sectors(*at, bytes) {
                        let kept = keep(sector.len()).min(sector.len());
                        if kept > 0 {
                            write(&mut image, &sector[..kept], at);
                        }
                    }
                }
            }
        }
        image
    }
}

/// Cuts `bytes` where sectors of the file begin.
fn sectors(at: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let (mut at, mut rest) = (at, bytes);
    std::iter::from_fn(move || {
        let room = SECTOR_BYTES - at as usize % SECTOR_BYTES;
        let (sector, behind) = rest.split_at(room.min(rest.len()));
        let found = (!sector.is_empty()).then_some((at, sector));
        (at, rest) = (at + sector.len() as u64, behind);
        found
    })
}

impl Folder for CrashingFolder {
    fn place(&self) -> String {
        "crashing".into()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Media>> {
        let index = {
            let mut disk = self.0.lock();
            disk.files.push(Content::default());
            disk.files.len() - 1
        };
        self.change_names(|names| match names.contains_key(name) {
            true => Err(ErrorKind::AlreadyExists.into()),
            false => Ok(vec![(name.into(), Some(index))]),
        })?;
        Ok(Arc::new(CrashingFile { disk: self.clone(), index }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Media>> {
        let index = *self.0.lock().names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Arc::new(CrashingFile { disk: self.clone(), index }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_names(|names| {
            let index = *names.get(from).ok_or(ErrorKind::NotFound)?;
            Ok(vec![(from.into(), None), (to.into(), Some(index))])
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change_names(|names| match names.contains_key(name) {
            true => Ok(vec![(name.into(), None)]),
            false => Err(ErrorKind::NotFound.into()),
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.0.lock();
        self.step(&mut disk, 0).1?;
        disk.names_synced = disk.names.clone();
        disk.names_since.clear();
        Ok(())
    }

    fn lock(&self, _name: &str) -> io::Result<Option<Hold>> {
        Ok(Some(Box::new(())))
    }
}

impl Media for CrashingFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().files[self.index].seen.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        read(&self.disk.0.lock().files[self.index].seen, into, at)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        self.disk.step(&mut disk, 0).1?;
        let file = &mut disk.files[self.index];
        file.seen.resize(len as usize, 0);
        file.since.push(Change::Len(len));
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        let (happens, outcome) = self.disk.step(&mut disk, bytes.len());
        let file = &mut disk.files[self.index];
        write(&mut file.seen, &bytes[..happens], at);
        file.since.push(Change::Write { at, bytes: bytes[..happens].to_vec() });
        outcome
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        self.disk.step(&mut disk, 0).1?;
        let file = &mut disk.files[self.index];
        file.synced = file.seen.clone();
        file.since.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_what_was_synced_and_the_chosen_part_of_the_rest() {
        let folder = CrashingFolder::default();
        let file = folder.create("a").expect("creates");
        file.write_at(&[1; 600], 0).expect("writes");
        file.sync_data().expect("syncs");
        folder.sync().expect("syncs");
        file.write_at(&[2; 1000], 500).expect("writes");
        folder.create("b").expect("creates");
        assert_eq!(folder.image(|_| 0).files(), BTreeMap::from([("a".into(), vec![1; 600])]));
        let mut asked = Vec::new();
        let image = folder.image(|len| {
            asked.push(len);
            if len == 512 { 3 } else { 0 }
        });
        assert_eq!(asked, [1, 12, 512, 476], "the name, then the write cut at sectors");
        assert_eq!(image.files()["a"][510..516], [1, 1, 2, 2, 2, 1]);
    }

    #[test]
    fn after_the_power_failed_nothing_works() {
        let folder = CrashingFolder::default();
        let file = folder.create("a").expect("creates");
        folder.fail_at(1, Fault::PowerOff);
        file.write_at(b"abcd", 0).expect_err("stops half-way");
        file.sync_data().expect_err("is off");
        assert_eq!(file.len().expect("reads"), 2);
        assert_eq!(folder.operations(), 3);
    }

    #[test]
    fn an_error_comes_once() {
        let folder = CrashingFolder::default();
        let file = folder.create("a").expect("creates");
        folder.fail_at(1, Fault::Error(28));
        assert_eq!(file.write_at(b"a", 0).expect_err("fails").kind(), ErrorKind::StorageFull);
        file.write_at(b"a", 0).expect("works again");
    }
}
