//! Service tokens: a file of names and hashes. The tokens themselves are nowhere on this machine.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::{Caller, Role};

/// Tokens that one file may have: each costs every request a comparison of 32 bytes.
const TOKENS_MAX: usize = 1_000;

/// The service tokens of one file.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Token>);

struct Token {
    role: Role,
    name: Arc<str>,
    sha256: [u8; 32],
}

/// Hashes stay out of logs.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.role, self.name)
    }
}

/// What is wrong with a tokens file, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct TokensError {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl Tokens {
    /// Reads the text of a tokens file: a line `ROLE NAME SHA256-HEX` for each token, where ROLE is
    /// `gateway` or `admin`; empty lines and lines that start with `#` are skipped. A name may have
    /// several tokens, so that one can replace another.
    ///
    /// # Errors
    /// The first line that is not such a line. A token itself is never part of the message.
    pub fn parse(file: &str, text: &str) -> Result<Self, TokensError> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut known = HashSet::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refused = |what: String| TokensError { file: file.to_owned(), line: index + 1, what };
            let token = parse_line(line).map_err(&refused)?;
            if !known.insert(token.sha256) {
                return Err(refused(format!(
                    "the token of `{}` is in the file already; each is there once",
                    token.name
                )));
            }
            if tokens.len() == TOKENS_MAX {
                return Err(refused(format!("more than {TOKENS_MAX} tokens; use JWTs for users")));
            }
            tokens.push(token);
        }
        Ok(Self(tokens))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Who has this token. Takes the same time whichever it is, and when it is none.
    pub fn find(&self, token: &str) -> Option<Caller> {
        let sha256: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        // Position 0 means none; every token is compared, whatever was found before.
        let mut position = 0_u64;
        for (index, token) in (1_u64..).zip(&self.0) {
            let equal: Choice = token.sha256.ct_eq(&sha256);
            position = u64::conditional_select(&position, &index, equal);
        }
        let token = &self.0[usize::try_from(position).ok()?.checked_sub(1)?];
        Some(Caller { role: token.role, name: Arc::clone(&token.name), actor: None })
    }
}

fn parse_line(line: &str) -> Result<Token, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[role, name, hash] = words.as_slice() else {
        return Err(format!("has {} words instead of ROLE NAME SHA256-HEX", words.len()));
    };
    let role = match role {
        "gateway" => Role::Gateway,
        "admin" => Role::Admin,
        _ => return Err(format!("`{role}` is not a role; write gateway or admin")),
    };
    let sha256 = parse_hash(hash).ok_or_else(|| {
        format!("the hash of `{name}` is not 64 hexadecimal digits; make it with `printf %s \"$TOKEN\" | sha256sum`")
    })?;
    Ok(Token { role, name: name.into(), sha256 })
}

fn parse_hash(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut sha256 = [0; 32];
    for (byte, digits) in sha256.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(sha256)
}
