//! `purser sidecars`, `purser forgive` and `purser reconcile`: what an operator does where many sidecars
//! share a store.

use std::time::Duration;

use http::{Method, StatusCode};
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{ANSWER_WAIT, Ask, Client, ClientError, encoded};
use super::tree::Answer;
use super::{ForgiveArgs, Format, Output, ReconcileArgs, Row, SidecarsArgs};

/// How often the time that has passed is shown while the server reads all accounts or the whole ledger.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn sidecars(args: &SidecarsArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let Sidecars { sidecars } = at_last(&client, &Ask::get("/v1/sidecars"), "reading all accounts").await?;
    Output::stdout(Format::of(args.client.json)).rows(&sidecars)?;
    Ok(())
}

pub(super) async fn forgive(args: &ForgiveArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let path = format!("/v1/sidecars/{}/forgive", encoded(&args.sidecar));
    let ask = Ask::new(Method::POST, path).json(&json!({ "force": args.force }));
    at_last::<Answer>(&client, &ask, "giving back what it held").await?.print(Format::of(args.client.json))?;
    Ok(())
}

pub(super) async fn reconcile(args: &ReconcileArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let ask = Ask::new(Method::POST, "/v1/reconcile");
    let answer: Answer = at_last(&client, &ask, "reading the whole ledger").await?;
    answer.print(Format::of(args.client.json))?;
    match answer.tree.text("differences").as_str() {
        "0" => Ok(()),
        count => anyhow::bail!("the ledger and the tables differ in {count} things"),
    }
}

/// Asks until the server has done what takes it longer than a request may, and shows what it does meanwhile.
async fn at_last<T: DeserializeOwned>(client: &Client, ask: &Ask, doing: &'static str) -> Result<T, ClientError> {
    let bar = ProgressBar::new_spinner().with_message(doing);
    bar.set_style(
        ProgressStyle::with_template("{msg}, {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(SHOWN_EVERY);
    let ask = ask.clone().wait(ANSWER_WAIT * 2);
    let answer = loop {
        match client.send(&ask).await {
            Ok(answer) if answer.status() == StatusCode::ACCEPTED => {}
            answer => break answer,
        }
    };
    bar.finish_and_clear();
    client.read_from(&ask, &answer?)
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
