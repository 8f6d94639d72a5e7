//! Who is let in as what.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

/// Hash of `secret-1`.
const SECRET_1: &str = "f7e7c36e458e80e6b6a2c67d0a9ec09bd718dadd7bfa8d6bf6e7ad526e46c2f7";
const JWT_SECRET: &[u8] = b"an HS256 secret of 32 bytes or so";

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().expect("a time")
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().expect("a header's value"));
    }
    headers
}

fn closed(jwt: Option<Jwt>) -> Access {
    let text = format!("# gateways\n\ngateway g1 {SECRET_1}\nadmin  ops {}\n", sha256_hex("secret-2"));
    Access::new(Tokens::parse("tokens", &text).expect("tokens"), jwt)
}

fn sha256_hex(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn jwt(audience: Option<&str>) -> Jwt {
    Jwt::with_key(Algorithm::HS256, JWT_SECRET, audience.map(str::to_owned)).expect("long enough")
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(JWT_SECRET);
    format!("Bearer {}", encode(&Header::new(Algorithm::HS256), claims, &key).expect("signs"))
}

#[test]
fn service_tokens_have_their_role_and_name() {
    let access = closed(None);
    for (bearer, actor, expected) in [
        ("Bearer secret-1", None, Ok((Role::Gateway, "g1", None))),
        ("bearer secret-2", None, Ok((Role::Admin, "ops", None))),
        ("Bearer secret-2", Some("ana"), Ok((Role::Admin, "ops", Some("ana")))),
        ("Bearer secret-1", Some("ana"), Err(Code::Forbidden)),
        ("Bearer secret-2", Some("a b"), Err(Code::InvalidValue)),
        ("Bearer secret-3", None, Err(Code::Unauthorized)),
        ("Bearer ", None, Err(Code::Unauthorized)),
        ("Basic secret-1", None, Err(Code::Unauthorized)),
        ("secret-1", None, Err(Code::Unauthorized)),
    ] {
        let mut fields = vec![("authorization", bearer)];
        fields.extend(actor.map(|actor| (ACTOR_HEADER, actor)));
        let found = access.identify(&headers(&fields), now).map_err(|problem| problem.code);
        let expected = expected.map(|(role, name, actor)| Caller {
            role,
            name: name.into(),
            actor: actor.map(|actor| UserId::new(actor).expect("a user")),
        });
        assert_eq!(found, expected, "{bearer} {actor:?}");
    }
    assert_eq!(access.identify(&HeaderMap::new(), now).map_err(|problem| problem.code), Err(Code::Unauthorized));
}

#[test]
fn open_access_makes_everybody_admin_and_stays_on_this_machine() {
    let access = Access::new(Tokens::default(), None);
    let caller = access.identify(&headers(&[(ACTOR_HEADER, "ana")]), now).expect("a caller");
    assert_eq!((caller.role, caller.actor), (Role::Admin, UserId::new("ana").ok()));
    for (address, open, with_tokens) in [
        ("127.0.0.1:80", true, true),
        ("unix:/run/p", true, true),
        ("0.0.0.0:80", false, true),
        ("10.0.0.1:80", false, true),
    ] {
        let address: Listen = address.parse().expect("an address");
        assert_eq!((access.allows(&address), closed(None).allows(&address)), (open, with_tokens), "{address}");
    }
}

#[test]
fn a_bad_tokens_file_is_named_with_its_line() {
    let hash = sha256_hex("x");
    for (text, line, what) in [
        (format!("# ok\ngateway g1 {hash}\nroot r {hash}"), 3, "not a role"),
        ("gateway g1".to_owned(), 1, "2 words"),
        (format!("gateway g1 {hash} more"), 1, "4 words"),
        ("\nadmin a abc".to_owned(), 2, "64 hexadecimal"),
        (format!("admin a {}", "é".repeat(32)), 1, "64 hexadecimal"),
        (format!("admin a {hash}\nadmin b {hash}"), 2, "already"),
    ] {
        let error = Tokens::parse("/etc/purser/tokens", &text).expect_err(&text);
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().starts_with(&format!("/etc/purser/tokens:{line}: ")), "{error}");
        assert!(error.what.contains(what), "{error}");
    }
}

#[test]
fn a_jwt_acts_as_its_user_until_it_expires() {
    let second = now().millis() / 1_000;
    let key = EncodingKey::from_secret(b"another secret, long enough as well");
    let forged = encode(&Header::new(Algorithm::HS256), &json!({"sub":"ana","exp":second + 60}), &key).expect("signs");
    let unsigned = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEiLCJleHAiOjk5OTk5OTk5OTl9.";
    for (audience, bearer, user) in [
        (None, signed(&json!({"sub":"ana","exp":second + 60,"aud":"anybody"})), Some("ana")),
        (None, signed(&json!({"sub":"ana","exp":second - 29})), Some("ana")),
        (None, signed(&json!({"sub":"ana","exp":second - 30})), None),
        (None, signed(&json!({"sub":"ana"})), None),
        (None, signed(&json!({"exp":second + 60})), None),
        (None, signed(&json!({"sub":"a b","exp":second + 60})), None),
        (None, signed(&json!({"sub":"ana","exp":second + 60,"nbf":second + 31})), None),
        (Some("purser"), signed(&json!({"sub":"ana","exp":second + 60,"aud":["x","purser"]})), Some("ana")),
        (Some("purser"), signed(&json!({"sub":"ana","exp":second + 60,"aud":"x"})), None),
        (Some("purser"), signed(&json!({"sub":"ana","exp":second + 60})), None),
        (None, format!("Bearer {forged}"), None),
        (None, unsigned.to_owned(), None),
    ] {
        let found = closed(Some(jwt(audience))).identify(&headers(&[("authorization", &bearer)]), now);
        match user {
            Some(user) => {
                let caller = found.expect("a caller");
                assert_eq!((caller.role, caller.actor), (Role::User, UserId::new(user).ok()), "{bearer}");
            }
            None => assert_eq!(found.map_err(|problem| problem.code), Err(Code::Unauthorized), "{bearer}"),
        }
    }
}

#[test]
fn keys_that_do_not_fit_the_algorithm_are_refused() {
    let short = Jwt::with_key(Algorithm::HS256, b"short\n", None).expect_err("short");
    assert_eq!(short.to_string(), "the secret has 5 bytes; HS256 needs at least 32");
    assert_eq!(
        Jwt::with_key(Algorithm::RS256, b"nothing", None).expect_err("no key"),
        JwtError::NotPem(Algorithm::RS256)
    );
    assert!(matches!(Jwt::with_key_set(Algorithm::RS256, "{}", None), Err(JwtError::NotKeySet(_))));
    let empty = Jwt::with_key_set(Algorithm::RS256, r#"{"keys":[]}"#, None).expect_err("empty");
    assert_eq!(empty, JwtError::NoKey(Algorithm::RS256));
}

/// Public keys and tokens of `ana` that expire a minute after [`now`]; the private keys are gone.
#[derive(serde::Deserialize)]
struct Signed {
    jwks: Value,
    keys: Vec<SignedBy>,
}

#[derive(serde::Deserialize)]
struct SignedBy {
    algorithm: Algorithm,
    pem: String,
    token: String,
}

#[test]
fn public_keys_check_their_own_tokens_only() {
    let signed: Signed = serde_json::from_str(include_str!("../../../tests/data/jwt.json")).expect("the data file");
    for (index, key) in signed.keys.iter().enumerate() {
        let single = Jwt::with_key(key.algorithm, key.pem.as_bytes(), None).expect("a public key");
        let set = Jwt::with_key_set(key.algorithm, &signed.jwks.to_string(), None).expect("a key set");
        for (other, token) in signed.keys.iter().map(|key| &key.token).enumerate() {
            assert_eq!(single.identify(token, now()).is_ok(), index == other, "key {index}, token {other}");
            assert_eq!(set.identify(token, now()).is_ok(), index == other, "set for {index}, token {other}");
        }
        let (head, signature) = key.token.rsplit_once('.').expect("three parts");
        let turned: String = signature.chars().rev().collect();
        assert!(single.identify(&format!("{head}.{turned}"), now()).is_err(), "another signature");
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let signed: Signed = serde_json::from_str(include_str!("../../../tests/data/jwt.json")).expect("the data file");
    for key in &signed.keys {
        let claims = json!({"sub":"ana","exp":now().millis() / 1_000 + 60});
        let secret = EncodingKey::from_secret(key.pem.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims, &secret).expect("signs");
        let jwt = Jwt::with_key(key.algorithm, key.pem.as_bytes(), None).expect("a public key");
        assert!(jwt.identify(&token, now()).is_err());
    }
}

#[test]
fn a_reload_replaces_access_as_a_whole() {
    let shared = closed(None).shared();
    let known = headers(&[("authorization", "Bearer secret-1")]);
    assert!(shared.load().identify(&known, now).is_ok());
    let text = format!("gateway g2 {}", sha256_hex("secret-9"));
    shared.store(Arc::new(Access::new(Tokens::parse("tokens", &text).expect("tokens"), None)));
    assert!(shared.load().identify(&known, now).is_err());
}
