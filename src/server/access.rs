//! Reads the files that say who may call.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::api::auth::{Access, Jwt, JwtError, Tokens, TokensError};
use crate::config::{Auth, JwtKeys};

/// Why the tokens or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of the tokens file is wrong.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// A tokens file without tokens would let everybody in.
    #[error("{0} names no token; add a line, or leave tokens_file out to let every local caller in")]
    NoToken(PathBuf),
    /// A key is wrong.
    #[error("{path}: {source}")]
    Jwt {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JwtError,
    },
}

/// Access as the configuration and its files say.
///
/// # Errors
/// See [`AccessError`].
pub fn load(auth: &Auth) -> Result<Access, AccessError> {
    let tokens = match &*auth.tokens_file {
        None => Tokens::default(),
        Some(path) => {
            let tokens = Tokens::parse(&path.display().to_string(), &read(path)?)?;
            if tokens.is_empty() {
                return Err(AccessError::NoToken(path.clone()));
            }
            tokens
        }
    };
    let jwt = auth.jwt.as_ref().map(|jwt| {
        let (JwtKeys::KeyFile(path) | JwtKeys::JwksFile(path)) = &jwt.keys;
        let (text, audience) = (read(path)?, Some(jwt.audience.clone()));
        let made = match &jwt.keys {
            JwtKeys::KeyFile(_) => Jwt::with_key(jwt.algorithm, text.as_bytes(), audience),
            JwtKeys::JwksFile(_) => Jwt::with_key_set(jwt.algorithm, &text, audience),
        };
        made.map_err(|source| AccessError::Jwt { path: path.clone(), source })
    });
    Ok(Access::new(tokens, jwt.transpose()?))
}

fn read(path: &Path) -> Result<String, AccessError> {
    fs::read_to_string(path).map_err(|source| AccessError::Unreadable { path: path.to_owned(), source })
}
