//! Reads the journal back at start: hands every entry on in order, finds the end, cuts what is torn, refuses what is corrupt.
//!
//! Nothing runs yet beside it. What an entry means is the visitor's business.

use std::sync::Arc;

use uuid::Uuid;

use super::Seq;
use super::error::{Corrupt, DiskError, OpenError};
use super::format::{Header, HeaderFault, SEGMENT_HEADER_BYTES, SPARE_NAME, Seed, segment_name, segment_number};
use super::media::{Folder, Media};
use super::scan::Scan;
use super::segment::{Segment, prepare, put_zeros, read_header};
use super::torn::{begun, look_behind};

/// Records of later segments may be so far from where the journal ends: others may be missing, or were skipped.
const SKIPPED_MAX: u64 = 1 << 40;

/// Recovery reads in pieces of this many bytes.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What was found at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Seq of the first entry there is, or of the first one to come.
    pub first_seq: Seq,
    /// Seq of the last entry, [`Seq::NONE`] in a new journal. All up to here are synced.
    pub last_seq: Seq,
    /// Entries handed to the visitor.
    pub records: u64,
    /// Segments there are.
    pub segments: usize,
    /// What was cut because it was torn.
    pub cut: Option<Cut>,
}

/// A torn end that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment in which the journal ends.
    pub segment: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The first entry that was not whole.
    pub seq: Seq,
    /// Bytes from the first to the last one that is known to have been written there, over all segments.
    pub bytes: u64,
    /// Entries behind it that were whole, and were cut with it.
    pub records: u64,
}

/// A journal as it was read back, ready for the next entry.
pub(super) struct Opened {
    pub segments: Vec<Segment>,
    /// Where the next record goes in the last segment.
    pub at: u64,
    pub recovered: Recovered,
}

/// Segments that have a file, whatever their state.
type Files = Vec<(u64, Arc<dyn Media>)>;

/// Reads everything back, handing each entry to `visit`.
pub(super) fn recover<E>(
    folder: &dyn Folder,
    capacity: u64,
    sidecar: Uuid,
    mut visit: impl FnMut(Seq, &[u8]) -> Result<(), E>,
) -> Result<Opened, OpenError<E>> {
    let files = list(folder)?;
    if files.is_empty() {
        return Ok(begin(folder, capacity, sidecar)?);
    }
    let mut read = Read { sidecar, segments: Vec::new(), at: 0, first: None, last: Seq::NONE, records: 0 };
    for (number, file) in &files {
        match read.header(*number, &**file)? {
            Some(header) if read.continues(&header) => read.segment(header, file.clone(), &mut visit)?,
            _ => break,
        }
    }
    let Some(end) = read.segments.last().cloned() else {
        return Err(headless(files[0].0).into());
    };
    let behind = &files[read.segments.len()..];
    let cut = read.judge(&end, behind)?;
    if cut.is_some() {
        cut_off(folder, &end, read.at, behind)?;
    }
    read.settle(folder, &end)?;
    let first_seq = read.first.unwrap_or(read.last.after());
    let recovered =
        Recovered { first_seq, last_seq: read.last, records: read.records, segments: read.segments.len(), cut };
    Ok(Opened { segments: read.segments, at: read.at, recovered })
}

/// The segments' files, oldest first; a left-over spare is removed.
fn list(folder: &dyn Folder) -> Result<Files, DiskError> {
    let names = folder.list().map_err(DiskError::on("listing", &folder.place()))?;
    if names.iter().any(|name| name == SPARE_NAME) {
        folder.remove(SPARE_NAME).map_err(DiskError::on("removing", SPARE_NAME))?;
    }
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    let open = |number| {
        let name = segment_name(number);
        Ok((number, folder.open(&name).map_err(DiskError::on("opening", &name))?))
    };
    numbers.into_iter().map(open).collect()
}

/// A new journal: its first segment, whole and synced before it takes a record.
fn begin(folder: &dyn Folder, capacity: u64, sidecar: Uuid) -> Result<Opened, DiskError> {
    let header = Header { sidecar, number: 1, capacity, first: Seq(1), previous: Seq::NONE, synced: Seq::NONE };
    let make = || {
        let file = prepare(folder, capacity)?;
        // The name comes last, so that a first segment without a whole header is never an interrupted start.
        file.write_at(&header.encode(), 0)?;
        file.sync_data()?;
        folder.rename(SPARE_NAME, &segment_name(1))?;
        folder.sync()?;
        Ok(Segment { file, header, last: None })
    };
    let segment = make().map_err(DiskError::on("making", &segment_name(1)))?;
    let recovered = Recovered { first_seq: Seq(1), last_seq: Seq::NONE, records: 0, segments: 1, cut: None };
    Ok(Opened { segments: vec![segment], at: SEGMENT_HEADER_BYTES, recovered })
}

fn headless(number: u64) -> Corrupt {
    let why = "it is the oldest segment, and its header was synced before it took records".into();
    Corrupt { segment: segment_name(number), offset: 0, seq: Seq(1), why }
}

/// Reading in progress.
struct Read {
    sidecar: Uuid,
    /// Segments that belong to the journal.
    segments: Vec<Segment>,
    /// Where the last of them ends.
    at: u64,
    /// Seq of the first record.
    first: Option<Seq>,
    last: Seq,
    records: u64,
}

impl Read {
    /// A segment's header, or `None` where it is not whole.
    fn header<E>(&self, number: u64, file: &dyn Media) -> Result<Option<Header>, OpenError<E>> {
        let name = segment_name(number);
        match read_header(file).map_err(DiskError::on("reading", &name))? {
            Ok(header) if header.sidecar != self.sidecar => {
                Err(OpenError::Foreign { segment: name, found: header.sidecar, expected: self.sidecar })
            }
            Ok(header) => Ok((header.number == number).then_some(header)),
            Err(HeaderFault::Version(version)) => Err(OpenError::Version { segment: name, version }),
            Err(HeaderFault::Bad) => Ok(None),
        }
    }

    /// Whether a segment goes on where the last one ended.
    fn continues(&self, header: &Header) -> bool {
        let Some(before) = self.segments.last() else { return true };
        header.number == before.header.number + 1 && header.previous == self.last
    }

    /// Reads a segment's records up to where no valid one is.
    fn segment<E>(
        &mut self,
        header: Header,
        file: Arc<dyn Media>,
        visit: &mut impl FnMut(Seq, &[u8]) -> Result<(), E>,
    ) -> Result<(), OpenError<E>> {
        let name = segment_name(header.number);
        let reading = || DiskError::on("reading", &name);
        let seed = Seed::new(self.sidecar, header.number);
        let mut scan = Scan::new(file.clone(), seed, header.capacity, CHUNK_BYTES).map_err(reading())?;
        if let Some(before) = self.segments.last_mut() {
            before.last = Some(self.last);
        }
        let mut seq = header.first;
        while let Some((_, payload)) = scan.next(seq).map_err(reading())? {
            visit(seq, payload).map_err(|error| OpenError::Visit { seq, error })?;
            self.first.get_or_insert(seq);
            self.records += 1;
            seq = seq.after();
        }
        self.last = seq.before();
        self.at = scan.at();
        self.segments.push(Segment { file, header, last: None });
        Ok(())
    }

    /// What lies behind the end: nothing, something torn, or the proof that the end should not be here.
    fn judge<E>(&self, end: &Segment, behind: &[(u64, Arc<dyn Media>)]) -> Result<Option<Cut>, OpenError<E>> {
        let lost = self.last.after();
        let mut cut = Cut { segment: end.name(), offset: self.at, seq: lost, bytes: 0, records: 0 };
        let begun = begun(&*end.file, self.at, lost).map_err(DiskError::on("reading", &cut.segment))?;
        self.look(&mut cut, end.header.number, &end.file, self.at, 0)?;
        cut.bytes = cut.bytes.max(begun);
        for (number, file) in behind {
            if let Some(header) = self.header(*number, &**file)?
                && header.synced >= lost
            {
                let why =
                    format!("{} was begun when entries up to {} were synced", segment_name(*number), header.synced);
                return Err(Corrupt { segment: cut.segment, offset: cut.offset, seq: lost, why }.into());
            }
            self.look(&mut cut, *number, file, SEGMENT_HEADER_BYTES, SKIPPED_MAX)?;
        }
        Ok((cut.bytes > 0 || !behind.is_empty()).then_some(cut))
    }

    /// Adds to `cut` what one segment has from an offset on, before which so many seqs may be missing, unless it proves damage.
    fn look(&self, cut: &mut Cut, number: u64, file: &Arc<dyn Media>, from: u64, skipped: u64) -> Result<(), CutError> {
        let name = segment_name(number);
        let seed = Seed::new(self.sidecar, number);
        let found = look_behind(&**file, seed, from, cut.seq, skipped).map_err(DiskError::on("reading", &name))?;
        if let Some(witness) = found.witness {
            let (seq, offset, synced) = (witness.seq, witness.offset, witness.synced);
            let why =
                format!("entry {seq} at byte {offset} of {name} was written when entries up to {synced} were synced");
            return Err(Corrupt { segment: cut.segment.clone(), offset: cut.offset, seq: cut.seq, why }.into());
        }
        cut.bytes += found.bytes;
        cut.records += found.records;
        Ok(())
    }

    /// Makes the end fit for the next entry, and everything read synced.
    fn settle(&self, folder: &dyn Folder, end: &Segment) -> Result<(), DiskError> {
        let complete = || {
            let len = end.file.len()?;
            if len < end.header.capacity {
                end.file.set_len(end.header.capacity)?;
                put_zeros(&*end.file, len.max(self.at), end.header.capacity)?;
            }
            self.segments.iter().try_for_each(|segment| segment.file.sync_data())?;
            folder.sync()
        };
        complete().map_err(DiskError::on("completing", &end.name()))
    }
}

/// Removes everything behind the journal's end. When interrupted, the next start finds less of the same.
fn cut_off(folder: &dyn Folder, end: &Segment, at: u64, behind: &[(u64, Arc<dyn Media>)]) -> Result<(), DiskError> {
    for (number, _) in behind.iter().rev() {
        let name = segment_name(*number);
        folder.remove(&name).and_then(|()| folder.sync()).map_err(DiskError::on("removing", &name))?;
    }
    let zero = || {
        put_zeros(&*end.file, at, end.file.len()?)?;
        end.file.sync_data()
    };
    zero().map_err(DiskError::on("cutting", &end.name()))
}

/// The two errors that do not depend on the visitor.
enum CutError {
    Io(DiskError),
    Corrupt(Corrupt),
}

impl From<DiskError> for CutError {
    fn from(error: DiskError) -> Self {
        Self::Io(error)
    }
}

impl From<Corrupt> for CutError {
    fn from(error: Corrupt) -> Self {
        Self::Corrupt(error)
    }
}

impl<E> From<CutError> for OpenError<E> {
    fn from(error: CutError) -> Self {
        match error {
            CutError::Io(error) => Self::Io(error),
            CutError::Corrupt(error) => Self::Corrupt(error),
        }
    }
}
