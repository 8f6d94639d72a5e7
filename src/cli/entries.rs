//! `purser entries`: a team's ledger as a table, as JSON lines or as CSV.

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

/// The server writes the CSV; a limit is one of lines, the header not counted.
async fn csv(client: &Client, path: &str, limit: u64) -> anyhow::Result<()> {
    let mut output = Output::stdout(Format::Table);
    let mut left = if limit == 0 { u64::MAX } else { limit.saturating_add(1) };
    let take = |bytes: &[u8]| {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if left == 0 || output.is_closed() {
                return Ok(false);
            }
            output.bytes(line)?;
            left -= u64::from(line.ends_with(b"\n"));
        }
        Ok(true)
    };
    Ok(client.stream(&Ask::get(path).accept("text/csv"), take).await?)
}

fn path(args: &EntriesArgs) -> String {
    let order = args.newest.then(|| "desc".to_owned());
    let filters = [
        ("member", &args.member),
        ("kind", &args.kind),
        ("id", &args.id),
        ("from", &args.from),
        ("to", &args.to),
        ("order", &order),
    ];
    let filters = filters.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_ref()?))));
    let filters: Vec<String> = filters.collect();
    let route = format!("/v1/teams/{}/entries", encoded(&args.team));
    if filters.is_empty() { route } else { format!("{route}?{}", filters.join("&")) }
}

#[derive(Serialize)]
#[serde(transparent)]
struct EntryRow(Answer);

impl Row for EntryRow {
    const HEADINGS: &'static [&'static str] = &["at", "kind", "member", "id", "credits", "payer", "actor", "detail"];

    fn cells(&self) -> Vec<String> {
        Self::HEADINGS.iter().map(|name| self.0.tree.text(name)).collect()
    }
}
