//! `purser rates`: what a rate card says, and making one of a public list of prices.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Format, Output, Row};
use crate::config::EXIT_CONFIG;
use crate::rates::{self, Card, Decimal, FILE_BYTES_MAX, Imported, Listed, Price, Rate};

/// A longer list of prices is refused; the public one has 3 MB.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// Models that were left out are named up to here.
const NAMED_MAX: usize = 5;

/// `purser rates`.
#[derive(Args, Debug)]
pub(super) struct RatesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a rate card; print its version and what each model costs
    Check {
        /// The card
        #[arg(value_name = "FILE", default_value = "config/rates.toml")]
        file: PathBuf,

        /// Print JSON lines instead of a table; always so where the output is no terminal
        #[arg(long)]
        json: bool,
    },
    /// Print a rate card made of LiteLLM's model_prices_and_context_window.json
    Import {
        /// The list of prices
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// How many credits a dollar is
        #[arg(long, value_name = "N", value_parser = exchange)]
        credits_per_dollar: Decimal,

        /// The most tokens that an answer is expected to have where who asks does not say
        #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(..=rates::COUNT_MAX))]
        output_tokens_max: u64,
    },
}

fn exchange(text: &str) -> Result<Decimal, rates::DecimalError> {
    Decimal::parse(text)
}

/// 0, or 64 where the file is no card or no list of prices.
pub(super) fn run(args: &RatesArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check { file, json } => check(file, Format::of(*json)),
        Command::Import { file, credits_per_dollar, output_tokens_max } => {
            import(file, *credits_per_dollar, *output_tokens_max)
        }
    }
}

fn check(file: &Path, format: Format) -> anyhow::Result<ExitCode> {
    let card = match read_text(file, FILE_BYTES_MAX) {
        Ok(text) => rates::read(file, &text).map_err(|refused| refused.to_string()),
        Err(why) => Err(why),
    };
    let card = match card {
        Ok(card) => card,
        Err(why) => return Ok(refuse(&why)),
    };
    let mut output = Output::stdout(format);
    let summary = Summary::of(&card);
    match format {
        Format::Table => output.text(&summary.text())?,
        Format::Json => output.object(&summary)?,
    }
    output.rows(&lines(&card))?;
    Ok(ExitCode::SUCCESS)
}

fn import(file: &Path, credits_per_dollar: Decimal, output_tokens_max: u64) -> anyhow::Result<ExitCode> {
    let text = match read_text(file, LIST_BYTES_MAX) {
        Ok(text) => text,
        Err(why) => return Ok(refuse(&why)),
    };
    match rates::import(&text, credits_per_dollar, output_tokens_max) {
        Ok(imported) => {
            Output::stdout(Format::Table).text(&imported.card.to_toml())?;
            eprint!("{}", told(&imported));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(refuse(&format!("{} {error}", file.display()))),
    }
}

/// What the import did and left out.
fn told(imported: &Imported) -> String {
    let Imported { card, skipped, rounded, left_out } = imported;
    let mut text = format!("version {}, {} models\n", card.version(), card.named().len() + card.patterns().len());
    for (kind, models) in left_out {
        text += &format!("left out prices {kind}: of {models} models\n");
    }
    if *rounded > 0 {
        text += &format!("{rounded} prices had more than 12 fraction digits and were rounded to the nearest\n");
    }
    for skipped in skipped.iter().take(NAMED_MAX) {
        text += &format!("left out {}: {}\n", skipped.model, skipped.why);
    }
    if skipped.len() > NAMED_MAX {
        text += &format!("left out {} more\n", skipped.len() - NAMED_MAX);
    }
    text
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(EXIT_CONFIG)
}

fn read_text(file: &Path, bytes_max: u64) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text));
    read.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    if text.len() as u64 > bytes_max {
        return Err(format!("{} is longer than {bytes_max} bytes", file.display()));
    }
    Ok(text)
}

#[derive(Serialize)]
struct Summary {
    version: String,
    models: usize,
    patterns: usize,
    default: bool,
}

impl Summary {
    fn of(card: &Card) -> Self {
        let (models, patterns) = (card.named().len(), card.patterns().len());
        Self { version: card.version().to_string(), models, patterns, default: card.default_rate().is_some() }
    }

    fn text(&self) -> String {
        let Self { version, models, patterns, default } = self;
        let others = if *default { "others at the default" } else { "others have no rate" };
        format!("version {version}, {models} models, {patterns} patterns, {others}\n")
    }
}

/// What a model costs; as JSON only what it says.
#[derive(Serialize)]
struct Line {
    model: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    prices: Option<Prices>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    refuse: bool,
}

#[derive(Serialize)]
struct Prices {
    call: String,
    input: String,
    cached_input: String,
    output: String,
    reasoning: String,
    image: String,
    second: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
}

fn lines(card: &Card) -> Vec<Line> {
    let line = |model: &str, listed: &Listed| {
        let prices = listed.as_ref().map(Prices::of);
        Line { model: model.to_owned(), refuse: prices.is_none(), prices }
    };
    let default = card.default_rate().map(|rate| line("(default)", &Some(*rate)));
    card.named().chain(card.patterns()).map(|(model, listed)| line(model, listed)).chain(default).collect()
}

impl Prices {
    fn of(rate: &Rate) -> Self {
        let text = |price: Price| price.to_string();
        Self {
            call: text(rate.call),
            input: text(rate.input),
            cached_input: text(rate.cached_input.unwrap_or(rate.input)),
            output: text(rate.output),
            reasoning: text(rate.reasoning.unwrap_or(rate.output)),
            image: text(rate.image),
            second: text(rate.second),
            output_tokens: rate.output_tokens,
        }
    }
}

impl Row for Line {
    const HEADINGS: &'static [&'static str] =
        &["model", "call", "1M input", "1M cached", "1M output", "1M reasoning", "image", "second", "expected answer"];

    fn cells(&self) -> Vec<String> {
        let Some(prices) = &self.prices else {
            return [self.model.clone(), "no rate".to_owned()]
                .into_iter()
                .chain((0..7).map(|_| String::new()))
                .collect();
        };
        let Prices { call, input, cached_input, output, reasoning, image, second, output_tokens } = prices;
        let texts = [&self.model, call, input, cached_input, output, reasoning, image, second];
        let tokens = output_tokens.map_or_else(String::new, |tokens| tokens.to_string());
        texts.into_iter().cloned().chain([tokens]).collect()
    }
}
