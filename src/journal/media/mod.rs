//! The few verbs by which the journal touches a disk, so that files, memory and crash images are interchangeable.
//!
//! Nothing here knows segments or records, and nothing retries: an error goes to the caller, who latches.

pub mod crashing;
pub mod file;
pub mod memory;

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;

/// One open file. All offsets are in bytes from its beginning.
pub trait Media: fmt::Debug + Send + Sync {
    /// Size in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the size is zero.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills all of `into`; `UnexpectedEof` where the file ends before.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()>;

    /// Grows with zeros, reserving the blocks where the file system can, or shrinks.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Writes all of `bytes`. A crash may leave any part of them.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Returns when everything written before the call is on the disk, with the size needed to read it.
    fn sync_data(&self) -> io::Result<()>;
}

/// What keeps a folder for one process; it is given back when dropped.
pub type Hold = Box<dyn Any + Send + Sync>;

/// One folder of files, without sub-folders.
pub trait Folder: fmt::Debug + Send + Sync {
    /// Where it is, for error messages.
    fn place(&self) -> String;

    /// Names of the files in it, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file; `AlreadyExists` where there is one.
    fn create(&self, name: &str) -> io::Result<Arc<dyn Media>>;

    /// Opens a file for reading and writing; `NotFound` where there is none.
    fn open(&self, name: &str) -> io::Result<Arc<dyn Media>>;

    /// Gives a file another name, replacing what had it; open files stay usable.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; those who have it open can go on reading it.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns when all names are on the disk.
    fn sync(&self) -> io::Result<()>;

    /// Takes the folder for this process by way of the file `name`, or `None` when another has it.
    fn lock(&self, name: &str) -> io::Result<Option<Hold>>;
}
