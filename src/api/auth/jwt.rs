//! JWTs of users: which keys sign them, and what they must say.
//!
//! One algorithm is configured, and a token that names another is refused: a public key can never be
//! taken for a shared secret. Keys come as text that the caller has read; nothing is fetched.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::{Caller, Role};
use crate::api::problem::{Code, Problem};
use crate::domain::{Timestamp, UserId};

/// How far the clocks of issuer and sidecar may be apart.
const LEEWAY_MILLIS: u64 = 30_000;

/// Keys of one set: a token without a key id is tried with each.
const KEYS_MAX: usize = 32;

/// Bytes of a token at most, looked at before anything is decoded.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not a public key that fits the algorithm.
    #[error("not a PEM public key for {0:?}")]
    NotPem(Algorithm),
    /// A secret that can be guessed.
    #[error("the secret has {bytes} bytes; {algorithm:?} needs at least {bytes_min}")]
    ShortSecret {
        /// What it was to be used for.
        algorithm: Algorithm,
        /// How many it has.
        bytes: usize,
        /// How many it needs: those of the hash (RFC 7518, 3.2).
        bytes_min: usize,
    },
    /// The text is not a JSON web key set.
    #[error("not a JSON web key set: {0}")]
    NotKeySet(String),
    /// No key of the set can check signatures of the algorithm.
    #[error("no key of the set is for signatures of {0:?}")]
    NoKey(Algorithm),
    /// More than a set may have.
    #[error("the set has {0} keys; at most 32 are taken")]
    TooManyKeys(usize),
}

/// How JWTs are checked.
pub struct Jwt {
    algorithm: Algorithm,
    keys: Vec<Key>,
    audience: Option<String>,
}

struct Key {
    id: Option<String>,
    key: DecodingKey,
}

/// Keys stay out of logs.
impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {} keys for {:?}", self.algorithm, self.keys.len(), self.audience)
    }
}

impl Jwt {
    /// Checks with one key: a PEM public key, or for HS algorithms the shared secret, of which one
    /// newline at the end is no part. With an audience, a token must be meant for it.
    ///
    /// # Errors
    /// The key does not fit the algorithm, or is a secret shorter than its hash.
    pub fn with_key(algorithm: Algorithm, key: &[u8], audience: Option<String>) -> Result<Self, JwtError> {
        let key = match algorithm.family() {
            AlgorithmFamily::Hmac => secret(algorithm, key.strip_suffix(b"\n").unwrap_or(key))?,
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(key).map_err(|_| JwtError::NotPem(algorithm))?,
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(key).map_err(|_| JwtError::NotPem(algorithm))?,
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(key).map_err(|_| JwtError::NotPem(algorithm))?,
        };
        Ok(Self { algorithm, keys: vec![Key { id: None, key }], audience })
    }

    /// Checks with the keys of a JSON web key set that are for signatures of the algorithm; others
    /// are skipped, as issuers keep keys of several uses in one set.
    ///
    /// # Errors
    /// It is no key set, too large a one, or no key is left.
    pub fn with_key_set(algorithm: Algorithm, json: &str, audience: Option<String>) -> Result<Self, JwtError> {
        let set: JwkSet = serde_json::from_str(json).map_err(|error| JwtError::NotKeySet(error.to_string()))?;
        if set.keys.len() > KEYS_MAX {
            return Err(JwtError::TooManyKeys(set.keys.len()));
        }
        let keys: Vec<Key> = set.keys.iter().filter_map(|jwk| Key::from_jwk(algorithm, jwk)).collect();
        if keys.is_empty() { Err(JwtError::NoKey(algorithm)) } else { Ok(Self { algorithm, keys, audience }) }
    }
}

fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<DecodingKey, JwtError> {
    let bytes_min = match algorithm {
        Algorithm::HS256 => 32,
        Algorithm::HS384 => 48,
        _ => 64,
    };
    if secret.len() < bytes_min {
        return Err(JwtError::ShortSecret { algorithm, bytes: secret.len(), bytes_min });
    }
    Ok(DecodingKey::from_secret(secret))
}

impl Key {
    /// The key, when it is for signatures of the algorithm.
    fn from_jwk(algorithm: Algorithm, jwk: &Jwk) -> Option<Self> {
        let for_others = jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature);
        let with_another = jwk.common.key_algorithm.is_some_and(|named| named != algorithm.into());
        let fits = match (&jwk.algorithm, algorithm) {
            (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
            (AlgorithmParameters::EllipticCurve(key), Algorithm::ES384) => key.curve == EllipticCurve::P384,
            (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
            (AlgorithmParameters::RSA(_), _) => algorithm.family() == AlgorithmFamily::Rsa,
            (AlgorithmParameters::OctetKey(_), _) => algorithm.family() == AlgorithmFamily::Hmac,
            _ => false,
        };
        if for_others || with_another || !fits {
            return None;
        }
        let mut key = DecodingKey::from_jwk(jwk).ok()?;
        if algorithm.family() == AlgorithmFamily::Hmac {
            key = secret(algorithm, key.try_get_as_bytes().ok()?).ok()?;
        }
        Some(Self { id: jwk.common.key_id.clone(), key })
    }

    /// Whether a token with this key id may be signed with this key.
    fn may_have_signed(&self, id: Option<&str>) -> bool {
        id.is_none() || self.id.is_none() || self.id.as_deref() == id
    }
}

/// What a token must say; what else it says is of no concern.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
}

impl Jwt {
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
        let validation = self.validation();
        let claims = self
            .keys
            .iter()
            .filter(|key| key.may_have_signed(header.kid.as_deref()))
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
    fn validation(&self) -> Validation {
        let mut validation = Validation::new(self.algorithm);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let mut required = vec!["exp", "sub"];
        validation.validate_aud = self.audience.is_some();
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
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
