//! The arguments of `purser bench`, and what none of them can say alone.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::client::ClientError;
use crate::domain::Credits;

/// How decisions are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Via {
    /// POST /v1/debits, over TCP or the unix socket that --url names
    Http,
    /// POST /v1/batch: many debits in one request
    Batch,
    /// The gRPC call Debit
    Grpc,
    /// The gRPC stream Decide
    Stream,
}

impl Via {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Batch => "batch",
            Self::Grpc => "grpc",
            Self::Stream => "stream",
        }
    }

    /// Whether a connection takes more than one request at a time.
    const fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Stream)
    }
}

/// The most requests in flight over all connections; each takes some kilobytes here.
const IN_FLIGHT_ALL_MAX: u32 = 65_536;

/// The most parts that --every makes; each takes some 200 KiB a thread.
const PARTS_MAX: u32 = 100;

/// Debits of one request where --rows says nothing else.
const ROWS: u32 = 100;

/// `purser bench`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct BenchArgs {
    /// How decisions are asked for
    #[arg(long, value_enum, default_value_t = Via::Http)]
    pub(super) via: Via,

    /// The purser to ask: http://HOST:PORT or unix:PATH; the teams are created there in any case
    #[arg(long, value_name = "URL", env = "PURSER_URL", default_value = "http://127.0.0.1:8080")]
    pub(super) url: String,

    /// Where the same purser serves gRPC, for --via grpc and stream: http://HOST:PORT or unix:PATH
    #[arg(long, value_name = "URL")]
    pub(super) grpc: Option<String>,

    /// File whose first line is an admin's bearer token; without it the variable PURSER_TOKEN, if set
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,

    /// Connections
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(super) connections: u32,

    /// Requests that a connection has under way at once, over gRPC only [default: 16, of a stream 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(super) in_flight: Option<u32>,

    /// Debits of one request, for --via batch [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rows: Option<u32>,

    /// Requests to send a second, whether or not the last was answered, and latency from when each was due;
    /// without it each request follows an answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) rate: Option<u32>,

    /// CSV of real calls (TIMESTAMP, ContextTokens, GeneratedTokens): a debit of each call's cost when it began,
    /// the whole trace within the time that is measured
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "credits", "warm_up"])]
    pub(super) trace: Option<PathBuf>,

    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(super) seconds: u32,

    /// Tell each part of so many seconds, too, to see what changes while it runs
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(super) every: Option<u32>,

    /// How long to send before that
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub(super) warm_up: u32,

    /// Teams to create; the first gets twice as many debits as the second, and so within each (Zipf)
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) teams: u32,

    /// Members of each team
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) members: u32,

    /// What a debit costs
    #[arg(long, value_name = "CREDITS", default_value = "0.01")]
    pub(super) credits: Credits,

    /// What each team has, and each member may draw of it; with less than is asked for, debits are denied
    #[arg(long, value_name = "CREDITS", default_value = "1000000000")]
    pub(super) pool: Credits,

    /// What the random choices start from; the same seed makes the same debits
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(super) seed: u64,

    /// Threads that send; more than one where one is the limit and not the server
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) threads: u32,

    /// Print JSON instead of a table; always so where the output is no terminal
    #[arg(long)]
    pub(super) json: bool,
}

impl BenchArgs {
    /// Refuses what does not go together.
    ///
    /// # Errors
    /// [`ClientError::Usage`] with what to do instead.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        let via = self.via.as_str();
        let wrong = |why: String| Err(ClientError::Usage(why));
        if self.via.is_grpc() && self.grpc.is_none() {
            return wrong(format!(
                "--via {via} needs --grpc URL: what the server was started with as --grpc, such as http://127.0.0.1:8081"
            ));
        }
        if !self.via.is_grpc() && self.grpc.is_some() {
            return wrong(format!("--grpc is for --via grpc or stream, and this is --via {via}"));
        }
        if !self.via.is_grpc() && self.in_flight.is_some_and(|n| n != 1) {
            return wrong(format!(
                "--in-flight is for --via grpc or stream: with --via {via} a connection has one request at a time; \
                 give more --connections"
            ));
        }
        if self.via != Via::Batch && self.rows.is_some() {
            return wrong(format!("--rows is for --via batch, and this is --via {via}"));
        }
        if self.credits.is_zero() {
            return wrong("--credits is 0; a debit costs more than that".to_owned());
        }
        if self.connections.saturating_mul(self.in_flight()) > IN_FLIGHT_ALL_MAX {
            return wrong(format!("--connections times --in-flight is more than {IN_FLIGHT_ALL_MAX}"));
        }
        if self.seconds.div_ceil(self.every()) > PARTS_MAX {
            return wrong(format!(
                "--every {} makes more than {PARTS_MAX} parts of --seconds {}",
                self.every(),
                self.seconds
            ));
        }
        if self.threads > self.connections {
            return wrong(format!("--threads {} is more than --connections {}", self.threads, self.connections));
        }
        Ok(())
    }

    /// Requests under way at once on each connection.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.unwrap_or(match self.via {
            Via::Http | Via::Batch => 1,
            Via::Grpc => 16,
            Via::Stream => 256,
        })
    }

    /// How many seconds are counted together.
    pub(super) fn every(&self) -> u32 {
        self.every.unwrap_or(self.seconds)
    }

    /// Debits of one request.
    pub(super) fn rows(&self) -> u32 {
        if self.via == Via::Batch { self.rows.unwrap_or(ROWS) } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Bench {
        #[command(flatten)]
        args: BenchArgs,
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_what_to_do() {
        Bench::command().debug_assert();
        for (line, why) in [
            ("--via grpc", "needs --grpc URL"),
            ("--grpc http://127.0.0.1:1", "--grpc is for --via grpc or stream"),
            ("--in-flight 2", "give more --connections"),
            ("--rows 2", "--rows is for --via batch"),
            ("--credits 0", "--credits is 0"),
            ("--every 2 --seconds 201", "more than 100 parts of --seconds 201"),
            ("--threads 4 --connections 2", "more than --connections 2"),
            ("--via stream --grpc unix:/p --connections 4096 --in-flight 4096", "more than 65536"),
        ] {
            let bench = Bench::try_parse_from(["bench"].into_iter().chain(line.split(' '))).expect(line);
            let refused = bench.args.check().expect_err(line).to_string();
            assert!(refused.contains(why), "{line}: {refused}");
        }
        for line in ["--trace a --rate 1", "--connections 0", "--seconds 86401", "--rate 0", "--credits -1"] {
            assert!(Bench::try_parse_from(["bench"].into_iter().chain(line.split(' '))).is_err(), "{line}");
        }
    }
}
