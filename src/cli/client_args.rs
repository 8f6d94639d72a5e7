//! The arguments of the commands that talk to a running purser, read its ledger or try it out.

use std::path::PathBuf;

use clap::Args;

/// Which purser to talk to, and as whom. The token is never an argument, because other users of the
/// machine can read those.
#[derive(Args, Clone, Debug)]
pub struct ClientArgs {
    /// The purser to ask: http://HOST:PORT or unix:PATH
    #[arg(long, global = true, value_name = "URL", env = "PURSER_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,

    /// File whose first line is the bearer token; without it the variable PURSER_TOKEN, if set
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// The user to act for, with an admin token
    #[arg(long, global = true, value_name = "USER")]
    pub actor: Option<String>,

    /// Print JSON lines instead of a table; always so where the output is no terminal
    #[arg(long, global = true)]
    pub json: bool,
}

/// `purser balance`: of a member, of a team's pool, or of a user's own credits.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("whose").required(true).multiple(true))]
pub struct BalanceArgs {
    /// The team; without --member its pool
    #[arg(long, value_name = "TEAM", group = "whose")]
    pub team: Option<String>,

    /// The member; without --team the user's own credits
    #[arg(long, value_name = "USER", group = "whose")]
    pub member: Option<String>,

    /// Where to ask.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `purser entries`: the ledger of a team.
#[derive(Args, Clone, Debug)]
pub struct EntriesArgs {
    /// The team
    #[arg(value_name = "TEAM")]
    pub team: String,

    /// Only of this member
    #[arg(long, value_name = "USER")]
    pub member: Option<String>,

    /// Only of this kind, such as debited, held, settled
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,

    /// Only of this operation or purchase
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,

    /// Not before this time, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,

    /// Before this time, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,

    /// At most so many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,

    /// The newest first
    #[arg(long)]
    pub newest: bool,

    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// Where to ask.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `purser sidecars`: every sidecar of the store and what it holds.
#[derive(Args, Clone, Debug)]
pub struct SidecarsArgs {
    /// Where to ask.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `purser forgive`: gives a sidecar up.
#[derive(Args, Clone, Debug)]
pub struct ForgiveArgs {
    /// The sidecar's id, as `purser sidecars` shows it
    #[arg(value_name = "SIDECAR")]
    pub sidecar: String,

    /// Also one that synced within the last minute
    #[arg(long)]
    pub force: bool,

    /// Where to ask.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `purser reconcile`: compares the ledger with the tables.
#[derive(Args, Clone, Debug)]
pub struct ReconcileArgs {
    /// Where to ask.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `purser demo`: teams, members and traffic over real HTTP, then an audit.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Teams to create
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub teams: u32,

    /// Members of each team
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub members: u32,

    /// How long to send traffic
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,

    /// Requests to send a second; a trace has its own times
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,

    /// Connections to send them over; more requests than these wait, and their wait counts
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub connections: u32,

    /// What the random choices start from; the same seed makes the same calls
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub seed: u64,

    /// CSV of real calls to replay instead: TIMESTAMP, ContextTokens, GeneratedTokens
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,

    /// A running purser to use; without it one is started on a free port with a folder of its own
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// File whose first line is an admin's bearer token, for --url; else the variable PURSER_TOKEN
    #[arg(long, value_name = "FILE", requires = "url")]
    pub token_file: Option<PathBuf>,

    /// Print JSON lines instead of a table; always so where the output is no terminal
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Subcommand};

    use super::super::{SubscriptionArgs, TeamArgs};
    use super::*;

    #[derive(clap::Parser)]
    struct All {
        #[command(subcommand)]
        command: Each,
    }

    #[derive(Subcommand)]
    enum Each {
        Balance(BalanceArgs),
        Entries(EntriesArgs),
        Team(TeamArgs),
        Subscription(SubscriptionArgs),
        Demo(DemoArgs),
        Sidecars(SidecarsArgs),
        Forgive(ForgiveArgs),
        Reconcile(ReconcileArgs),
    }

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        All::command().debug_assert();
    }

    #[test]
    fn a_balance_is_somebodys() {
        let parse = |args: &[&str]| <All as clap::Parser>::try_parse_from(["purser", "balance"].iter().chain(args));
        assert!(parse(&[]).is_err());
        assert!(parse(&["--team", "acme"]).is_ok() && parse(&["--member", "ana"]).is_ok());
        assert!(parse(&["--team", "acme", "--member", "ana", "--json"]).is_ok());
    }
}
