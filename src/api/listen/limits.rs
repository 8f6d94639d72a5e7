//! What listeners allow their callers, with the reasons for the defaults.

use std::time::Duration;

use crate::config::Server;

/// Limits of all addresses that are served together. Times are measured in ticks of a quarter of the shortest, so each ends
/// between itself and one tick later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections. One more is answered 503 and closed, as one left waiting would look like
    /// a hanging sidecar to its gateway. 4 096 hold about 64 MiB of buffers and leave room below
    /// the usual 65 536 file descriptors of a service.
    pub connections_max: usize,
    /// From the connection, or the first byte of a further request, to the end of its head. Heads
    /// are a few hundred bytes: 10 s lets a
    /// machine under load pass, and is short for who holds on to sockets.
    pub header_timeout: Duration,
    /// All of a body, from the first wait for it. The largest is 1 MiB: 10 s is 100 KiB a second. `None` where a body is a
    /// stream that may stay open; what it is needed for has [`Limits::request_timeout`].
    pub body_timeout: Option<Duration>,
    /// Between two requests. Longer than the 60 s after which gateways drop idle connections, so
    /// that they close first and never send into a closing connection.
    pub idle_timeout: Duration,
    /// From the head of a request to the head of its answer. Decisions take microseconds; an urgent
    /// sync and control wait for a store, which has its own, shorter time-outs.
    pub request_timeout: Duration,
    /// While a request is answered, without one byte sent or received: who has stopped reading a
    /// long list. At least [`Limits::request_timeout`].
    pub stall_timeout: Duration,
    /// Requests at once on one HTTP/2 connection: more than a gateway's workers.
    pub streams_max: u32,
    /// Bytes of a request's head, and the most that is buffered of an HTTP/1.1 connection.
    pub header_bytes_max: u32,
    /// Header lines of a request.
    pub headers_max: usize,
}

impl Limits {
    /// The limits that a sidecar has unless it is told otherwise.
    pub const DEFAULT: Self = Self {
        connections_max: 4_096,
        header_timeout: Duration::from_secs(10),
        body_timeout: Some(Duration::from_secs(10)),
        idle_timeout: Duration::from_secs(90),
        request_timeout: Duration::from_secs(30),
        stall_timeout: Duration::from_secs(60),
        streams_max: 256,
        header_bytes_max: 32 * 1024,
        headers_max: 64,
    };

    /// What is wrong with these limits, if anything.
    ///
    /// # Errors
    /// Names the limit and what it must be.
    pub fn check(&self) -> Result<(), &'static str> {
        for (wrong, what) in [
            (self.connections_max == 0, "connections_max must be at least 1"),
            (self.tick() < SHORTEST_TICK, "every time-out must be at least 20 ms"),
            (self.stall_timeout < self.request_timeout, "stall_timeout must be at least request_timeout"),
            (self.streams_max == 0, "streams_max must be at least 1"),
            (self.header_bytes_max < 8 * 1024, "header_bytes_max must be at least 8192"),
            (self.headers_max < 16, "headers_max must be at least 16"),
        ] {
            if wrong {
                return Err(what);
            }
        }
        Ok(())
    }

    /// How often a connection's state is looked at. One timer per connection, and nothing that a
    /// request has to set or cancel.
    pub fn tick(&self) -> Duration {
        let shortest = self.header_timeout.min(self.idle_timeout).min(self.stall_timeout);
        shortest.min(self.request_timeout).min(self.body_timeout.unwrap_or(Duration::MAX)) / 4
    }

    /// A time-out in ticks.
    pub fn ticks(&self, timeout: Duration) -> u32 {
        timeout.as_nanos().div_ceil(self.tick().as_nanos().max(1)).try_into().unwrap_or(u32::MAX)
    }
}

/// Below this, ticks would cost more than requests.
const SHORTEST_TICK: Duration = Duration::from_millis(5);

/// What the configuration says, and the defaults for what it does not.
impl From<&Server> for Limits {
    fn from(server: &Server) -> Self {
        Self {
            connections_max: server.connections_max as usize,
            header_timeout: server.header_timeout,
            body_timeout: Some(server.body_timeout),
            idle_timeout: server.idle_timeout,
            request_timeout: server.request_timeout,
            stall_timeout: server.stall_timeout,
            streams_max: server.streams_max,
            ..Self::DEFAULT
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_check() {
        assert_eq!(Limits::DEFAULT.check(), Ok(()));
        assert_eq!(Limits::from(&Server::default()), Limits::DEFAULT);
        let told = Server {
            request_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(6),
            streams_max: 7,
            ..Server::default()
        };
        let limits = Limits::from(&told);
        let expected = (told.request_timeout, told.stall_timeout, told.streams_max);
        assert_eq!((limits.request_timeout, limits.stall_timeout, limits.streams_max), expected);
        let sudden = Limits { idle_timeout: Duration::ZERO, ..Limits::DEFAULT };
        assert_eq!(sudden.check(), Err("every time-out must be at least 20 ms"));
        let short = Limits { stall_timeout: Duration::from_secs(1), ..Limits::DEFAULT };
        assert!(short.check().is_err_and(|what| what.contains("stall_timeout")));
    }
}
