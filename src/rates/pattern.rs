//! Names of models with a `*` where any characters may stand.

/// A name in which each `*` stands for any characters, or none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern of a name; `None` where the name has no `*`.
    pub fn new(name: &str) -> Option<Self> {
        name.contains('*').then(|| Self(name.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How much it says: its characters without any `*`. Of those that match, the one that says most counts.
    pub fn weight(&self) -> usize {
        self.0.bytes().filter(|&b| b != b'*').count()
    }

    /// Whether a name fits it.
    pub fn matches(&self, name: &str) -> bool {
        let (first, rest) = self.0.split_once('*').expect("a pattern has a *");
        let Some(mut name) = name.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The earliest place of each part leaves the most for those behind it.
        for part in middle.split('*').filter(|part| !part.is_empty()) {
            let Some(at) = name.find(part) else { return false };
            name = &name[at + part.len()..];
        }
        name.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, fits) in [
            ("gpt-4o*", "gpt-4o", true),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("gpt-4o*", "gpt-4", false),
            ("*", "", true),
            ("*/gpt-4o", "openai/gpt-4o", true),
            ("*/gpt-4o", "gpt-4o", false),
            ("bedrock/*/claude*v2", "bedrock/eu/claude-3-v2", true),
            ("bedrock/*/claude*v2", "bedrock/eu/claude-3-v1", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a**b", "ab", true),
        ] {
            let pattern = Pattern::new(pattern).expect("it has a star");
            assert_eq!(pattern.matches(name), fits, "{pattern:?} {name}");
        }
        assert_eq!(Pattern::new("gpt-4o"), None);
    }
}
