//! The bytes of a segment's header and of a record, as `docs/journal-format.md` draws them.
//!
//! Pure: no file is touched here, and no payload is understood.

use uuid::Uuid;

use super::Seq;

/// Bytes of a segment's header: one block of its own.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 4096;
/// Bytes of a record before its payload.
pub const RECORD_HEADER_BYTES: usize = 24;
/// Bytes of zeros that say where the records end, where there are as many left: other bytes may follow them in a file that was
/// used before.
pub(super) const END_BYTES: usize = RECORD_HEADER_BYTES;
/// The largest payload: an entry is some hundred bytes, and recovery must be able to tell a length from rubbish.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

const MAGIC: &[u8; 8] = b"PURSERJL";
const VERSION: u32 = 1;
const CRC_AT: usize = SEGMENT_HEADER_BYTES as usize - 4;

/// Name of the segment that is prepared but not yet in use.
pub(super) const SPARE_NAME: &str = "journal-next.tmp";

/// Name of a segment's file.
pub(super) fn segment_name(number: u64) -> String {
    format!("journal-{number:010}.seg")
}

/// The number in a segment's name, or `None` where the name is not one that [`segment_name`] gives.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("journal-")?.strip_suffix(".seg")?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub sidecar: Uuid,
    pub number: u64,
    /// Size of the segment in bytes, header included.
    pub capacity: u64,
    pub first: Seq,
    /// Last seq of the journal before this segment.
    pub previous: Seq,
    pub synced: Seq,
}

/// Why a block is not a header that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Not a header, or a damaged one.
    Bad,
    /// Whole, but of a format that this version does not read.
    Version(u32),
}

impl Header {
    pub fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; SEGMENT_HEADER_BYTES as usize];
        block[0..8].copy_from_slice(MAGIC);
        block[8..12].copy_from_slice(&VERSION.to_le_bytes());
        block[16..32].copy_from_slice(self.sidecar.as_bytes());
        let numbers = [self.number, self.capacity, self.first.0, self.previous.0, self.synced.0];
        for (field, number) in block[32..72].chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c(&block[..CRC_AT]);
        block[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        block
    }

    pub fn decode(block: &[u8]) -> Result<Self, HeaderFault> {
        if block.len() != SEGMENT_HEADER_BYTES as usize || &block[0..8] != MAGIC {
            return Err(HeaderFault::Bad);
        }
        if u32_at(block, CRC_AT) != crc32c::crc32c(&block[..CRC_AT]) {
            return Err(HeaderFault::Bad);
        }
        if u32_at(block, 8) != VERSION {
            return Err(HeaderFault::Version(u32_at(block, 8)));
        }
        let sidecar = Uuid::from_slice(&block[16..32]).map_err(|_| HeaderFault::Bad)?;
        Ok(Self {
            sidecar,
            number: u64_at(block, 32),
            capacity: u64_at(block, 40),
            first: Seq(u64_at(block, 48)),
            previous: Seq(u64_at(block, 56)),
            synced: Seq(u64_at(block, 64)),
        })
    }
}

/// Where the checksums of a segment's records start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed(u32);

impl Seed {
    pub fn new(sidecar: Uuid, number: u64) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(sidecar.as_bytes()), &number.to_le_bytes()))
    }
}

/// What precedes a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    crc: u32,
    pub len: u32,
    pub seq: Seq,
    pub synced: Seq,
}

impl RecordHeader {
    /// Reads the first 24 bytes of `bytes`, which must have them.
    pub fn decode(bytes: &[u8]) -> Self {
        Self {
            crc: u32_at(bytes, 0),
            len: u32_at(bytes, 4),
            seq: Seq(u64_at(bytes, 8)),
            synced: Seq(u64_at(bytes, 16)),
        }
    }

    /// Whether this is how the end of the records looks.
    pub fn is_zero(&self) -> bool {
        self.crc == 0 && self.len == 0 && self.seq == Seq::NONE && self.synced == Seq::NONE
    }

    /// Whether a record could begin so; cheap, to be asked before reading on and checking the sum.
    pub fn is_plausible(&self) -> bool {
        (1..=PAYLOAD_BYTES_MAX as u32).contains(&self.len) && self.synced < self.seq
    }

    /// Bytes of the whole record.
    pub fn record_bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.len as usize
    }

    /// Whether `record`, header included, is what its checksum says.
    pub fn is_sum_of(&self, record: &[u8], seed: Seed) -> bool {
        self.crc == crc32c::crc32c_append(seed.0, &record[4..])
    }
}

/// Fills in the header of a record whose payload lies behind it, but for what [`seal`] adds.
#[inline]
pub(super) fn put_record_header(record: &mut [u8], seq: Seq) {
    let len = (record.len() - RECORD_HEADER_BYTES) as u32;
    record[4..8].copy_from_slice(&len.to_le_bytes());
    record[8..16].copy_from_slice(&seq.0.to_le_bytes());
}

/// Adds what is known only when a record is written.
pub(super) fn seal(record: &mut [u8], synced: Seq, seed: Seed) {
    record[16..24].copy_from_slice(&synced.0.to_le_bytes());
    let crc = crc32c::crc32c_append(seed.0, &record[4..]);
    record[0..4].copy_from_slice(&crc.to_le_bytes());
}

/// The four bytes at an offset that the caller knows to be inside.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a slice of four"))
}

/// The eight bytes at an offset that the caller knows to be inside.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a slice of eight"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let sidecar = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        Header { sidecar, number: 7, capacity: 65536, first: Seq(501), previous: Seq(120), synced: Seq(119) }
    }

    #[test]
    fn a_header_reads_back_and_every_flipped_bit_of_it_is_seen() {
        let block = header().encode();
        assert_eq!(Header::decode(&block), Ok(header()));
        for bit in 0..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped), Err(HeaderFault::Bad), "bit {bit}");
        }
    }

    #[test]
    fn a_header_has_the_bytes_that_the_format_page_draws() {
        let block = header().encode();
        assert_eq!(&block[..20], b"PURSERJL\x01\0\0\0\0\0\0\0\x01\x02\x03\x04");
        assert_eq!(u64_at(&block, 32), 7);
        assert_eq!(u64_at(&block, 64), 119);
        assert_eq!(u32_at(&block, 4092), crc32c::crc32c(&block[..4092]));
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut block = header().encode();
        block[8] = 9;
        let crc = crc32c::crc32c(&block[..CRC_AT]);
        block[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::decode(&block), Err(HeaderFault::Version(9)));
    }

    #[test]
    fn a_record_is_valid_only_in_its_own_segment() {
        let seed = Seed::new(header().sidecar, 7);
        let mut record = vec![0; RECORD_HEADER_BYTES];
        record.extend(b"payload");
        put_record_header(&mut record, Seq(5));
        seal(&mut record, Seq(3), seed);
        let read = RecordHeader::decode(&record);
        assert_eq!((read.len, read.seq, read.synced), (7, Seq(5), Seq(3)));
        assert!(read.is_plausible() && read.is_sum_of(&record, seed));
        assert!(!read.is_sum_of(&record, Seed::new(header().sidecar, 8)));
    }

    #[test]
    fn names_of_segments() {
        assert_eq!(segment_name(12), "journal-0000000012.seg");
        assert_eq!(segment_number("journal-0000000012.seg"), Some(12));
        for other in ["journal-12.seg", "journal-+000000012.seg", SPARE_NAME, "journal-.seg", "sidecar"] {
            assert_eq!(segment_number(other), None, "{other}");
        }
    }
}
