//! What the callers' threads and the journal's own threads share, and the order in which its locks are taken: the writer, then
//! what is unsynced, then the list of segments, then the queue's tail. The turns to sync and to drop come before all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::bell::Bell;
use super::claim::Claim;
use super::error::{DiskError, Failed, Latch};
use super::format::SEGMENT_HEADER_BYTES;
use super::media::{Folder, Media};
use super::options::Options;
use super::queue::Queue;
use super::recovery::Opened;
use super::retention::Retention;
use super::segment::Segments;
use super::sync::Unsynced;
use super::writer::Writer;
use super::{Seq, Stats};

/// The state of a journal.
#[derive(Debug)]
pub(super) struct Shared {
    pub claim: Claim,
    pub options: Options,
    pub sidecar: Uuid,
    pub latch: Latch,
    pub queue: Queue,
    pub segments: Segments,
    pub writer: Mutex<Writer>,
    pub unsynced: Mutex<Unsynced>,
    /// How many entries the last sync was for.
    pub sync_turn: Mutex<u64>,
    /// With this entry about as many wait for a sync as came together of late.
    pub group_ends: AtomicU64,
    pub retention: Mutex<Retention>,
    /// The prepared file of the next segment. Locked while it is made, so that who needs it waits for it.
    pub spare: Mutex<Option<Arc<dyn Media>>>,
    written: AtomicU64,
    synced: watch::Sender<Seq>,
    synced_seen: AtomicU64,
    pub sync_bell: Bell,
    pub write_bell: Bell,
    pub spare_bell: Bell,
}

impl Shared {
    pub fn new(claim: Claim, options: Options, sidecar: Uuid, opened: Opened) -> Self {
        let last = opened.recovered.last_seq;
        let current = opened.segments.last().expect("a journal has a segment").clone();
        let latch = Latch::default();
        let queue = Queue::new(last.after(), options.queue_bytes_max, options.payload_bytes_max(), latch.clone());
        let usable = (options.segment_bytes - SEGMENT_HEADER_BYTES) as i64;
        let taken: i64 = opened.segments.iter().map(|segment| segment.usable()).sum();
        let left = (current.header.capacity - opened.at) as i64;
        queue.add_writable(options.segments_max() as i64 * usable - taken + left);
        Self {
            claim,
            sidecar,
            latch,
            queue,
            segments: Segments::new(opened.segments),
            unsynced: Mutex::new(Unsynced::new(current.file.clone())),
            writer: Mutex::new(Writer::new(current, opened.at)),
            sync_turn: Mutex::new(0),
            group_ends: AtomicU64::new(0),
            retention: Mutex::new(Retention::default()),
            spare: Mutex::new(None),
            written: AtomicU64::new(last.0),
            synced: watch::Sender::new(last),
            synced_seen: AtomicU64::new(last.0),
            sync_bell: Bell::default(),
            write_bell: Bell::default(),
            spare_bell: Bell::default(),
            options,
        }
    }

    pub fn folder(&self) -> &dyn Folder {
        &*self.claim.folder
    }

    /// Everything up to this seq is written.
    pub fn written(&self) -> Seq {
        Seq(self.written.load(Ordering::Acquire))
    }

    /// Everything up to this seq is synced.
    pub fn synced(&self) -> Seq {
        Seq(self.synced_seen.load(Ordering::Acquire))
    }

    pub fn set_written(&self, seq: Seq) {
        let before = self.written.swap(seq.0, Ordering::AcqRel);
        assert!(before <= seq.0, "what is written stays written");
    }

    pub fn set_synced(&self, seq: Seq) {
        assert!(seq <= self.written(), "only what is written can be synced");
        let before = self.synced_seen.swap(seq.0, Ordering::AcqRel);
        assert!(before <= seq.0, "what is synced stays synced");
        self.synced.send_replace(seq);
    }

    /// Waits until everything up to `seq` is synced, and sees to it that it will be.
    pub async fn synced_through(&self, seq: Seq) -> Result<(), Failed> {
        if self.synced() >= seq {
            return Ok(());
        }
        let mut synced = self.synced.subscribe();
        self.sync_soon(seq);
        loop {
            if *synced.borrow_and_update() >= seq {
                return Ok(());
            }
            self.latch.check()?;
            // The sender lives as long as `self`, so this ends with a change.
            let _ = synced.changed().await;
        }
    }

    /// Stops the journal for good after an error of the disk.
    pub fn fail(&self, error: &DiskError) -> Failed {
        self.stop(error.to_string())
    }

    /// Stops the journal for good and tells all who wait.
    pub fn stop(&self, reason: String) -> Failed {
        let failed = self.latch.fail(reason);
        self.synced.send_modify(|_| {});
        failed
    }

    /// See [`super::Journal::stats`].
    pub fn stats(&self) -> Stats {
        let (segments, bytes) = self.segments.count();
        let spare =
            self.spare.try_lock().map_or(0, |spare| if spare.is_some() { self.options.segment_bytes } else { 0 });
        let (queued_records, queued_bytes) = self.queue.queued();
        let retention = self.retention.lock();
        Stats {
            bytes_on_disk: bytes + spare,
            segments,
            queued_records,
            queued_bytes,
            first: self.segments.first(),
            written: self.written(),
            synced: self.synced(),
            confirmed: retention.confirmed,
            dropped_early: retention.dropped_early,
        }
    }
}
