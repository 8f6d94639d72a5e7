//! Looks at the server's settings when a store opens, and says what its promise rests on.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::link::Link;
use super::lists::ask;

/// The settings that matter, and what goes wrong with others.
const WANTED: [(&str, &[&str], &str); 3] = [
    ("appendonly", &["yes"], "a restart of Redis loses all that was reported since the last snapshot"),
    ("appendfsync", &["always", "everysec"], "a loss of power loses what the system had not written yet"),
    ("maxmemory-policy", &["noeviction"], "Redis deletes rows when its memory is full"),
];

/// Writes to the log what is not as it should be, and the bound of what may be overspent.
pub async fn settings(link: &Link) -> Result<(), Failure> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET");
    for (name, ..) in WANTED {
        command.arg(name);
    }
    let found: BTreeMap<String, String> = match ask(link, &command).await {
        Ok(found) => found,
        // Servers that others run often do not tell.
        Err(Failure::Redis(error)) if !error.is_io_error() => {
            tracing::warn!(store = %link.place(), %error, "Redis does not tell its settings; see docs/store-redis.md");
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    for warning in warnings(&found) {
        tracing::warn!(store = %link.place(), "{warning}");
    }
    tracing::info!(
        store = %link.place(),
        "Redis keeps the record: overspent can be at most what it confirmed, lost in a crash or a failover, \
         and no living sidecar tells it again"
    );
    Ok(())
}

fn warnings(found: &BTreeMap<String, String>) -> Vec<String> {
    let wrong = WANTED.iter().filter_map(|(name, allowed, why)| {
        let value = found.get(*name)?;
        (!allowed.contains(&value.as_str())).then(|| format!("{name} is {value}, not {}: {why}", allowed.join(" or ")))
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_loses_something_is_named() {
        let settings = |aof: &str, sync: &str, policy: &str| {
            let pairs = [("appendonly", aof), ("appendfsync", sync), ("maxmemory-policy", policy)];
            warnings(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()).len()
        };
        assert_eq!(settings("yes", "everysec", "noeviction"), 0);
        assert_eq!(settings("yes", "always", "noeviction"), 0);
        assert_eq!(settings("no", "no", "allkeys-lru"), 3);
        assert_eq!(warnings(&BTreeMap::new()), [""; 0]);
    }
}
