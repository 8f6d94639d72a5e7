//! One denial of each row of the table of reasons: an answer, and no error.

use purser::api::grpc::wire::purser::{Denial, DrawRequest, NextStep, Payer, Reason, decision};
use purser::domain::{Model, TeamId};
use purser::root::Command;

use crate::support::{Client, cost, draw, open};

async fn denial(client: &Client, request: DrawRequest) -> Denial {
    let answer = client.debit(request).await.expect("a denial is an answer");
    match answer.decision {
        Some(decision::Decision::Denial(denial)) => denial,
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn each_denial_has_its_reason_status_and_next_step() {
    let (sidecar, client) = open().await;
    let team = TeamId::new("acme").expect("a team");
    let models = [Model::new("gpt-4o").expect("a model")].into();
    sidecar.control(Command::PutWhitelist { team, enabled: true, models }).await;
    client.hold(draw("h", "ben", 60)).await.expect("answers");
    let of = |team: Option<&str>, member: &str, credits, model: Option<&str>| DrawRequest {
        team: team.map(str::to_owned),
        model: model.map(str::to_owned),
        ..draw("d", member, credits)
    };
    let (acme, gpt) = (Some("acme"), Some("gpt-4o"));
    for (request, reason, status, step) in [
        (of(Some("nobody"), "ana", 1, None), Reason::NotAMember, 403, NextStep::AskAdmin),
        (of(acme, "dan", 1, None), Reason::NotAMember, 403, NextStep::AskAdmin),
        (of(acme, "ana", 99, Some("x")), Reason::ModelNotAllowed, 403, NextStep::ChooseAnotherModel),
        (of(acme, "ana", 11, gpt), Reason::MemberLimit, 403, NextStep::SwitchToPersonal),
        (of(acme, "adam", 11, gpt), Reason::MemberLimit, 403, NextStep::RaiseLimit),
        (of(acme, "ben", 101, None), Reason::PoolExhausted, 402, NextStep::SwitchToPersonal),
        (of(acme, "ben", 50, None), Reason::Held, 429, NextStep::Retry),
        (of(acme, "cat", 1, None), Reason::WalletExhausted, 402, NextStep::BuyCredits),
        (of(acme, "otto", 1, None), Reason::WalletExhausted, 402, NextStep::OptBackIn),
        (of(None, "dan", 51, None), Reason::WalletExhausted, 402, NextStep::BuyCredits),
    ] {
        let denial = denial(&client, request.clone()).await;
        let found = (denial.reason(), denial.status, denial.next_step());
        assert_eq!(found, (reason, status, step), "{request:?}: {denial:?}");
        assert_eq!(
            (denial.retryable, denial.retry_after_ms.is_some()),
            (reason == Reason::Held, reason == Reason::Held)
        );
    }
    client.settle(cost("h", 130)).await.expect("answers");
    let owed = denial(&client, of(acme, "ben", 1, None)).await;
    assert_eq!((owed.reason(), owed.debt_micros), (Reason::InDebt, Some(30_000_000)));
    sidecar.server.service().stop();
    let away = denial(&client, of(acme, "ben", 1, None)).await;
    assert_eq!((away.reason(), away.status, away.retryable), (Reason::Unavailable, 503, true));
}

#[tokio::test]
async fn a_denial_carries_the_numbers_that_caused_it() {
    let (_sidecar, client) = open().await;
    client.debit(draw("a", "ana", 9)).await.expect("answers");
    let half = DrawRequest { credits_micros: Some(500_000), ..draw("h", "ana", 0) };
    client.hold(half).await.expect("answers");
    let asked = DrawRequest { credits_micros: Some(1_250_000), ..draw("req-81", "ana", 0) };
    let expected = Denial {
        reason: Reason::MemberLimit.into(),
        title: "Member limit reached".to_owned(),
        status: 403,
        detail: "ana has used 9 and holds 0.5 of 10 credits of this window in team acme; 1.25 asked.".to_owned(),
        team: Some("acme".to_owned()),
        member: "ana".to_owned(),
        model: None,
        limit_micros: Some(10_000_000),
        used_micros: Some(9_000_000),
        held_micros: Some(500_000),
        remaining_micros: Some(500_000),
        debt_micros: None,
        asked_micros: 1_250_000,
        payer: Payer::Pool.into(),
        resets_at: Some(prost_types::Timestamp { seconds: 1_796_083_200, nanos: 0 }),
        retryable: false,
        retry_after_ms: None,
        next_step: NextStep::SwitchToPersonal.into(),
    };
    assert_eq!(denial(&client, asked).await, expected);
}
