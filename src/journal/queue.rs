//! Entries between the engine and the file: they are encoded under the engine's locks, where they are written from. Whoever
//! enters but one takes its room with it; room for several is taken before the engine's locks.
//!
//! The hot path. No IO, no waiting, no waking of anybody; short locks of the tail, one for an entry that takes its own
//! room. Who writes takes the whole tail away and leaves an empty buffer.

use std::sync::atomic::{AtomicI64, Ordering};

// The only place that names the lock, so that a model checker's can stand in.
use parking_lot::Mutex;

use super::format::{END_BYTES, RECORD_HEADER_BYTES, put_record_header};
use super::{Latch, Refused, Seq};

/// Entries that are not yet written, and the account of their bytes, which changes under the tail's lock alone.
#[derive(Debug)]
pub(super) struct Queue {
    tail: Mutex<Tail>,
    /// Bytes of room given out or queued, and not yet written.
    unwritten: AtomicI64,
    /// Bytes that may still be written to the segments before the journal's cap.
    writable: AtomicI64,
    unwritten_max: i64,
    payload_max: usize,
    latch: Latch,
}

#[derive(Debug)]
struct Tail {
    /// Bytes that an entry may be written over; those behind `used` mean nothing.
    buffer: Vec<u8>,
    used: usize,
    next: Seq,
    records: usize,
}

/// What a writer took from the queue: whole records without checksums.
#[derive(Debug, Default)]
pub(super) struct Batch {
    buffer: Vec<u8>,
    used: usize,
    pub records: usize,
    /// Seq of the last record in the buffer.
    pub last: Seq,
}

impl Batch {
    /// The records, and behind them the zeros that say that they end.
    pub fn bytes(&mut self) -> &mut [u8] {
        let end = self.used + END_BYTES;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        self.buffer[self.used..end].fill(0);
        &mut self.buffer[..end]
    }
}

/// Room for some entries. What is not used returns when it is dropped.
#[derive(Debug)]
#[must_use = "room that is dropped is given back"]
pub struct Room<'journal> {
    queue: &'journal Queue,
    bytes: i64,
}

impl Queue {
    pub fn new(next: Seq, unwritten_max: usize, payload_max: usize, latch: Latch) -> Self {
        assert!(next > Seq::NONE, "seq 0 means none");
        let tail = Tail { buffer: Vec::new(), used: 0, next, records: 0 };
        Self {
            tail: Mutex::new(tail),
            unwritten: AtomicI64::new(0),
            writable: AtomicI64::new(0),
            unwritten_max: unwritten_max as i64,
            payload_max,
            latch,
        }
    }

    /// See [`super::Journal::reserve`].
    pub fn reserve(&self, records: usize, bytes: usize) -> Result<Room<'_>, Refused> {
        let _tail = self.tail.lock();
        let wanted = self.check(records, bytes)? as i64;
        add(&self.unwritten, wanted);
        Ok(Room { queue: self, bytes: wanted })
    }

    /// Bytes of so many records, where there is room for them: for now, but where the caller has the tail's lock.
    pub fn check(&self, records: usize, bytes: usize) -> Result<usize, Refused> {
        if bytes > records.saturating_mul(self.payload_max) {
            return Err(Refused::TooLarge { bytes, most: records.saturating_mul(self.payload_max) });
        }
        let wanted = records.saturating_mul(RECORD_HEADER_BYTES).saturating_add(bytes);
        if let Some(failed) = self.latch.failed() {
            return Err(Refused::Failed(failed.clone()));
        }
        let unwritten = self.unwritten.load(Ordering::Relaxed).saturating_add_unsigned(wanted as u64);
        if unwritten > self.unwritten_max {
            return Err(Refused::QueueFull { most: self.unwritten_max as usize });
        }
        if unwritten > self.writable.load(Ordering::Relaxed) {
            return Err(Refused::JournalFull);
        }
        Ok(wanted)
    }

    /// See [`super::Journal::push`].
    pub fn push(&self, bytes: usize, encode: impl FnOnce(&mut [u8]) -> usize) -> Result<Seq, Refused> {
        let mut tail = self.tail.lock();
        let most = self.check(1, bytes)?;
        let (seq, taken) = tail.put(most, encode);
        add(&self.unwritten, taken as i64);
        Ok(seq)
    }

    /// Takes everything away into `batch`, whose buffer becomes the new tail's. Its room stays taken until [`Self::wrote`].
    pub fn take(&self, batch: &mut Batch) {
        let mut tail = self.tail.lock();
        std::mem::swap(&mut tail.buffer, &mut batch.buffer);
        batch.used = std::mem::take(&mut tail.used);
        batch.records = std::mem::take(&mut tail.records);
        batch.last = tail.next.before();
    }

    /// Records and bytes in the tail.
    pub fn queued(&self) -> (usize, usize) {
        let tail = self.tail.lock();
        (tail.records, tail.used)
    }

    /// The seq that the next entry will get.
    pub fn next(&self) -> Seq {
        self.tail.lock().next
    }

    /// Sets the seq of the next entry; false, and nothing changed, where entries are queued.
    pub fn skip_to(&self, next: Seq) -> bool {
        let mut tail = self.tail.lock();
        assert!(next >= tail.next, "seqs never go back");
        if tail.records == 0 {
            tail.next = next;
        }
        tail.records == 0
    }

    /// Gives back the room of `bytes` that are in the segments, where they took as much space.
    pub fn wrote(&self, bytes: usize) {
        let _tail = self.tail.lock();
        add(&self.writable, -(bytes as i64));
        add(&self.unwritten, -(bytes as i64));
        assert!(self.unwritten.load(Ordering::Relaxed) >= 0, "only what had room is written");
    }

    /// Adds to, or takes from, the bytes that may still be written.
    pub fn add_writable(&self, bytes: i64) {
        let _tail = self.tail.lock();
        add(&self.writable, bytes);
    }

    /// Bytes that may still be written, less those that have room.
    pub fn free(&self) -> i64 {
        let _tail = self.tail.lock();
        self.writable.load(Ordering::Relaxed) - self.unwritten.load(Ordering::Relaxed)
    }
}

/// Adds to an amount that changes under the tail's lock alone.
fn add(amount: &AtomicI64, bytes: i64) {
    amount.store(amount.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
}

impl Tail {
    /// Queues one entry whose record takes at most so many bytes; answers its seq and how many it takes.
    fn put(&mut self, most: usize, encode: impl FnOnce(&mut [u8]) -> usize) -> (Seq, usize) {
        let Self { buffer, used, next, records } = self;
        if buffer.len() - *used < most {
            // All that lies there is moved anyway.
            buffer.resize((2 * buffer.len()).max(*used + most), 0);
        }
        let place = &mut buffer[*used..*used + most];
        let payload = encode(&mut place[RECORD_HEADER_BYTES..]);
        assert!(payload > 0, "an entry has bytes");
        let record = &mut place[..RECORD_HEADER_BYTES + payload];
        let seq = *next;
        put_record_header(record, seq);
        *used += record.len();
        (*next, *records) = (seq.after(), *records + 1);
        (seq, record.len())
    }
}

impl Room<'_> {
    /// Queues one entry and returns its seq. `encode` writes it to the beginning of the place that it is given, which is as
    /// large as this room and a payload allow, and answers its length. Cannot fail. To be called under the lock that
    /// makes the order of entries the order of decisions.
    ///
    /// # Panics
    ///
    /// When `encode` answers no bytes or more than it has place for, or there is no room left: the caller's mistake. Nothing is
    /// queued then.
    pub fn push(&mut self, encode: impl FnOnce(&mut [u8]) -> usize) -> Seq {
        let left = (self.bytes as usize).min(RECORD_HEADER_BYTES + self.queue.payload_max);
        let (seq, bytes) = self.queue.tail.lock().put(left, encode);
        self.bytes -= bytes as i64;
        seq
    }

    /// As [`Self::push`], of an entry whose bytes are there already.
    pub fn push_bytes(&mut self, payload: &[u8]) -> Seq {
        self.push(|place| {
            place[..payload.len()].copy_from_slice(payload);
            payload.len()
        })
    }

    /// Bytes left, the headers of records included.
    pub fn bytes_left(&self) -> usize {
        self.bytes as usize
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let _tail = self.queue.tail.lock();
            add(&self.queue.unwritten, -self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn queue(unwritten_max: usize, writable: i64) -> Queue {
        let queue = Queue::new(Seq(1), unwritten_max, 100, Latch::default());
        queue.add_writable(writable);
        queue
    }

    #[test]
    fn entries_get_the_seqs_in_the_order_of_pushes() {
        let queue = queue(1000, 1000);
        let mut room = queue.reserve(2, 5).expect("is free");
        assert_eq!(room.push_bytes(b"abc"), Seq(1));
        assert_eq!(room.push_bytes(b"de"), Seq(2));
        assert_eq!(room.bytes_left(), 0);
        let mut batch = Batch::default();
        queue.take(&mut batch);
        assert_eq!((batch.records, batch.last, batch.bytes().len()), (2, Seq(2), 53 + END_BYTES));
        assert_eq!(queue.queued(), (0, 0));
        assert_eq!(queue.free(), 1000 - 53);
        queue.wrote(53);
        assert_eq!(queue.free(), 1000 - 53, "what was queued is now on disk");
    }

    #[test]
    fn room_is_refused_at_each_cap_and_returns_when_dropped() {
        let queue = queue(1000, 200);
        let room = queue.reserve(1, 100).expect("124 of 200");
        assert!(matches!(queue.reserve(1, 60), Err(Refused::JournalFull)));
        drop(room);
        assert_eq!(queue.free(), 200);
        assert!(matches!(queue.reserve(1, 101), Err(Refused::TooLarge { .. })));
        assert!(matches!(queue.reserve(10, 900), Err(Refused::QueueFull { .. })));
        assert!(matches!(queue.reserve(usize::MAX, usize::MAX), Err(Refused::QueueFull { .. })));
        drop(queue.reserve(1, 60).expect("refusals took nothing"));
    }

    #[test]
    fn an_entry_that_takes_its_own_room_is_refused_where_there_is_none() {
        let queue = queue(1000, 200);
        let push = |most| queue.push(most, |place| place.len() / 2);
        assert_eq!((push(100), queue.free()), (Ok(Seq(1)), 200 - 74));
        assert!(matches!(push(101), Err(Refused::TooLarge { .. })));
        let room = queue.reserve(1, 100).expect("124 of 126");
        assert!(matches!(push(100), Err(Refused::JournalFull)));
        drop(room);
        assert_eq!((push(100), queue.free(), queue.queued()), (Ok(Seq(2)), 200 - 2 * 74, (2, 2 * 74)));
    }

    #[test]
    fn an_encoder_that_panics_leaves_no_half_entry() {
        let queue = queue(1000, 1000);
        let mut room = queue.reserve(3, 30).expect("is free");
        for wrong in [Some(&[1u8; 101][..]), Some(b""), None] {
            let push = || room.push_bytes(wrong.expect("panics here"));
            assert!(catch_unwind(AssertUnwindSafe(push)).is_err());
            assert_eq!(queue.queued(), (0, 0));
        }
        assert_eq!(room.push_bytes(b"x"), Seq(1));
    }

    #[test]
    fn after_a_failure_no_room_is_given_but_what_has_room_can_be_pushed() {
        let queue = queue(1000, 1000);
        let mut room = queue.reserve(1, 30).expect("is free");
        queue.latch.fail("the disk is on fire".into());
        assert!(matches!(queue.reserve(1, 1), Err(Refused::Failed(_))));
        assert_eq!(room.push_bytes(b"x"), Seq(1));
    }
}
