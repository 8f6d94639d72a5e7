//! JWTs of users: which keys sign them, and what they must say.
//!
//! Every key is for one algorithm, chosen by the key and never by the token. Keys come from text that
//! the caller has read; nothing is fetched.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::{Caller, Role};
use crate::api::problem::{Code, Problem};
use crate::domain::{Timestamp, UserId};

/// How far the clocks of issuer and sidecar may be apart.
const LEEWAY_MILLIS: u64 = 30_000;

/// Bytes of an HS256 secret at least: those of the hash (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Keys of one set: a token without a key id is tried with each.
const KEYS_MAX: usize = 32;

/// Bytes of a token at most, looked at before anything is decoded.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Neither a public key of a known kind nor a private one by mistake.
    #[error("not a PEM public key of RSA (2048 bits or more), P-256 or Ed25519")]
    NotPem,
    /// A secret that can be guessed.
    #[error("the secret has {0} bytes; HS256 needs at least 32")]
    ShortSecret(usize),
    /// The text is not a JSON web key set.
    #[error("not a JSON web key set: {0}")]
    NotKeySet(String),
    /// No key of the set can check signatures of a known algorithm.
    #[error("no key of the set is for signatures of RS256, ES256, EdDSA or HS256")]
    NoKey,
    /// More than a set may have.
    #[error("the set has {0} keys; at most 32 are taken")]
    TooManyKeys(usize),
}

/// One key and the only algorithm that it is for.
pub struct JwtKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Keys stay out of logs.
impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.algorithm, self.id.as_deref().unwrap_or("-"))
    }
}

impl JwtKey {
    /// An HS256 secret.
    ///
    /// # Errors
    /// It is shorter than 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, JwtError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(JwtError::ShortSecret(secret.len()));
        }
        Ok(Self { id: None, algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret) })
    }

    /// A public key in PEM: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA.
    ///
    /// # Errors
    /// It is none of these.
    pub fn from_pem(pem: &[u8]) -> Result<Self, JwtError> {
        let (algorithm, key) = if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
            (Algorithm::RS256, key)
        } else if let Ok(key) = DecodingKey::from_ec_pem(pem) {
            (Algorithm::ES256, key)
        } else {
            (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem).map_err(|_| JwtError::NotPem)?)
        };
        Ok(Self { id: None, algorithm, key })
    }

    /// The keys of a JSON web key set that check signatures of the four algorithms; others are
    /// skipped, as issuers keep keys of several uses in one set.
    ///
    /// # Errors
    /// It is no key set, too large a one, or no key is left.
    pub fn from_key_set(json: &str) -> Result<Vec<Self>, JwtError> {
        let set: JwkSet = serde_json::from_str(json).map_err(|error| JwtError::NotKeySet(error.to_string()))?;
        if set.keys.len() > KEYS_MAX {
            return Err(JwtError::TooManyKeys(set.keys.len()));
        }
        let keys: Vec<Self> = set.keys.iter().filter_map(Self::from_jwk).collect();
        if keys.is_empty() { Err(JwtError::NoKey) } else { Ok(keys) }
    }

    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
            return None;
        }
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, KeyAlgorithm::HS256),
            _ => return None,
        };
        if jwk.common.key_algorithm.is_some_and(|given| given != named) {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        if algorithm == Algorithm::HS256 && key.try_get_as_bytes().ok()?.len() < SECRET_BYTES_MIN {
            return None;
        }
        Some(Self { id: jwk.common.key_id.clone(), algorithm, key })
    }

    /// Whether a token with this algorithm and key id may be signed with this key.
    fn may_have_signed(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        self.algorithm == algorithm && (id.is_none() || self.id.is_none() || self.id.as_deref() == id)
    }
}

/// How JWTs are checked.
#[derive(Debug)]
pub struct Jwt {
    keys: Vec<JwtKey>,
    audience: Option<String>,
    issuer: Option<String>,
}

/// What a token must say; what else it says is of no concern.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
}

impl Jwt {
    /// Checks with any of these keys, and where given that the token is meant for `audience` and
    /// comes from `issuer`.
    pub fn new(keys: Vec<JwtKey>, audience: Option<String>, issuer: Option<String>) -> Self {
        Self { keys, audience, issuer }
    }

    /// The user whose token this is.
    ///
    /// # Errors
    /// `unauthorized` for any doubt. The detail does not tell which key failed.
    pub fn identify(&self, token: &str, now: Timestamp) -> Result<Caller, Problem> {
        let refused = |detail| Problem::new(Code::Unauthorized, detail);
        if token.len() > TOKEN_BYTES_MAX || token.bytes().filter(|&byte| byte == b'.').count() != 2 {
            return Err(refused("The token is not known and is not a JWT."));
        }
        let header = decode_header(token).map_err(|_| refused("The JWT's header cannot be read."))?;
        let validation = self.validation(header.alg);
        let claims = self
            .keys
            .iter()
            .filter(|key| key.may_have_signed(header.alg, header.kid.as_deref()))
            .find_map(|key| decode::<Claims>(token, &key.key, &validation).ok())
            .ok_or_else(|| {
                refused("The JWT is not signed with a known key, lacks sub or exp, or is meant for somebody else.")
            })?
            .claims;
        check_times(&claims, now).map_err(refused)?;
        let user = UserId::new(&claims.sub).map_err(|_| refused("The JWT's sub is not a user id."))?;
        Ok(Caller { role: Role::User, name: user.as_str().into(), actor: Some(user) })
    }

    /// All but the times, which the library would read from the system's clock.
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let mut required = vec!["exp", "sub"];
        validation.validate_aud = self.audience.is_some();
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

/// Seconds since 1970 may have a fraction (RFC 7519, 2).
fn check_times(claims: &Claims, now: Timestamp) -> Result<(), &'static str> {
    let seconds = |millis: i64| millis as f64 / 1_000.0;
    let leeway = LEEWAY_MILLIS as f64 / 1_000.0;
    if claims.exp + leeway <= seconds(now.millis()) {
        return Err("The JWT has expired.");
    }
    if claims.nbf.is_some_and(|nbf| nbf - leeway > seconds(now.millis())) {
        return Err("The JWT is not valid yet.");
    }
    Ok(())
}
