//! What a thread of the exploration does: a few steps, drawn from the schedule's own randomness.

use purser::domain::Ask;
use purser::engine::{Draw, DrawFault, Drawn, EndFault, Settled};
use shuttle::rand::{Rng, thread_rng};

use crate::world::{WHO, World, credits, id, is_short, scope, scopes, team, user};

/// How long holds stay open: shorter than a schedule's time may pass.
const TTL_MILLIS: u64 = 6;

/// Draws for `who`, by the kind and number of their id, so that the same id asks the same.
pub fn draw((name, in_team): (&str, Option<&str>), kind: char, number: u32) -> Draw {
    let is_hold = kind == 'h';
    let least = (is_hold && number == 1).then(|| credits(1));
    Draw {
        id: id(&format!("{kind}{number}")),
        team: in_team.map(team),
        member: user(name),
        ask: Ask { credits: credits(2 + number), min_credits: least, model: None },
        ttl_millis: is_hold.then_some(TTL_MILLIS),
        pricing: Default::default(),
    }
}

/// What a thread was answered that it may be answered again.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An allowed draw, and whether it had been answered before.
    Drew(Draw, Drawn),
    /// A settled hold of `WHO[0]`, with its number and cost.
    Settled(usize, u32, u32, Settled),
    /// Another end or a refund that entered something.
    Ended,
}

/// Takes one step; answers what it entered or was allowed.
pub fn step(world: &World) -> Option<Answer> {
    let mut random = thread_rng();
    let (who, number) = (random.gen_range(0..WHO.len()), random.gen_range(0..2));
    let (meter, here) = (&world.meter, scope(WHO[who]));
    let (hold, debit) = (id(&format!("h{number}")), id(&format!("d{number}")));
    let answer = match random.gen_range(0..14) {
        0..3 => ask(world, draw(WHO[who], 'd', random.gen_range(0..3))),
        3..5 => ask(world, draw(WHO[who], 'h', number)),
        5 => {
            let question = draw(WHO[who], 'd', 9);
            let checked = meter.check(&question, world.now());
            assert!(!matches!(checked, Ok(Drawn::Allowed(allowed)) if allowed.seq.is_some()), "a check enters nothing");
            None
        }
        6 => settle(world, who, number, 2 * random.gen_range(0..3) + 1),
        7 => meter.release(&here, &hold, world.now()).ok().filter(|ended| !ended.replayed).map(|_| Answer::Ended),
        8 => {
            let extended = meter.extend(&here, &hold, 2 * TTL_MILLIS, world.now());
            extended.ok().filter(|ended| !ended.replayed).map(|_| Answer::Ended)
        }
        9 => {
            let part = id("r0");
            let part = random.gen_bool(0.5).then(|| (&part, credits(1)));
            let refund = meter.refund(&here, &debit, part, world.now());
            refund.ok().filter(|ended| !ended.replayed).map(|_| Answer::Ended)
        }
        10 => {
            for scope in scopes() {
                meter.expire(&scope, world.now());
            }
            None
        }
        11 => {
            world.opt(random.gen_bool(0.5));
            None
        }
        12 => {
            world.sync();
            None
        }
        _ if random.gen_bool(0.3) => {
            world.purchase();
            None
        }
        _ => {
            world.pass(random.gen_range(1..5));
            None
        }
    };
    meter.log().append_waiting();
    answer
}

fn ask(world: &World, draw: Draw) -> Option<Answer> {
    match world.with_lease(|now| world.meter.draw(&draw, now), |drawn| drawn.as_ref().is_ok_and(is_short)) {
        Ok(drawn @ Drawn::Allowed(_)) => Some(Answer::Drew(draw, drawn)),
        Ok(_) | Err(DrawFault::IdReused) => None,
        Err(fault) => panic!("{fault}"),
    }
}

fn settle(world: &World, who: usize, number: u32, cost: u32) -> Option<Answer> {
    let (scope, id) = (scope(WHO[who]), id(&format!("h{number}")));
    let urged = std::cell::Cell::new(false);
    let settle = |now| world.meter.settle(&scope, &id, credits(cost), urged.replace(true), now);
    match world.with_lease(settle, |settled| matches!(settled, Err(EndFault::Short(_)))) {
        Ok(settled) => Some(Answer::Settled(who, number, cost, settled)),
        Err(EndFault::NotFound | EndFault::HoldEnded(_)) => None,
        Err(fault) => panic!("{fault}"),
    }
}
