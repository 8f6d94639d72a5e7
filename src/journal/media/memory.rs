//! A folder in memory, for tests and for running without a disk. Nothing in it survives the process.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::{Folder, Hold, Media};

/// A folder in memory. A clone is the same folder, as a second process would see it.
#[derive(Clone, Debug, Default)]
pub struct MemoryFolder {
    files: Arc<Mutex<BTreeMap<String, Arc<MemoryFile>>>>,
    locked: Arc<AtomicBool>,
}

/// A file in memory.
#[derive(Debug, Default)]
pub struct MemoryFile(Mutex<Vec<u8>>);

/// Keeps a [`MemoryFolder`] locked.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl MemoryFolder {
    /// A folder with these files and these bytes in them.
    pub fn with_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let files = files.into_iter().map(|(name, bytes)| (name, Arc::new(MemoryFile(Mutex::new(bytes))))).collect();
        Self { files: Arc::new(Mutex::new(files)), ..Self::default() }
    }

    /// A copy of all files and their bytes.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.files.lock().iter().map(|(name, file)| (name.clone(), file.0.lock().clone())).collect()
    }

    fn find(&self, name: &str) -> io::Result<Arc<MemoryFile>> {
        self.files.lock().get(name).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Folder for MemoryFolder {
    fn place(&self) -> String {
        "memory".into()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.lock().keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Media>> {
        let mut files = self.files.lock();
        if files.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(MemoryFile::default());
        files.insert(name.into(), file.clone());
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Media>> {
        let file = self.find(name)?;
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files.lock();
        let file = files.remove(from).ok_or(ErrorKind::NotFound)?;
        files.insert(to.into(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.lock().remove(name).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _name: &str) -> io::Result<Option<Hold>> {
        let taken = self.locked.swap(true, Ordering::AcqRel);
        Ok((!taken).then(|| Box::new(Held(self.locked.clone())) as Hold))
    }
}

impl Media for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        read(&self.0.lock(), into, at)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().resize(len as usize, 0);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        write(&mut self.0.lock(), bytes, at);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Fills `into` from `file`, as reading a file does.
pub(super) fn read(file: &[u8], into: &mut [u8], at: u64) -> io::Result<()> {
    let at = at as usize;
    let found = file.get(at..at + into.len()).ok_or(ErrorKind::UnexpectedEof)?;
    into.copy_from_slice(found);
    Ok(())
}

/// Puts `bytes` into `file`, growing it where needed, as writing a file does.
pub(super) fn write(file: &mut Vec<u8>, bytes: &[u8], at: u64) {
    let at = at as usize;
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_as_files_do() {
        let folder = MemoryFolder::default();
        let file = folder.create("a").expect("creates");
        assert_eq!(folder.create("a").expect_err("exists").kind(), ErrorKind::AlreadyExists);
        file.write_at(b"abc", 2).expect("writes");
        folder.rename("a", "b").expect("renames");
        assert_eq!(folder.open("a").expect_err("is gone").kind(), ErrorKind::NotFound);
        let mut read = [0; 3];
        folder.open("b").expect("opens").read_at(&mut read, 2).expect("reads");
        assert_eq!(&read, b"abc");
        folder.remove("b").expect("removes");
        assert_eq!(file.len().expect("an open file stays"), 5);
    }
}
