//! The log: where lines go, how they look, and a level that can be changed while running.
//!
//! Lines go to standard error; standard output belongs to the commands. Libraries are heard from
//! `warn` on whatever the level, so that `debug` shows purser and not its sockets.

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{LogFormat, LogLevel};

/// Changes the level of a log that was started.
#[derive(Clone, Debug)]
pub struct LogControl(reload::Handle<Targets, Registry>);

impl LogControl {
    /// Writes from this severity on. Without effect after the log is gone.
    pub fn set_level(&self, level: LogLevel) {
        if let Err(error) = self.0.reload(targets(level)) {
            tracing::warn!(%error, "the log level stays as it was");
        }
    }
}

/// Starts the log of the whole process.
///
/// # Errors
/// When a log was already started.
pub fn start(format: LogFormat, level: LogLevel) -> Result<LogControl, tracing_subscriber::util::TryInitError> {
    let (subscriber, control) = subscriber(format, level, std::io::stderr);
    subscriber.try_init()?;
    Ok(control)
}

/// A subscriber that writes to `writer`; for who has no whole process to itself.
pub fn subscriber<W>(
    format: LogFormat,
    level: LogLevel,
    writer: W,
) -> (impl Subscriber + Send + Sync + 'static, LogControl)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    (tracing_subscriber::registry().with(lines.with_filter(filter)), LogControl(handle))
}

fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("purser", level)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(format: LogFormat, level: LogLevel, act: impl FnOnce(&LogControl)) -> Vec<String> {
        let sink = Sink::default();
        let writer = sink.clone();
        let (subscriber, control) = subscriber(format, level, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || act(&control));
        let written = sink.0.lock();
        String::from_utf8_lossy(&written).lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_level_changes_while_running() {
        let written = lines(LogFormat::Text, LogLevel::Warn, |control| {
            tracing::info!("one");
            control.set_level(LogLevel::Info);
            tracing::info!("two");
            control.set_level(LogLevel::Error);
            tracing::warn!("three");
        });
        assert_eq!(written.len(), 1);
        assert!(written[0].ends_with("INFO two"), "{written:?}");
    }

    #[test]
    fn a_json_line_has_the_fields_at_the_top() {
        let written = lines(LogFormat::Json, LogLevel::Info, |_| tracing::info!(address = "127.0.0.1:1", "listening"));
        let line: serde_json::Value = serde_json::from_str(&written[0]).expect("json");
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"listening".into()));
        assert_eq!(line["address"], "127.0.0.1:1");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn libraries_are_heard_from_warn_on() {
        let written = lines(LogFormat::Text, LogLevel::Trace, |_| {
            tracing::info!(target: "hyper", "chatter");
            tracing::warn!(target: "hyper", "trouble");
            tracing::trace!("ours");
        });
        assert_eq!(written.len(), 2, "{written:?}");
    }
}
