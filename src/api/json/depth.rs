//! How deeply a text nests, found without parsing and without recursion.

/// The deepest nesting of objects and arrays in a body. The deepest body of the interface has four
/// levels; no parser or reader behind this needs more stack than that many frames.
pub const DEPTH_MAX: usize = 16;

/// Whether a JSON text nests deeper than [`DEPTH_MAX`]. The answer for what is not JSON is arbitrary.
pub fn too_deep(text: &str) -> bool {
    // A text without that many opening brackets cannot, and counting them is all that most cost.
    opening(text) > DEPTH_MAX && deepest(text) > DEPTH_MAX
}

/// Whether the text of a row is seen at once not to make the body around it nest too deep: most are.
pub fn is_flat(row: &str) -> bool {
    // The body and its list of rows are around it.
    opening(row) + 2 <= DEPTH_MAX
}

/// Opening brackets anywhere, also in strings. Counted in bytes, 255 at a time, so that the compiler
/// counts many in one instruction: 5 ns for a debit where a plain count takes 55.
fn opening(text: &str) -> usize {
    let count = |chunk: &[u8]| -> u8 { chunk.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum() };
    text.as_bytes().chunks(u8::MAX.into()).map(|chunk| usize::from(count(chunk))).sum()
}

/// The deepest nesting outside of strings.
fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(!too_deep(&nested(DEPTH_MAX)));
        assert!(too_deep(&nested(DEPTH_MAX + 1)));
        assert!(too_deep(&"{\"a\":".repeat(100_000)));
        assert!(!too_deep(&format!("[{}]", ["{}"; 1000].join(","))));
        assert!(!too_deep(&format!("{{\"a\":\"{}\"}}", "[\\\"{".repeat(100))));
    }
}
