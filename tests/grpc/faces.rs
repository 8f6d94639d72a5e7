//! The same requests over gRPC and over HTTP, each to a sidecar of its own: the same verdict, whatever they are.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use purser::api::grpc::wire::purser::{
    Decision, DrawRequest, ExtendRequest, NextStep, Reason, RefundRequest, ReleaseRequest, Remaining, SettleRequest,
    Usage, decision,
};
use purser::domain::{Credits, Timestamp};
use serde_json::{Map, Value, json};
use tonic::Status;

use crate::sidecar::{Answer, Sidecar};
use crate::support::{Client, open, problem};

/// One request, before it is written for either interface.
#[derive(Clone, Debug)]
struct Asked {
    kind: Kind,
    /// The operation; of a draw it may be left out.
    id: Option<String>,
    /// A refund's own id.
    own_id: Option<String>,
    team: Option<String>,
    member: Option<String>,
    micros: Option<i64>,
    least: Option<i64>,
    ttl_ms: Option<u64>,
    model: Option<String>,
    tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Debit,
    Hold,
    Check,
    Settle,
    Release,
    Extend,
    Refund,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Debit, Self::Hold, Self::Check, Self::Settle, Self::Release, Self::Extend, Self::Refund];

    fn is_draw(self) -> bool {
        matches!(self, Self::Debit | Self::Hold | Self::Check)
    }
}

/// What is wrong with a request; one thing at a time, so that both name the same.
#[derive(Clone, Debug)]
enum Spoilt {
    Id(String),
    OwnId(String),
    Team(String),
    Member(Option<String>),
    Model(String),
    Micros(i64),
    Least(i64),
    Ttl(u64),
    Tokens(u64),
}

fn text(of: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    let named = prop::sample::select(of).prop_map(|text| Some(text.to_owned()));
    prop_oneof![15 => named, 1 => Just(None)]
}

fn good() -> impl Strategy<Value = Asked> {
    let ids: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];
    let micros = prop_oneof![12 => (0_i64..20).prop_map(|halves| Some(halves * 500_000)), 1 => Just(None)];
    (
        prop::sample::select(&Kind::ALL[..]),
        text(ids),
        text(ids),
        text(&["acme", "acme", "acme", "other"]),
        prop::sample::select(&["ana", "ben", "cat", "dan", "adam", "nobody"][..]),
        micros,
        prop::option::weighted(0.2, (0_i64..20).prop_map(|halves| halves * 500_000)),
        prop::option::weighted(0.3, 1_000_u64..90_000),
        prop::option::weighted(0.3, Just("gpt-4o".to_owned())),
        prop::option::weighted(0.1, 0_u64..1_000),
    )
        .prop_map(|(kind, id, own_id, team, member, micros, least, ttl_ms, model, tokens)| {
            let id = if kind.is_draw() { id } else { Some(id.unwrap_or_else(|| "a".to_owned())) };
            let member = Some(member.to_owned());
            Asked { kind, id, own_id, team, member, micros, least, ttl_ms, model, tokens }
        })
}

fn spoilt() -> impl Strategy<Value = Spoilt> {
    let long = "x".repeat(129);
    let bad =
        prop_oneof![Just("a b".to_owned()), Just("..".to_owned()), Just("é".to_owned()), Just(long), "[ -~]{1,8}"];
    let micros = prop_oneof![
        any::<i64>(),
        prop::sample::select(&[-1, 1, 9_000_000_000_000_000, 9_000_000_000_000_001, i64::MAX, i64::MIN][..])
    ];
    prop_oneof![
        bad.clone().prop_map(Spoilt::Id),
        bad.clone().prop_map(Spoilt::OwnId),
        bad.clone().prop_map(Spoilt::Team),
        prop::option::of(bad.clone()).prop_map(Spoilt::Member),
        bad.prop_map(Spoilt::Model),
        micros.clone().prop_map(Spoilt::Micros),
        micros.prop_map(Spoilt::Least),
        prop::sample::select(&[0, 999, 86_400_000, 86_400_001, u64::MAX][..]).prop_map(Spoilt::Ttl),
        any::<u64>().prop_map(Spoilt::Tokens),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    (good(), prop::option::weighted(0.3, spoilt())).prop_map(|(mut asked, spoilt)| {
        match spoilt {
            // A path cannot name every text.
            Some(Spoilt::Id(id)) if asked.kind.is_draw() => asked.id = Some(id),
            Some(Spoilt::Id(_)) | None => {}
            Some(Spoilt::OwnId(id)) => asked.own_id = Some(id),
            Some(Spoilt::Team(team)) => asked.team = Some(team),
            Some(Spoilt::Member(member)) => asked.member = member,
            Some(Spoilt::Model(model)) => asked.model = Some(model),
            Some(Spoilt::Micros(micros)) => asked.micros = Some(micros),
            Some(Spoilt::Least(micros)) => asked.least = Some(micros),
            Some(Spoilt::Ttl(millis)) => asked.ttl_ms = Some(millis),
            Some(Spoilt::Tokens(tokens)) => asked.tokens = Some(tokens),
        }
        asked
    })
}

/// Micro-credits as JSON, which may be no credits at all.
fn written(micros: i64) -> Value {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    json!(format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000))
}

/// What came of it over HTTP, without the words for people.
async fn over_http(sidecar: &Sidecar, asked: Asked) -> Value {
    let Asked { kind, id, own_id, team, member, micros, least, ttl_ms, model, tokens } = asked;
    let is_draw = kind.is_draw();
    let takes_usage = is_draw || kind == Kind::Settle;
    let own_id = if is_draw { id.clone() } else { own_id.filter(|_| kind == Kind::Refund) };
    let usage = tokens.map(|tokens| json!({"input_tokens": tokens, "output_tokens": 1}));
    let mut body = Map::new();
    for (name, value) in [
        ("id", own_id.map(Value::from)),
        ("team", team.map(Value::from)),
        ("member", member.map(Value::from)),
        ("credits", micros.filter(|_| takes_usage || kind == Kind::Refund).map(written)),
        ("usage", usage.filter(|_| takes_usage)),
        ("model", model.filter(|_| is_draw).map(Value::from)),
        ("ttl_ms", ttl_ms.filter(|_| is_draw || kind == Kind::Extend).map(Value::from)),
        ("min_credits", least.filter(|_| is_draw).map(written)),
    ] {
        body.extend(value.map(|value| (name.to_owned(), value)));
    }
    let id = id.unwrap_or_default();
    let path = match kind {
        Kind::Debit => "debits".to_owned(),
        Kind::Hold => "holds".to_owned(),
        Kind::Check => "checks".to_owned(),
        Kind::Settle => format!("holds/{id}/settle"),
        Kind::Release => format!("holds/{id}/release"),
        Kind::Extend => format!("holds/{id}/extend"),
        Kind::Refund => format!("debits/{id}/refund"),
    };
    as_verdict(&sidecar.post(&format!("/v1/{path}"), &Value::Object(body).to_string()).await)
}

fn as_verdict(answer: &Answer) -> Value {
    if answer.status != 200 {
        let (_, code, pointer) = answer.problem();
        return json!({"problem": code, "field": pointer.trim_start_matches('/').replace('/', ".")});
    }
    let mut answer = answer.ok();
    let fields = answer.as_object_mut().expect("an object");
    fields.remove("id");
    if let Some(denial) = fields.get_mut("denial") {
        let names = ["reason", "status", "detail", "next_step", "remaining"];
        *denial = names.iter().map(|name| ((*name).to_owned(), denial[*name].clone())).collect();
    }
    answer
}

/// The same over gRPC, in the words of HTTP.
async fn over_grpc(client: &Client, asked: Asked) -> Value {
    let Asked { kind, id, own_id, team, member, micros, least, ttl_ms, model, tokens } = asked;
    let usage = tokens.map(|input_tokens| Usage { input_tokens, output_tokens: Some(1), ..Usage::default() });
    let named = id.clone().unwrap_or_default();
    let draw = DrawRequest {
        id,
        team: team.clone(),
        member: member.clone().unwrap_or_default(),
        credits_micros: micros,
        usage,
        model,
        ttl_ms,
        min_credits_micros: least,
    };
    let answer = match kind {
        Kind::Debit => client.debit(draw).await.map(decided),
        Kind::Hold => client.hold(draw).await.map(decided),
        Kind::Check => client.check(draw).await.map(decided),
        Kind::Settle => {
            let asked = SettleRequest { id: named, team, member, credits_micros: micros, usage, model: None };
            client.settle(asked).await.map(|settled| {
                json!({"charged": credits(Some(settled.charged_micros)), "returned": credits(settled.returned_micros),
                    "debt": credits(settled.debt_micros), "late": settled.late, "remaining": left(settled.remaining),
                    "replayed": truth(settled.replayed)})
            })
        }
        Kind::Release => client.release(ReleaseRequest { id: named, team, member }).await.map(|released| {
            json!({"returned": credits(released.returned_micros), "remaining": left(released.remaining),
                "replayed": truth(released.replayed)})
        }),
        Kind::Extend => client.extend(ExtendRequest { id: named, team, member, ttl_ms }).await.map(|extended| {
            json!({"held": credits(extended.held_micros), "expires_at": time(extended.expires_at),
                "remaining": left(extended.remaining)})
        }),
        Kind::Refund => {
            let asked = RefundRequest { debit: named, id: own_id, team, member, credits_micros: micros };
            client.refund(asked).await.map(|refunded| {
                json!({"refunded": credits(refunded.refunded_micros), "remaining": left(refunded.remaining),
                    "replayed": truth(refunded.replayed)})
            })
        }
    };
    answer.map_or_else(refused, without_absent)
}

fn refused(status: Status) -> Value {
    let problem = problem(&status);
    let field = problem.field.unwrap_or_default();
    json!({"problem": problem.code, "field": field.trim_end_matches("_micros")})
}

fn decided(decision: Decision) -> Value {
    match decision.decision.expect("allowed or denied") {
        decision::Decision::Allow(allow) => json!({
            "decision": "allow", "credits": credits(Some(allow.credits_micros)), "payer": word("PAYER_", allow.payer().as_str_name()),
            "subscription": allow.subscription, "remaining": left(allow.remaining), "replayed": truth(allow.replayed),
            "expires_at": allow.expires_at.map_or(json!("absent"), |at| time(Some(at))),
        }),
        decision::Decision::Denial(denial) => json!({"decision": "deny", "denial": {
            "reason": word("REASON_", Reason::try_from(denial.reason).expect("a reason").as_str_name()),
            "status": denial.status, "detail": denial.detail,
            "next_step": word("NEXT_STEP_", NextStep::try_from(denial.next_step).expect("a step").as_str_name()),
            "remaining": credits(denial.remaining_micros),
        }}),
    }
}

fn word(prefix: &str, name: &str) -> Value {
    json!(name.strip_prefix(prefix).expect("names begin with their enum").to_lowercase())
}

fn credits(micros: Option<i64>) -> Value {
    json!(micros.map(|micros| Credits::from_micros(micros).expect("credits").to_string()))
}

fn left(remaining: Option<Remaining>) -> Value {
    json!(
        remaining.map(|left| json!({"member": credits(left.member_micros), "payer": credits(Some(left.payer_micros))}))
    )
}

fn time(at: Option<prost_types::Timestamp>) -> Value {
    let at = at.map(|at| at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000);
    json!(at.map(|millis| Timestamp::from_millis(millis).expect("a time").to_string()))
}

/// What HTTP leaves out when false.
fn truth(is: bool) -> Value {
    if is { json!(true) } else { json!("absent") }
}

fn without_absent(mut answer: Value) -> Value {
    answer.as_object_mut().expect("an object").retain(|_, value| *value != "absent");
    answer
}

#[test]
fn both_interfaces_come_to_the_same_verdict() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let scripts = prop::collection::vec(asked(), 30..60);
    let verdict = TestRunner::new(config).run(&scripts, |script| {
        runtime.block_on(async {
            let ((asked_by_grpc, client), (asked_by_http, _)) = (open().await, open().await);
            let mut log = String::new();
            for asked in script {
                let grpc = over_grpc(&client, asked.clone()).await;
                let http = over_http(&asked_by_http, asked.clone()).await;
                writeln!(log, "{asked:?}").expect("a text takes all");
                prop_assert_eq!(grpc, http, "{}", log);
            }
            drop(asked_by_grpc);
            Ok(())
        })
    });
    if let Err(error) = verdict {
        panic!("{error}");
    }
}
