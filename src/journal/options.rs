//! The limits of a journal.

use std::time::Duration;

use super::format::{PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES};

/// Smallest and largest segment: room for some records; and a scan of one must fit into memory when damage is judged.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 8 * 1024..=1024 * 1024 * 1024;

/// Largest journal and queue: far above what a sidecar can use, and far below where sums of bytes overflow.
const BYTES_MAX: u64 = 1 << 50;
const QUEUE_BYTES_MAX: usize = 1 << 30;

/// The limits of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Size of new segments in bytes. Larger ones are dropped later, smaller ones roll more often.
    pub segment_bytes: u64,
    /// Size of all segments in bytes, the prepared one included, above which no room is given. Space that is lost at the ends of
    /// segments may take the files above it by one segment.
    pub bytes_max: u64,
    /// Entries that are queued or have room, and are not yet written, in bytes. Reached only when the disk stalls.
    pub queue_bytes_max: usize,
    /// Longest time for which something written stays unsynced, but for the duration of the sync.
    pub sync_interval: Duration,
    /// Longest time for which something queued stays unwritten at [`Durability::Memory`].
    pub write_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            bytes_max: 4 * 1024 * 1024 * 1024,
            queue_bytes_max: 16 * 1024 * 1024,
            sync_interval: Duration::from_millis(10),
            write_interval: Duration::from_millis(2),
        }
    }
}

impl Options {
    /// The largest payload that fits.
    pub fn payload_bytes_max(&self) -> usize {
        let fits = self.segment_bytes.saturating_sub(SEGMENT_HEADER_BYTES) as usize;
        fits.saturating_sub(RECORD_HEADER_BYTES).min(PAYLOAD_BYTES_MAX)
    }

    /// How many segments the cap allows.
    pub(super) fn segments_max(&self) -> u64 {
        self.bytes_max / self.segment_bytes
    }

    /// Says what is wrong with the options, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        if !SEGMENT_BYTES.contains(&self.segment_bytes) {
            return Err(format!("segments of {} bytes are outside {SEGMENT_BYTES:?}", self.segment_bytes));
        }
        if self.segments_max() < 2 {
            return Err(format!(
                "a size of {} bytes has no room for two segments of {}",
                self.bytes_max, self.segment_bytes
            ));
        }
        if self.bytes_max > BYTES_MAX || self.queue_bytes_max > QUEUE_BYTES_MAX {
            return Err(format!("a size above {BYTES_MAX} bytes, or a queue above {QUEUE_BYTES_MAX}, makes no sense"));
        }
        if self.queue_bytes_max < self.payload_bytes_max() + RECORD_HEADER_BYTES {
            return Err(format!("a queue of {} bytes has no room for one entry", self.queue_bytes_max));
        }
        if self.sync_interval.is_zero() || self.write_interval.is_zero() {
            return Err("the sync and write intervals must be above zero".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_options_are_sound_and_senseless_ones_are_not() {
        let sound = Options::default();
        assert_eq!(sound.check(), Ok(()));
        for senseless in [
            Options { segment_bytes: 4096, ..sound.clone() },
            Options { bytes_max: sound.segment_bytes, ..sound.clone() },
            Options { queue_bytes_max: 100, ..sound.clone() },
            Options { queue_bytes_max: usize::MAX, ..sound.clone() },
            Options { bytes_max: u64::MAX, ..sound.clone() },
            Options { sync_interval: Duration::ZERO, ..sound.clone() },
        ] {
            assert!(senseless.check().is_err(), "{senseless:?}");
        }
    }
}
