//! `purser entries`: a team's ledger as a table, as JSON lines or as CSV.

use http::Method;
use serde::Serialize;

use super::client::{Ask, Client, encoded};
use super::pages::Pages;
use super::tree::Answer;
use super::{EntriesArgs, Format, Output, Row};

pub(super) async fn run(args: &EntriesArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let path = path(args);
    if args.csv {
        return csv(&client, &path, args.limit).await;
    }
    let format = Format::of(args.client.json);
    let mut output = Output::stdout(format);
    let mut pages = Pages::new(&client, &path, args.limit);
    if format == Format::Table {
        let rows: Vec<EntryRow> = pages.all().await?.into_iter().map(EntryRow).collect();
        return Ok(output.rows(&rows)?);
    }
    while !output.is_closed() {
        let page = pages.next().await?;
        if page.is_empty() {
            break;
        }
        page.iter().try_for_each(|entry| output.object(entry))?;
    }
    Ok(())
}

/// The server writes the CSV, all of it; a limit is one of lines.
async fn csv(client: &Client, path: &str, limit: u64) -> anyhow::Result<()> {
    let body = client.ask(&Ask::new(Method::GET, path).accept("text/csv")).await?;
    let text = String::from_utf8_lossy(&body);
    let lines = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1) };
    let mut output = Output::stdout(Format::Table);
    text.split_inclusive('\n').take(lines).try_for_each(|line| output.text(line))?;
    Ok(())
}

fn path(args: &EntriesArgs) -> String {
    let filters = [("member", &args.member), ("kind", &args.kind), ("from", &args.since), ("to", &args.until)];
    let filters = filters.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_ref()?))));
    let filters: Vec<String> = filters.collect();
    let route = format!("/v1/teams/{}/entries", encoded(&args.team));
    if filters.is_empty() { route } else { format!("{route}?{}", filters.join("&")) }
}

#[derive(Serialize)]
#[serde(transparent)]
struct EntryRow(Answer);

impl Row for EntryRow {
    const HEADINGS: &'static [&'static str] =
        &["at", "kind", "member", "id", "credits", "payer", "returned", "debt", "actor"];

    fn cells(&self) -> Vec<String> {
        Self::HEADINGS.iter().map(|name| self.0.tree.text(name)).collect()
    }
}
