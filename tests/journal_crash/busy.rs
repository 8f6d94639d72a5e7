//! A disk on which something is written while it syncs.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use purser::journal::Seq;
use purser::journal::media::crashing::CrashingFolder;
use purser::journal::media::{Folder, Hold, Media};

use super::{open, push};

type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// Does something, once, at the end of a sync: after the disk has taken what it syncs, before the caller knows.
#[derive(Clone, Default)]
struct Busy {
    disk: CrashingFolder,
    meanwhile: Meanwhile,
}

struct BusyFile(Arc<dyn Media>, Meanwhile);

impl fmt::Debug for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Busy")
    }
}

impl fmt::Debug for BusyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BusyFile")
    }
}

impl Busy {
    fn file(&self, file: Arc<dyn Media>) -> Arc<dyn Media> {
        Arc::new(BusyFile(file, self.meanwhile.clone()))
    }
}

impl Folder for Busy {
    fn place(&self) -> String {
        self.disk.place()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn Media>> {
        Ok(self.file(self.disk.create(name)?))
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn Media>> {
        Ok(self.file(self.disk.open(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }
    fn lock(&self, name: &str) -> io::Result<Option<Hold>> {
        self.disk.lock(name)
    }
}

impl Media for BusyFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_at(into, at)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_at(bytes, at)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()?;
        let meanwhile = self.1.lock().expect("nobody panics").take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        Ok(())
    }
}

#[test]
fn what_is_written_during_a_sync_is_not_said_to_be_synced_by_it() {
    let busy = Busy::default();
    let (journal, _) = open(Arc::new(busy.clone())).expect("begins");
    let journal = Arc::new(journal);
    journal.write_through(push(&journal)).expect("writes");
    let other = journal.clone();
    let write_more = move || other.write_through(push(&other)).expect("writes");
    *busy.meanwhile.lock().expect("nobody panics") = Some(Box::new(write_more));
    assert_eq!(journal.sync(), Ok(Seq(1)));
    assert_eq!((journal.written(), journal.synced()), (Seq(2), Seq(1)));
    drop(journal);
    let (_, recovered) = open(Arc::new(busy.disk.image(|_| 0))).expect("opens");
    assert_eq!(recovered.last_seq, Seq(1), "the disk did not have more");
}
