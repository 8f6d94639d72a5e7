//! `purser sidecars`, `purser forgive` and `purser reconcile`: what an operator does where many sidecars
//! share a store.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{Ask, Client, encoded};
use super::tree::Answer;
use super::{ForgiveArgs, Format, Output, ReconcileArgs, Row, SidecarsArgs};

/// How long an answer may take for which the server reads all accounts or the whole ledger: as long as
/// a store may take for that.
const SCAN_WAIT: Duration = Duration::from_secs(600);

pub(super) async fn sidecars(args: &SidecarsArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let Sidecars { sidecars } = client.read(&Ask::get("/v1/sidecars").wait(SCAN_WAIT)).await?;
    Output::stdout(Format::of(args.client.json)).rows(&sidecars)?;
    Ok(())
}

pub(super) async fn forgive(args: &ForgiveArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let path = format!("/v1/sidecars/{}/forgive", encoded(&args.sidecar));
    let ask = Ask::new(Method::POST, path).json(&json!({ "force": args.force })).wait(SCAN_WAIT);
    client.read::<Answer>(&ask).await?.print(Format::of(args.client.json))?;
    Ok(())
}

pub(super) async fn reconcile(args: &ReconcileArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let answer: Answer = client.read(&Ask::new(Method::POST, "/v1/reconcile").wait(SCAN_WAIT)).await?;
    answer.print(Format::of(args.client.json))?;
    match answer.tree.text("differences").as_str() {
        "0" => Ok(()),
        count => anyhow::bail!("the ledger and the tables differ in {count} things"),
    }
}

#[derive(Deserialize)]
struct Sidecars {
    sidecars: Vec<SidecarRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct SidecarRow(Answer);

impl Row for SidecarRow {
    const HEADINGS: &'static [&'static str] =
        &["id", "host", "state", "last_sync", "lent", "suspense", "incarnation", "last_entry"];

    fn cells(&self) -> Vec<String> {
        Self::HEADINGS.iter().map(|name| self.0.tree.text(name)).collect()
    }
}
