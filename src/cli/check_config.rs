//! `purser check-config`: says what is wrong with the configuration, or what it comes to.

use std::process::ExitCode;

use clap::Args;

use super::{ConfigArgs, Format, Output};
use crate::config::{EXIT_CONFIG, Loaded};
use crate::server::{access, rates};

/// Arguments of `check-config`.
#[derive(Args, Debug)]
pub(super) struct CheckConfigArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Print one JSON object instead of a configuration file
    #[arg(long)]
    json: bool,
}

/// Prints the effective configuration: 0; or every fault: 64. Reads the tokens, the keys and the rate card that it names
/// and opens nothing else.
pub(super) fn run(args: &CheckConfigArgs) -> anyhow::Result<ExitCode> {
    let loaded = match args.config.load() {
        Ok(loaded) => loaded,
        Err(refused) => {
            eprintln!("{refused}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    if let Err(refused) = access::load(&loaded.config.auth) {
        eprintln!("{refused}");
        return Ok(ExitCode::from(EXIT_CONFIG));
    }
    if let Err(refused) = rates::load(&loaded.config) {
        eprintln!("{refused}");
        return Ok(ExitCode::from(EXIT_CONFIG));
    }
    let mut output = Output::stdout(Format::of(args.json));
    if args.json {
        output.object(&loaded.config)?;
    } else {
        output.text(&as_file(&loaded))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_file(loaded: &Loaded) -> String {
    let from = loaded.file.as_ref().map_or("without a file".to_owned(), |path| format!("from {}", path.display()));
    format!("# The effective configuration, {from}.\n{}", loaded.config.to_toml())
}
