//! An operation that is done, as it stands in line: as little as tells what was answered, for millions are kept.

use super::elsewhere::Elsewhere;
use super::holds::EndedHold;
use super::keys::Key;
use super::known::{By, HoldKnown, Kind, Known, Refunds};
use super::span::Span;
use crate::domain::{Credits, Timestamp};

/// What is known of every operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// When it was entered; for an ended hold when it ended.
    pub at: Timestamp,
    /// Its entry's number in the journal; for an ended hold that of its end.
    pub seq: u64,
    /// Fingerprint of the request.
    pub content: u64,
    /// Who drew, and on what.
    pub by: By,
}

/// What an operation that is done was.
#[derive(Debug)]
pub(super) enum Done {
    Debit { window: Timestamp, credits: Credits },
    Refund { credits: Credits, is_asked: bool },
    Apart(Box<Apart>),
}

/// What takes more memory.
#[derive(Debug)]
pub(super) enum Apart {
    /// A debit of which something was given back.
    Refunded(Refunded),
    Hold(EndedHold),
    Elsewhere(Elsewhere),
}

const _: () = assert!(size_of::<Apart>() == 96, "the allocator has this size");

/// A debit of which something was given back.
#[derive(Debug)]
pub(super) struct Refunded {
    window: Timestamp,
    pub credits: Credits,
    pub refunds: Refunds,
}

impl Done {
    fn kind(&self) -> Kind<'_> {
        match self {
            Self::Debit { window, credits } => Kind::Debit { window: *window, credits: *credits, refunds: None },
            Self::Refund { credits, is_asked } => Kind::Refund { credits: *credits, is_asked: *is_asked },
            Self::Apart(apart) => apart.kind(),
        }
    }
}

impl Apart {
    fn kind(&self) -> Kind<'_> {
        match self {
            Self::Refunded(Refunded { window, credits, refunds }) => {
                Kind::Debit { window: *window, credits: *credits, refunds: Some(refunds) }
            }
            Self::Hold(ended) => Kind::Hold(HoldKnown::Ended(ended)),
            Self::Elsewhere(elsewhere) => Kind::Elsewhere(elsewhere),
        }
    }
}

/// The part of a key that stands with what it is the key of: the rest stands where that is found, see [`super::places`].
pub(super) type Rest = [u32; 3];

/// See [`Rest`].
#[inline]
pub(super) fn rest(key: Key) -> Rest {
    [(key >> 32) as u32, (key >> 64) as u32, (key >> 96) as u32]
}

/// An operation that is done.
#[derive(Debug)]
pub(super) struct Record {
    pub rest: Rest,
    /// Its time and number, as the line's [`Span`] tells them.
    at: u32,
    seq: u32,
    member: u32,
    content: u64,
    what: What,
}

const _: () = assert!(size_of::<Option<Record>>() == 48, "a remembered debit takes no more than it must");

/// What it was.
#[derive(Debug)]
enum What {
    /// A debit, this long after its window's start, in milliseconds.
    Debit {
        source: u16,
        after: u32,
        credits: Credits,
    },
    Refund {
        source: u16,
        is_asked: bool,
        credits: Credits,
    },
    Apart {
        source: u16,
        apart: Box<Apart>,
    },
    /// What does not fit the above, with all that is known of it.
    Far(Box<(Header, Done)>),
}

impl Record {
    /// Of an operation that comes to the end of the line of this span.
    #[inline]
    pub fn new(key: Key, header: Header, done: Done, span: &mut Span) -> Self {
        let Header { at, seq, content, by } = header;
        let source = u16::try_from(by.source).ok();
        let fits = source.zip(after(at, &done)).and_then(|fits| Some((fits, span.note(at, seq)?)));
        let (what, (at, seq)) = match (fits, done) {
            (None, done) => (What::Far(Box::new((header, done))), (0, 0)),
            (Some(((source, after), kept)), Done::Debit { credits, .. }) => {
                (What::Debit { source, after, credits }, kept)
            }
            (Some(((source, _), kept)), Done::Refund { credits, is_asked }) => {
                (What::Refund { source, is_asked, credits }, kept)
            }
            (Some(((source, _), kept)), Done::Apart(apart)) => (What::Apart { source, apart }, kept),
        };
        Self { rest: rest(key), at, seq, member: by.member, content, what }
    }

    /// Whether the span tells when it was entered.
    #[inline]
    pub fn is_near(&self) -> bool {
        !matches!(self.what, What::Far(_))
    }

    /// When it was entered, and under which number.
    pub fn entered(&self, span: &Span) -> (Timestamp, u64) {
        match &self.what {
            What::Far(far) => (far.0.at, far.0.seq),
            _ => span.tell((self.at, self.seq)),
        }
    }

    /// What is known of it.
    pub fn known(&self, span: &Span) -> Known<'_> {
        let header = self.header(span);
        let kind = match &self.what {
            What::Debit { after, credits, .. } => {
                Kind::Debit { window: before(header.at, *after), credits: *credits, refunds: None }
            }
            What::Refund { is_asked, credits, .. } => Kind::Refund { credits: *credits, is_asked: *is_asked },
            What::Apart { apart, .. } => apart.kind(),
            What::Far(far) => far.1.kind(),
        };
        Known::new(header, kind)
    }

    /// All that is known of it, to be put elsewhere.
    pub fn into_done(self, span: &Span) -> (Header, Done) {
        let header = self.header(span);
        let done = match self.what {
            What::Debit { after, credits, .. } => Done::Debit { window: before(header.at, after), credits },
            What::Refund { credits, is_asked, .. } => Done::Refund { credits, is_asked },
            What::Apart { apart, .. } => Done::Apart(apart),
            What::Far(far) => far.1,
        };
        (header, done)
    }

    fn header(&self, span: &Span) -> Header {
        let source = match &self.what {
            What::Debit { source, .. } | What::Refund { source, .. } | What::Apart { source, .. } => *source,
            What::Far(far) => return far.0,
        };
        let (at, seq) = span.tell((self.at, self.seq));
        Header { at, seq, content: self.content, by: By { member: self.member, source: source.into() } }
    }

    /// What is given back of a debit, to change it; `None` where it is no debit.
    pub fn refunded_mut(&mut self, span: &Span) -> Option<&mut Refunded> {
        let Kind::Debit { window, credits, refunds } = self.known(span).kind else { return None };
        if refunds.is_none() {
            let apart = Box::new(Apart::Refunded(Refunded { window, credits, refunds: Refunds::default() }));
            match &mut self.what {
                What::Far(far) => far.1 = Done::Apart(apart),
                What::Debit { source, .. } => self.what = What::Apart { source: *source, apart },
                _ => unreachable!("only a debit of which nothing was given back lies here"),
            }
        }
        match self.apart_mut()? {
            Apart::Refunded(refunded) => Some(refunded),
            _ => None,
        }
    }

    /// A hold that has ended, to change it.
    pub fn ended_mut(&mut self) -> Option<&mut EndedHold> {
        match self.apart_mut()? {
            Apart::Hold(ended) => Some(ended),
            _ => None,
        }
    }

    fn apart_mut(&mut self) -> Option<&mut Apart> {
        match &mut self.what {
            What::Apart { apart, .. } => Some(apart),
            What::Far(far) => match &mut far.1 {
                Done::Apart(apart) => Some(apart),
                _ => None,
            },
            _ => None,
        }
    }
}

/// How long after its window's start a debit came, and zero of what else there is; `None`: more than fits.
#[inline]
fn after(at: Timestamp, done: &Done) -> Option<u32> {
    match done {
        Done::Debit { window, .. } => millis_after(at, *window),
        _ => Some(0),
    }
}

/// How many milliseconds an instant comes after its window's start; `None`: before it, or more than fit.
#[inline]
pub(super) fn millis_after(at: Timestamp, start: Timestamp) -> Option<u32> {
    u32::try_from(at.millis() - start.millis()).ok()
}

/// The instant so long before another.
pub(super) fn before(at: Timestamp, after: u32) -> Timestamp {
    Timestamp::from_millis(at.millis() - i64::from(after)).expect("it was an instant when it came")
}
