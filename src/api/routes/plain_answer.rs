//! The answer to an allowed draw, written in one go: the same bytes that the library writes of a [`Decision`], field by field.

use super::answers::{ANSWER_BYTES, Decision, write};
use crate::api::wire::{DECIMAL_BYTES_MAX, decimal};
use crate::domain::OperationId;
use crate::engine::{Allowed, Drawn};

/// The body that answers a draw which has been decided, and which pays for an answer of so many tokens.
pub fn answer(id: OperationId, drawn: Drawn, output_tokens: Option<u64>) -> Vec<u8> {
    let mut out = Vec::with_capacity(ANSWER_BYTES);
    put(&mut out, id, drawn, output_tokens);
    out
}

/// The same behind what is written already.
pub fn put(out: &mut Vec<u8>, id: OperationId, drawn: Drawn, output_tokens: Option<u64>) {
    match &drawn {
        Drawn::Allowed(allowed) if !needs_escapes(&id) => write_allowed(out, &id, allowed, output_tokens),
        _ => write(out, &Decision::new(Some(id), drawn, output_tokens)),
    }
}

/// Whether JSON has it otherwise than it is. Nothing else in an answer may.
fn needs_escapes(id: &OperationId) -> bool {
    id.as_bytes().iter().any(|byte| matches!(byte, b'"' | b'\\'))
}

fn write_allowed(out: &mut Vec<u8>, id: &OperationId, allowed: &Allowed, output_tokens: Option<u64>) {
    let mut put = |text: &str| out.extend_from_slice(text.as_bytes());
    put(r#"{"decision":"allow","id":""#);
    put(id.as_str());
    put(r#"","credits":""#);
    put(decimal(allowed.credits, &mut [0; DECIMAL_BYTES_MAX]));
    put(r#"","payer":""#);
    put(allowed.drawer.payer.as_str());
    put(r#"","subscription":""#);
    put(allowed.drawer.subscription.as_str());
    put("\"");
    if let Some(expires_at) = allowed.expires_at {
        put(&format!(r#","expires_at":"{expires_at}""#));
    }
    if let Some(tokens) = output_tokens {
        put(&format!(r#","output_tokens":{tokens}"#));
    }
    put(r#","remaining":{"member":"#);
    match allowed.remaining.member {
        Some(member) => {
            put("\"");
            put(decimal(member, &mut [0; DECIMAL_BYTES_MAX]));
            put("\"");
        }
        None => put("null"),
    }
    put(r#","payer":""#);
    put(decimal(allowed.remaining.payer, &mut [0; DECIMAL_BYTES_MAX]));
    put(if allowed.replayed { r#""},"replayed":true}"# } else { r#""}}"# });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Credits, Drawer, Payer, SubscriptionId, Timestamp, UserId};
    use crate::engine::Remaining;

    /// Allowed draws of all forms.
    fn all() -> impl Iterator<Item = (Allowed, Option<u64>)> {
        let amounts = ["0", "1.25", "8999999999.999999"].map(|text| text.parse::<Credits>().expect("credits"));
        (0..16_u8).map(move |form| {
            let is = |bit: u8| form & bit != 0;
            let drawer = Drawer {
                team: None,
                member: UserId::new("ana").expect("a user"),
                payer: if is(1) { Payer::Pool } else { Payer::Wallet },
                subscription: SubscriptionId::new("sub_1").expect("an id"),
            };
            let allowed = Allowed {
                credits: amounts[usize::from(form % 3)],
                drawer,
                expires_at: is(2).then(|| Timestamp::from_millis(1_763_812_800_000 + i64::from(form)).expect("a time")),
                rates: None,
                remaining: Remaining { member: is(4).then_some(amounts[1]), payer: amounts[usize::from(form + 1) % 3] },
                replayed: is(8),
                seq: Some(1),
            };
            (allowed, is(1).then_some(u64::MAX))
        })
    }

    #[test]
    fn an_answer_has_the_bytes_that_the_library_writes() {
        for id in ["req-81", r#"a"b"#, r"a\b", "~!", &"i".repeat(128)] {
            let id = OperationId::new(id).expect("an id");
            for (allowed, tokens) in all() {
                let mut expected = Vec::new();
                write(&mut expected, &Decision::new(Some(id.clone()), Drawn::Allowed(allowed.clone()), tokens));
                let written = answer(id.clone(), Drawn::Allowed(allowed), tokens);
                assert_eq!(String::from_utf8(written), String::from_utf8(expected));
            }
        }
    }
}
