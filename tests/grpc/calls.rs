//! Every call, and that it is the same operation as over HTTP.

use prost_types::Timestamp;
use purser::api::grpc::wire::purser::balance_response::Balance;
use purser::api::grpc::wire::purser::{
    Access, Allow, BalanceRequest, Decision, DrawRequest, ExtendRequest, Extended, Features, Funds, MemberBalance,
    Payer, RefundRequest, Refunded, ReleaseRequest, Released, Remaining, Settled, Window, decision,
};

use crate::support::{cost, draw, open};

/// 2026-11-22T12:00:00Z, where the clock stands.
const NOW: i64 = 1_795_348_800;

const CREDIT: i64 = 1_000_000;

fn left(member: i64, payer: i64) -> Option<Remaining> {
    Some(Remaining { member_micros: Some(member * CREDIT), payer_micros: payer * CREDIT })
}

fn allow(id: Option<&str>, credits: i64, expires_at: Option<i64>, remaining: Option<Remaining>) -> Decision {
    let allow = Allow {
        credits_micros: credits * CREDIT,
        payer: Payer::Pool.into(),
        subscription: "sub_1".to_owned(),
        expires_at: expires_at.map(|seconds| Timestamp { seconds, nanos: 0 }),
        remaining,
        replayed: false,
        output_tokens: None,
    };
    Decision { id: id.map(str::to_owned), decision: Some(decision::Decision::Allow(allow)) }
}

#[tokio::test]
async fn every_call_answers() {
    let (_sidecar, client) = open().await;
    let team = || Some("acme".to_owned());
    assert_eq!(client.debit(draw("d", "ana", 3)).await.expect("answers"), allow(Some("d"), 3, None, left(7, 97)));
    let unnamed = DrawRequest { id: None, ..draw("", "ana", 2) };
    assert_eq!(client.check(unnamed).await.expect("answers"), allow(None, 2, None, left(5, 95)));
    let short = DrawRequest { ttl_ms: Some(5_000), ..draw("h", "ana", 4) };
    assert_eq!(client.hold(short).await.expect("answers"), allow(Some("h"), 4, Some(NOW + 5), left(3, 93)));
    let extend = ExtendRequest { id: "h".to_owned(), team: team(), member: None, ttl_ms: Some(9_000) };
    let extended = Extended {
        held_micros: Some(4 * CREDIT),
        expires_at: Some(Timestamp { seconds: NOW + 9, nanos: 0 }),
        remaining: left(3, 93),
        pending: false,
    };
    assert_eq!(client.extend(extend).await.expect("answers"), extended);
    let settled = Settled {
        charged_micros: CREDIT,
        returned_micros: Some(3 * CREDIT),
        debt_micros: Some(0),
        remaining: left(6, 96),
        ..Settled::default()
    };
    assert_eq!(client.settle(cost("h", 1)).await.expect("answers"), settled);
    client.hold(draw("g", "ana", 2)).await.expect("answers");
    let release = ReleaseRequest { id: "g".to_owned(), team: team(), member: Some("ana".to_owned()) };
    let released =
        Released { returned_micros: Some(2 * CREDIT), remaining: left(6, 96), replayed: false, pending: false };
    assert_eq!(client.release(release).await.expect("answers"), released);
    let part = RefundRequest {
        debit: "d".to_owned(),
        id: Some("r".to_owned()),
        team: team(),
        member: None,
        credits_micros: Some(CREDIT),
    };
    let refunded = Refunded { refunded_micros: Some(CREDIT), remaining: left(7, 97), replayed: false, pending: false };
    assert_eq!(client.refund(part.clone()).await.expect("answers"), refunded);
    assert!(client.refund(part).await.expect("answers").replayed);
    let rest = RefundRequest { debit: "d".to_owned(), team: team(), ..RefundRequest::default() };
    assert_eq!(client.refund(rest).await.expect("answers").refunded_micros, Some(2 * CREDIT));
}

#[tokio::test]
async fn balances_are_of_a_member_a_pool_or_a_user() {
    let (_sidecar, client) = open().await;
    client.debit(draw("d", "ana", 3)).await.expect("answers");
    client.hold(draw("h", "ana", 2)).await.expect("answers");
    let ask = async |team: Option<&str>, member: Option<&str>| {
        let request = BalanceRequest { team: team.map(str::to_owned), member: member.map(str::to_owned) };
        client.balance(request).await.expect("answers").balance.expect("one of three")
    };
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    // November 2026.
    let window = Some(Window { start: at(1_793_491_200), end: at(1_796_083_200) });
    let member = MemberBalance {
        team: "acme".to_owned(),
        member: "ana".to_owned(),
        access: Access::Seat.into(),
        features: Some(Features { model_whitelist: true, ..Features::default() }),
        payer: Payer::Pool.into(),
        limit_micros: Some(10 * CREDIT),
        used_micros: 3 * CREDIT,
        held_micros: 2 * CREDIT,
        remaining: left(5, 95),
        window,
        lent: None,
    };
    assert_eq!(ask(Some("acme"), Some("ana")).await, Balance::Member(member));
    let pool = Funds {
        subscription: Some("sub_1".to_owned()),
        monthly_micros: 100 * CREDIT,
        total_micros: 100 * CREDIT,
        used_micros: 3 * CREDIT,
        held_micros: 2 * CREDIT,
        remaining_micros: 95 * CREDIT,
        seats: 5,
        window,
        ..Funds::default()
    };
    assert_eq!(ask(Some("acme"), None).await, Balance::Pool(pool));
    let Balance::Wallet(own) = ask(None, Some("dan")).await else { panic!("a user's own credits") };
    assert_eq!((own.subscription.as_deref(), own.remaining_micros), (Some("sub_2"), 50 * CREDIT));
    assert_eq!(ask(None, Some("nobody")).await, Balance::Wallet(Funds::default()));
}

#[tokio::test]
async fn an_id_is_one_operation_by_whichever_way_it_comes() {
    let (sidecar, client) = open().await;
    let first = sidecar.post("/v1/debits", r#"{"id":"d","team":"acme","member":"ana","credits":"1"}"#).await.ok();
    assert_eq!(first["decision"], "allow");
    let again = client.debit(draw("d", "ana", 1)).await.expect("answers");
    let Some(decision::Decision::Allow(again)) = again.decision else { panic!("{again:?}") };
    assert!(again.replayed && again.remaining == left(9, 99), "{again:?}");
    client.hold(draw("h", "ana", 2)).await.expect("answers");
    let settled = sidecar.post("/v1/holds/h/settle", r#"{"team":"acme","credits":2}"#).await.ok();
    assert_eq!(settled["charged"], "2");
}
