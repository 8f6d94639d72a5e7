//! Names that callers choose, checked once when they come in. A short one lies in its id, where who compares or writes it
//! need not look for it elsewhere in memory; cloning a long one copies no text.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The longest id, in characters.
pub const ID_CHARACTERS_MAX: usize = 128;

/// The longest id with its length, in bytes.
pub const NAME_BYTES_MAX: usize = 1 + ID_CHARACTERS_MAX;

/// The most words that an id is handed on in, to be hashed.
pub const NAME_WORDS_MAX: usize = 1 + ID_CHARACTERS_MAX / 8;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty or above [`ID_CHARACTERS_MAX`].
    #[error("must have 1 to 128 characters")]
    Length,
    /// A character that ids of teams, users and subscriptions may not have.
    #[error("may have only the characters A-Z a-z 0-9 . _ : @ -")]
    Character,
    /// A path segment that means another place.
    #[error("may not be . or .., which paths resolve")]
    Dots,
    /// A character that operation ids may not have.
    #[error("may have only visible ASCII characters")]
    Invisible,
}

/// The longest text that lies in its id: a UUID has 36 characters.
const HERE_MAX: usize = 38;

/// A checked text of ASCII. Which form it has follows from its length, so equal texts have equal forms.
#[derive(Clone, Eq)]
enum Name {
    /// Its length, then its bytes, padded with zeros.
    Here([u8; HERE_MAX + 1]),
    Elsewhere(Arc<str>),
}

const _: () = assert!(size_of::<Option<Name>>() == 40, "a name has no more than its bytes, its length and its form");

impl Name {
    fn new(text: &str) -> Self {
        let mut here = [0; HERE_MAX + 1];
        match here.get_mut(1..=text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                here[0] = text.len() as u8;
                Self::Here(here)
            }
            None => Self::Elsewhere(text.into()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Here(here) => &here[1..=usize::from(here[0])],
            Self::Elsewhere(text) => text.as_bytes(),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Here(_) => str::from_utf8(self.as_bytes()).expect("a name is made of a text"),
            Self::Elsewhere(text) => text,
        }
    }

    /// Hands its length and its bytes on, in at most [`NAME_WORDS_MAX`] words; no other name has the same.
    #[inline]
    fn each_word(&self, mut word: impl FnMut(u64)) {
        match self {
            Self::Here(here) => words(here).into_iter().for_each(word),
            Self::Elsewhere(text) => each_word_of(text, &mut word),
        }
    }

    fn write_to(&self, to: &mut [u8; NAME_BYTES_MAX]) -> usize {
        match self {
            Self::Here(here) => {
                // All of it, whatever its length: to copy what is always as long takes a few instructions.
                to[..here.len()].copy_from_slice(here);
                1 + usize::from(here[0])
            }
            Self::Elsewhere(text) => {
                to[0] = text.len() as u8;
                to[1..=text.len()].copy_from_slice(text.as_bytes());
                1 + text.len()
            }
        }
    }
}

/// A short name as words of eight bytes: to read and to compare as many bytes of every name takes few instructions.
#[inline]
fn words(here: &[u8; HERE_MAX + 1]) -> [u64; 5] {
    let ([a, b, c, d], _) = here.as_chunks() else { unreachable!("four words and a part of one") };
    let e = here.last_chunk().expect("has more bytes than a word");
    [a, b, c, d, e].map(|bytes| u64::from_le_bytes(*bytes))
}

/// The words of a long name. Apart, so that a short one is hashed without a call.
#[inline(never)]
fn each_word_of(text: &str, word: &mut dyn FnMut(u64)) {
    word(text.len() as u64);
    text.as_bytes().chunks(8).for_each(|part| {
        let mut bytes = [0; 8];
        bytes[..part.len()].copy_from_slice(part);
        word(u64::from_le_bytes(bytes));
    });
}

impl PartialEq for Name {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here(one), Self::Here(other)) => {
                let pairs = words(one).into_iter().zip(words(other));
                pairs.fold(0, |differs, (one, other)| differs | one ^ other) == 0
            }
            (Self::Elsewhere(one), Self::Elsewhere(other)) => one == other,
            _ => false,
        }
    }
}

impl Hash for Name {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.each_word(|word| state.write_u64(word));
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $allowed:expr, $error:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Name);

        impl $name {
            /// Checks length and characters.
            pub fn new(text: &str) -> Result<Self, IdError> {
                if text.is_empty() || text.len() > ID_CHARACTERS_MAX {
                    return Err(IdError::Length);
                }
                if matches!(text, "." | "..") {
                    return Err(IdError::Dots);
                }
                // Every byte is looked at: that takes less than to stop at the first that is wrong.
                if !text.bytes().fold(true, |all, byte| all & $allowed(byte)) {
                    return Err($error);
                }
                Ok(Self(Name::new(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The text's bytes, all of them ASCII.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// Hands its length and its bytes on, in at most [`NAME_WORDS_MAX`] words; no other text has the same.
            #[inline]
            pub fn each_word(&self, word: impl FnMut(u64)) {
                self.0.each_word(word);
            }

            /// Writes its length, in one byte, and its bytes; answers how many these are. What comes behind
            /// them is to be written later.
            #[inline]
            pub fn write_to(&self, to: &mut [u8; NAME_BYTES_MAX]) -> usize {
                self.0.write_to(to)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

id!(
    /// A team: who works together.
    TeamId, is_name, IdError::Character
);
id!(
    /// A user, who is a member of any number of teams and may own one subscription.
    UserId, is_name, IdError::Character
);
id!(
    /// A subscription: what a user bought.
    SubscriptionId, is_name, IdError::Character
);
id!(
    /// A caller's name for one debit, hold, refund or purchase; unique within a team, or within a
    /// user where no team is named.
    OperationId, is_visible, IdError::Invisible
);

id!(
    /// A model as gateways name it, such as `gpt-4o` or `vendor/model:free`.
    Model, is_visible, IdError::Invisible
);

fn is_name(byte: u8) -> bool {
    NAME[usize::from(byte)]
}

/// Which bytes names may have: looked up, because names are checked by the million at a start.
const NAME: [bool; 256] = {
    let (mut allowed, mut byte) = ([false; 256], 0);
    while byte < allowed.len() {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'.' | b'_' | b':' | b'@' | b'-');
        byte += 1;
    }
    allowed
};

fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_when_made() {
        assert!(TeamId::new("Acme.eu_1:a@b-c").is_ok());
        assert_eq!(TeamId::new(""), Err(IdError::Length));
        assert_eq!(TeamId::new(&"x".repeat(129)), Err(IdError::Length));
        assert_eq!(TeamId::new("a/b"), Err(IdError::Character));
        assert_eq!(TeamId::new(".."), Err(IdError::Dots));
        assert!(TeamId::new("...").is_ok());
        assert_eq!(UserId::new("a\r\nb"), Err(IdError::Character));
        assert!(OperationId::new("req/81?x={1}").is_ok());
        assert_eq!(OperationId::new("a b"), Err(IdError::Invisible));
        assert_eq!(OperationId::new("a\nb"), Err(IdError::Invisible));
    }

    #[test]
    fn names_compare_as_their_texts_wherever_they_lie() {
        let lengths = [1, 37, 38, 39, 128];
        let texts: Vec<_> = lengths.into_iter().flat_map(|n| ["x".repeat(n), "y".repeat(n)]).collect();
        for a in &texts {
            for b in &texts {
                let (of_a, of_b) = (UserId::new(a).expect("a name"), UserId::new(b).expect("a name"));
                assert_eq!((of_a.as_str(), of_a.cmp(&of_b)), (a.as_str(), a.cmp(b)));
                assert_eq!(of_a == of_b, a == b);
            }
        }
    }
}
