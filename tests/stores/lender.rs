//! The lender in Redis: it answers as its specification does, and lends nothing once it may have forgotten.

use std::collections::BTreeSet;

use purser::domain::{Credits, Timestamp};
use purser::root::blocks::lender_id;
use purser::root::shelf::{Fence, Shelf, Take, Taken, Turned};
use purser::store::redis::{Lender, Options, Target};

use crate::redis::Server;
use crate::support::sub;

fn lender(server: &Server) -> Lender {
    let target = Target { nodes: vec![("127.0.0.1".to_owned(), server.port())], ..Target::default() };
    Lender::new(Options::new(target))
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn credits(&mut self) -> Credits {
        let most = [1, 1_000, 1_000_000_000, Credits::MAX.micros() as u64][self.below(4) as usize];
        Credits::from_micros(self.below(most) as i64).expect("an amount")
    }

    fn take(&mut self, lender: u128) -> Take {
        let window = Timestamp::from_millis(self.below(2) as i64 * 86_400_000).expect("a time");
        Take {
            lender,
            pool: (sub(["s", "a:b-c"][self.below(2) as usize]), window),
            sidecar: u128::from(self.below(3)),
            incarnation: 1 + self.below(3),
            base: Credits::from_micros(self.below(1_000_000) as i64).expect("an amount"),
            granted: self.credits(),
            limited: self.below(3),
            config: 1 + self.below(2),
            asked: self.credits(),
        }
    }
}

#[tokio::test]
async fn redis_lends_as_the_specification_says() {
    let server = Server::with(&[]);
    let (real, mut model, mut dice) = (lender(&server), Shelf::default(), Dice(1));
    for step in 0..600_u32 {
        let known = model.fence().map_or(0, |fence| fence.lender);
        match dice.below(20) {
            0 => {
                let new = Fence { lender: lender_id(u128::from(step) << 64), generation: dice.below(3) };
                let replaced = [0, known][dice.below(2) as usize];
                assert_eq!(real.begin(new, replaced).await.expect("it is there"), model.begin(new, replaced), "{step}");
            }
            1 => {
                let sidecar = u128::from(dice.below(3));
                let found = real.borrowed(sidecar).await.expect("it is there");
                assert_eq!(found.as_ref().map(|(fence, _)| *fence), model.fence(), "{step}");
                let text = |rows: Vec<_>| rows.iter().map(|row| format!("{row:?}")).collect::<BTreeSet<_>>();
                assert_eq!(text(found.map_or(Vec::new(), |(_, rows)| rows)), text(model.borrowed(sidecar)), "{step}");
            }
            _ => {
                let asked = [known, known, known, 7][dice.below(4) as usize];
                let take = dice.take(asked);
                assert_eq!(real.take(&take).await.expect("it is there"), model.take(&take), "{step}: {take:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_lender_that_may_have_forgotten_lends_nothing() {
    let server = Server::start();
    let (real, mut dice) = (lender(&server), Dice(2));
    let credits = |whole| Credits::from_credits(whole).expect("small");
    let fence = Fence { lender: lender_id(1), generation: 0 };
    let (granted, asked, base, limited) = (credits(9), credits(1), Credits::ZERO, 0);
    let take = Take { granted, asked, base, limited, ..dice.take(fence.lender) };
    let stories: [(&str, &dyn Fn()); 4] = [
        ("emptied", &|| drop(server.run("FLUSHALL"))),
        ("deleted", &|| drop(server.run("DEL {purser}:lender"))),
        ("an earlier state", &|| drop(server.run("COPY {purser}:past {purser}:lender REPLACE"))),
        ("restarted", &|| {
            server.kill();
            server.restart();
        }),
    ];
    for (name, happens) in stories {
        let fence = Fence { lender: lender_id(u128::from(name.len() as u64) << 64), generation: 0 };
        real.begin(fence, lender_id(1)).await.expect("it is there");
        let fence = real.begin(fence, 0).await.expect("it is there");
        let take = Take { lender: fence.lender, ..take.clone() };
        let first = real.take(&take).await.expect("it is there");
        assert_eq!(first.map(|taken| taken.rest), Ok(credits(8)), "{name}");
        server.run("COPY {purser}:lender {purser}:past REPLACE");
        real.take(&take).await.expect("it is there").expect("it lends");
        happens();
        let mut after = real.take(&take).await;
        while after.is_err() {
            after = real.take(&take).await;
        }
        assert_eq!(after.expect("it is there"), Err(Turned::Stale), "{name}");
        assert_eq!(real.borrowed(take.sidecar).await.expect("it is there"), None, "{name}: nor is it believed");
        let next = Fence { lender: lender_id(u128::MAX), generation: 0 };
        assert_eq!(real.begin(next, 0).await.expect("it is there"), next, "{name}: another begins");
        let taken = real.take(&Take { lender: next.lender, ..take.clone() }).await.expect("it is there");
        assert_eq!(taken, Ok(Taken { base: Credits::ZERO, lent: credits(1), rest: credits(8) }), "{name}");
        real.begin(Fence { lender: lender_id(1), generation: 0 }, next.lender).await.expect("it is there");
    }
}
