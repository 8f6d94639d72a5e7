//! Operations that meet several sidecars: retries through another one, and ends that reach another one.

use std::time::Duration;

use purser::domain::{Ask, Credits, Model, OperationId};
use purser::engine::{Draw, Drawn, EndFault, Scope};
use purser::rates::Usage;
use purser::service::{Cost, EndError, Quote, Taken};
use purser::store::{self, Filter, Kind};

use crate::operating::{metric, soon};
use crate::world::{Place, Sidecar, World, credits, subscription, team, user};

fn op(id: &str) -> OperationId {
    OperationId::new(id).expect("an id")
}

fn acme() -> Scope {
    Scope::Team(team())
}

/// Draws under an id, again while it waits for a lease.
async fn draw(sidecar: &Sidecar, id: &str, whole: u32, ttl_millis: Option<u64>) {
    let ask = Ask { credits: credits(whole), min_credits: None, model: None };
    let draw =
        Draw { id: op(id), team: Some(team()), member: user("ana"), ask, ttl_millis, pricing: Default::default() };
    for _ in 0..50 {
        match sidecar.service().draw(&draw, None).await.expect("a draw") {
            Drawn::Allowed(_) => return,
            Drawn::Denied(denial) => assert!(denial.reason.retryable(), "{denial:?}"),
            Drawn::Short(_) => unreachable!("a service does not answer so"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{id} was denied for too long");
}

/// What the store says was charged, less refunds, and is set aside.
async fn taken(world: &World) -> (Credits, Credits) {
    let row = world.store().subscription(&subscription()).await.expect("the store is there").expect("it was put");
    let account = row.open_account();
    (account.spent().minus(account.refunded()), account.held())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_through_two_sidecars_is_charged_once() {
    for place in Place::ALL {
        let world = World::start(place, 2).await;
        world.team(1_000, &[("ana", Some(500))]).await;
        let [first, second] = &world.sidecars[..] else { unreachable!("two were started") };
        for sidecar in [first, second] {
            for number in 0..5 {
                draw(sidecar, &format!("d{number}"), 10, None).await;
            }
            draw(sidecar, "h", 20, Some(60_000)).await;
        }
        let voided = |sidecar: &Sidecar| metric(sidecar, r#"purser_voided_total{content="same"}"#);
        soon("what was drawn twice is undone", async || voided(first) + voided(second) >= 6.0).await;
        soon("and given back", async || taken(&world).await == (credits(50), credits(20))).await;
        assert_eq!(voided(first) + voided(second), 6.0);
        for sidecar in [first, second] {
            draw(sidecar, "d0", 10, None).await;
            let settled = sidecar.service().settle(&acme(), &op("h"), credits(5), None).await;
            settled.expect("whoever has it is told");
        }
        soon("the hold is settled once", async || taken(&world).await == (credits(55), Credits::ZERO)).await;
        world.stop(credits(55)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settle_that_tells_what_was_used_is_priced_by_the_card_of_the_hold_wherever_it_comes() {
    for place in Place::ALL {
        let world = World::start(place, 2).await;
        world.team(1_000, &[("ana", None)]).await;
        let [first, second] = &world.sidecars[..] else { unreachable!("two were started") };
        let service = first.service();
        let used = Usage { input_tokens: 812, cached_input_tokens: 512, output_tokens: Some(400), ..Usage::default() };
        let model = Some(Model::new("gpt-4o").expect("a name"));
        let Quote { pricing, .. } = service.quote(model.as_ref(), &Cost::Usage(used), true);
        let ask = Ask { credits: credits(2), min_credits: None, model };
        let hold =
            Draw { id: op("h"), team: Some(team()), member: user("ana"), ask, ttl_millis: Some(60_000), pricing };
        soon("it is held", async || matches!(service.draw(&hold, None).await, Ok(Drawn::Allowed(_)))).await;
        service.flush().await.expect("the store is there");
        let settled = second.service().settle_cost(&acme(), &op("h"), &Cost::Usage(used), None, None).await;
        assert!(matches!(settled, Ok(Taken::Elsewhere(_))), "{settled:?}");
        let filter = Filter { scope: store::Scope::Team(team()), kind: Some(Kind::Settled), ..Filter::default() };
        let entries = async || service.entries(&filter, None, 2).await.expect("the store is there");
        soon("its sidecar settles it", async || !entries().await.is_empty()).await;
        let entry = entries().await.remove(0);
        assert_eq!((entry.credits, entry.rates), ("0.539".parse().ok(), pricing.rates));
        world.stop("0.539".parse().expect("credits")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_draw_had_become_before_it_was_undone_is_done_to_the_first_one() {
    for place in Place::ALL {
        let world = World::start(place, 2).await;
        world.team(1_000, &[("ana", None)]).await;
        let [first, second] = &world.sidecars[..] else { unreachable!("two were started") };
        draw(first, "h", 20, Some(60_000)).await;
        draw(first, "d", 10, None).await;
        first.service().flush().await.expect("the store is there");
        draw(second, "h", 20, Some(60_000)).await;
        draw(second, "d", 10, None).await;
        let settled = second.service().settle(&acme(), &op("h"), credits(25), None).await.expect("it is open");
        let refunded = second.service().refund(&acme(), &op("d"), None, None).await.expect("it is known");
        // They may have been told already that another one has them.
        let is_here = matches!((&settled, &refunded), (Taken::Here(_), Taken::Here(_)));
        soon("each is done once, at the first", async || taken(&world).await == (credits(25), Credits::ZERO)).await;
        let again = second.service().settle(&acme(), &op("h"), credits(25), None).await.expect("it is the same");
        assert!(matches!(again, Taken::Elsewhere(ref asked) if asked.replayed), "{is_here} {again:?}");
        world.stop(credits(25)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_that_reach_another_sidecar_are_done_once() {
    for place in Place::ALL {
        let world = World::start(place, 2).await;
        world.team(1_000, &[("ana", Some(500))]).await;
        let [first, second] = &world.sidecars[..] else { unreachable!("two were started") };
        for hold in ["settled", "released", "extended"] {
            draw(first, hold, 20, Some(60_000)).await;
        }
        draw(first, "d", 10, None).await;
        let service = second.service();
        for replayed in [false, true] {
            let settled = service.settle(&acme(), &op("settled"), credits(7), None).await.expect("it is taken in");
            let released = service.release(&acme(), &op("released"), None).await.expect("it is taken in");
            let part = op("part");
            let part = Some((&part, credits(4)));
            let refunded = service.refund(&acme(), &op("d"), part, None).await.expect("it is taken in");
            let Taken::Elsewhere(settled) = settled else { panic!("{settled:?}") };
            assert_eq!((settled.end.credits(), settled.replayed), (Some(credits(7)), replayed));
            assert!(matches!(released, Taken::Elsewhere(asked) if asked.replayed == replayed));
            assert!(matches!(refunded, Taken::Elsewhere(asked) if asked.replayed == replayed));
        }
        let other = service.settle(&acme(), &op("settled"), credits(8), None).await;
        assert!(matches!(other, Err(EndError::Fault(EndFault::HoldEnded(_)))), "{other:?}");
        service.extend(&acme(), &op("extended"), 3_600_000, None).await.expect("it is taken in");
        soon("all but the extended one have ended", async || taken(&world).await == (credits(13), credits(20))).await;
        let extended = first.service().extend(&acme(), &op("extended"), 3_600_000, None).await;
        assert!(matches!(extended, Ok(Taken::Here(_))), "{extended:?}");
        let settled = first.service().settle(&acme(), &op("settled"), credits(7), None).await.expect("it is known");
        assert!(matches!(settled, Taken::Here(settled) if settled.replayed), "it has ended just so");
        first.service().release(&acme(), &op("extended"), None).await.expect("it is open");
        assert_eq!(metric(second, r#"purser_ends_asked_total{kind="settle"}"#), 1.0);
        assert_eq!(metric(first, r#"purser_ends_taken_total{outcome="entered"}"#), 4.0);
        world.stop(credits(13)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_of_what_nobody_has_is_counted_as_orphaned() {
    for place in Place::ALL {
        let world = World::start(place, 2).await;
        world.team(1_000, &[("ana", None)]).await;
        let settled = world.sidecars[1].service().settle(&acme(), &op("none"), credits(7), None).await;
        assert!(matches!(settled, Ok(Taken::Elsewhere(_))), "{settled:?}");
        soon("it is orphaned once", async || {
            world.sidecars.iter().map(|sidecar| metric(sidecar, "purser_orphaned_total")).sum::<f64>() == 1.0
        })
        .await;
        world.stop(Credits::ZERO).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_of_a_forgiven_sidecar_end_when_they_expire_and_as_others_are_asked() {
    for place in Place::ALL {
        let world = World::start(place, 1).await;
        world.team(1_000, &[("ana", Some(500))]).await;
        let first = &world.sidecars[0];
        let known: Vec<u128> = all_ids(first).await;
        let (second, line) = world.add().await;
        let id = all_ids(first).await.into_iter().find(|id| !known.contains(id)).expect("it has registered");
        draw(&second, "settled", 20, Some(600_000)).await;
        draw(&second, "released", 20, Some(600_000)).await;
        draw(&second, "expired", 20, Some(3_000)).await;
        draw(&second, "d", 10, None).await;
        second.service().flush().await.expect("the store is there");
        line.cut(true);
        let operator = purser::root::Actor::Service("ops".to_owned());
        first.service().forgive(id, true, &operator).await.expect("the store is there").expect("it is forced");
        first.service().settle(&acme(), &op("settled"), credits(7), None).await.expect("it is taken in");
        first.service().release(&acme(), &op("released"), None).await.expect("it is taken in");
        first.service().refund(&acme(), &op("d"), None, None).await.expect("it is taken in");
        first.service().flush().await.expect("the store is there");
        soon("its holds have ended", async || {
            first.service().end_abandoned().await.expect("the store is there");
            taken(&world).await == (credits(17), Credits::ZERO)
        })
        .await;
        assert_eq!(metric(first, "purser_orphaned_total"), 1.0, "a refund of its debits is nobody's to give");
        first.debit_soon("ana", credits(400)).await;
        line.cut(false);
        assert!(!second.stop().await, "nothing of it is taken any more");
        world.stop(credits(417)).await;
    }
}

async fn all_ids(sidecar: &Sidecar) -> Vec<u128> {
    let all = sidecar.service().sidecars().await.expect("the store is there");
    all.iter().map(|now| now.sidecar.id).collect()
}
