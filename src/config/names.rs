//! The names of the environment, and what a misspelt name may have meant.

/// A variable and the key that it sets; an empty key where it is not a key of the file.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
}

/// Every variable that is read. `PURSER_URL` and `PURSER_TOKEN` belong to the client commands.
pub(super) const VARIABLES: [Variable; 14] = [
    Variable { name: "PURSER_CONFIG", key: "" },
    Variable { name: "PURSER_URL", key: "" },
    Variable { name: "PURSER_TOKEN", key: "" },
    Variable { name: "PURSER_HTTP", key: "server.http" },
    Variable { name: "PURSER_GRPC", key: "server.grpc" },
    Variable { name: "PURSER_ADMIN", key: "server.admin" },
    Variable { name: "PURSER_DATA", key: "data" },
    Variable { name: "PURSER_STORE", key: "store.url" },
    Variable { name: "PURSER_STORE_LEASES", key: "store.leases" },
    Variable { name: "PURSER_DURABILITY", key: "journal.durability" },
    Variable { name: "PURSER_TOKENS_FILE", key: "auth.tokens_file" },
    Variable { name: "PURSER_RATES", key: "rates.file" },
    Variable { name: "PURSER_LOG", key: "log.level" },
    Variable { name: "PURSER_LOG_FORMAT", key: "log.format" },
];

/// What every name of the environment begins with.
pub(super) const PREFIX: &str = "PURSER_";

/// What Kubernetes sets in every container of a namespace that has a Service called `purser`.
pub(super) fn is_from_kubernetes(name: &str) -> bool {
    name.starts_with("PURSER_PORT") || name.starts_with("PURSER_SERVICE_")
}

/// The name nearest to a misspelt one, where one is near: at most a third of it is different.
pub(crate) fn nearest<'a>(name: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let by_distance = among.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, known) = by_distance.min_by_key(|(distance, _)| *distance)?;
    (distance <= name.chars().count().div_ceil(3)).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_offered() {
        let known = || ["http", "admin", "workers"].into_iter();
        assert_eq!(nearest("htpt", known()), Some("http"));
        assert_eq!(nearest("worker", known()), Some("workers"));
        assert_eq!(nearest("colour", known()), None);
    }

    #[test]
    fn names_that_kubernetes_sets_are_known() {
        for name in ["PURSER_PORT", "PURSER_PORT_8080_TCP_ADDR", "PURSER_SERVICE_HOST", "PURSER_SERVICE_PORT_HTTP"] {
            assert!(is_from_kubernetes(name), "{name}");
        }
        assert!(!is_from_kubernetes("PURSER_HTTP"));
    }
}
