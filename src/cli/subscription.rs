//! `purser subscription`: what a user bought, and credits bought beside it.

use http::Method;
use serde_json::{Value, json};

use super::client::{Ask, Client, encoded};
use super::team::object;
use super::tree::Answer;
use super::{Format, SubscriptionArgs, SubscriptionCommand, TermsArgs};

pub(super) async fn run(args: &SubscriptionArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let answer: Answer = client.read(&ask(&args.command)).await?;
    answer.print(Format::of(args.client.json))?;
    Ok(())
}

fn ask(command: &SubscriptionCommand) -> Ask {
    let route = |subscription: &str, rest: &str| format!("/v1/subscriptions/{}{rest}", encoded(subscription));
    match command {
        SubscriptionCommand::Show { subscription } => Ask::get(route(subscription, "")),
        SubscriptionCommand::Put { subscription, terms } => {
            Ask::new(Method::PUT, route(subscription, "")).json(&body(terms))
        }
        SubscriptionCommand::Purchase { subscription, credits, id, expires_at } => {
            let body = object([
                ("id", Some(json!(id))),
                ("credits", Some(json!(credits))),
                ("expires_at", expires_at.clone().map(Value::from)),
            ]);
            Ask::new(Method::POST, route(subscription, "/purchases")).json(&body)
        }
    }
}

fn body(terms: &TermsArgs) -> Value {
    let rollover = object([
        ("cap", terms.rollover_cap.clone().map(Value::from)),
        ("windows", Some(terms.rollover_windows.into())),
    ]);
    json!({
        "owner": terms.owner,
        "plan": terms.plan,
        "status": if terms.canceled { "canceled" } else { "active" },
        "seats": terms.seats,
        "credits_per_seat": terms.credits_per_seat,
        "billing_anchor": terms.billing_anchor,
        "rollover": rollover,
        "features": {
            "private_workflows": terms.private_workflows,
            "save_history": terms.save_history,
            "model_whitelist": terms.model_whitelist,
        },
    })
}
