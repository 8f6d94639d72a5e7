//! Real files. Linux only: `flock`, `fallocate`, `fdatasync`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;

use super::{Folder, Hold, Media};

/// Files and folders are for the sidecar's own user: they hold who used what.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// A folder of the file system.
#[derive(Debug)]
pub struct FileFolder {
    path: PathBuf,
    handle: File,
}

impl FileFolder {
    /// Opens the folder, making it and its parents where needed.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&path)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        let handle = File::open(&path)?;
        Ok(Self { path, handle })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Folder for FileFolder {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not UTF-8 is none of the journal's.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Media>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(FILE_MODE);
        Ok(Arc::new(options.open(self.path.join(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Media>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(self.path.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn lock(&self, name: &str) -> io::Result<Option<Hold>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(self.path.join(name))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Media for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(into, at)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let now = Media::len(self)?;
        if len > now {
            let reserve = || rustix::fs::fallocate(self, FallocateFlags::empty(), now, len - now);
            match rustix::io::retry_on_intr(reserve) {
                Ok(()) => return Ok(()),
                // Not every file system can reserve; the zeros that are written next do it there.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        File::set_len(self, len)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_what_was_written_and_zeros_where_it_grew() {
        let folder = FileFolder::open(tempfile::tempdir().expect("a temporary folder").keep()).expect("opens");
        let file = folder.create("a").expect("creates");
        file.set_len(100).expect("grows");
        file.write_at(b"abc", 10).expect("writes");
        file.sync_data().expect("syncs");
        let mut read = [1; 5];
        folder.open("a").expect("opens").read_at(&mut read, 9).expect("reads");
        assert_eq!(&read, b"\0abc\0");
        assert_eq!(file.len().expect("has a size"), 100);
        let past = file.read_at(&mut read, 97).expect_err("the file ends at 100");
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
        fs::remove_dir_all(folder.path()).expect("removes");
    }

    #[test]
    fn a_locked_folder_is_free_again_when_the_hold_is_dropped() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let one = FileFolder::open(place.path().join("deep/data")).expect("makes the parents");
        let two = FileFolder::open(one.path()).expect("opens again");
        let hold = one.lock("lock").expect("locks").expect("is free");
        assert!(two.lock("lock").expect("asks").is_none());
        drop(hold);
        assert!(two.lock("lock").expect("asks").is_some());
    }
}
