//! The real thing and the model side by side: each step goes to both, every answer is compared.

use std::collections::BTreeSet;

use purser::domain::{Ask, Denial, Fact, Payer};
use purser::engine::{Allowed, Draw as MeterDraw, DrawFault, Drawn, EndFault, Remaining, Settled};
use purser::root::{Command, Patch, Settings};

use super::ends::Ended;
use super::facts::What;
use super::history::{Cost, Draw, MODELS, SUBSCRIPTIONS, Scope, Step, Target};
use super::model::{Answer, Deny, Lease, Left, Member, Model};
use super::setting::user;
use super::setting::{access, amount, begin, model_name, number, operation, scope, subscription, team, terms};
use super::support::World;

/// Both.
pub struct Contrast {
    pub world: World,
    pub model: Model,
    purchases: u32,
    /// Micro-credits that were ever bought.
    pub bought: i64,
}

impl Contrast {
    pub fn new() -> Self {
        let (world, model) = begin();
        let mut contrast = Self { world, model, purchases: 0, bought: 0 };
        contrast.follow_leases();
        contrast
    }

    /// Takes one step.
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Nothing => {}
            Step::Draw(draw) => self.draw(draw),
            Step::Again { back } => {
                if let Some(draw) = self.drawn(*back, |_| true).map(|(_, draw)| draw.clone()) {
                    self.draw(&draw);
                }
            }
            Step::Settle { of, cost } => {
                if let Some((scope, id)) = self.target(*of, true) {
                    self.settle(scope, id, self.cost(scope, id, *cost));
                }
            }
            Step::Release { of } | Step::Extend { of, .. } | Step::Refund { of, .. } => {
                if let Some((scope, id)) = self.target(*of, !matches!(step, Step::Refund { .. })) {
                    self.end(step, scope, id);
                }
            }
            Step::Expire => self.expire(),
            Step::Sync { subscriptions, is_lost } => self.sync(subscriptions, *is_lost),
            Step::Pass { millis } => {
                self.world.pass(*millis);
                self.model.now = self.world.now.millis();
            }
            Step::OnPoolSpend { on } => {
                self.world.meter.set_on_pool_spend(*on);
                self.model.on_pool_spend = *on;
            }
            Step::Journal { is_full } => {
                self.world.meter.log().set_full(*is_full);
                self.model.is_full = *is_full;
            }
            Step::Store { is_away } => self.world.store_is_away = *is_away,
            _ => self.control(step),
        }
        assert_eq!(self.world.meter.log().last(), self.model.facts.0.len() as u64, "what is accepted is entered");
    }

    /// A draw that was accepted and counts, so many before the last.
    fn drawn(&self, back: u8, counts: impl Fn(&Draw) -> bool) -> Option<(Scope, &Draw)> {
        let mut draws = self.model.facts.0.iter().rev().filter_map(|fact| match &fact.what {
            What::Drawn { draw, .. } if counts(draw) => Some((fact.scope, draw)),
            _ => None,
        });
        draws.nth(usize::from(back))
    }

    fn target(&self, of: Target, is_hold: bool) -> Option<(Scope, u8)> {
        match of {
            Target::Recent(back) => {
                self.drawn(back, |draw| draw.ttl.is_some() == is_hold).map(|(scope, draw)| (scope, draw.id))
            }
            Target::Named(scope, id) => Some((scope, id)),
        }
    }

    fn cost(&self, scope: Scope, id: u8, cost: Cost) -> i64 {
        let hold = self.model.known(scope, id).and_then(|(_, hold)| hold);
        let held = hold.as_ref().map_or(0, |hold| hold.micros);
        let settled = hold.and_then(|hold| hold.end).map(|end| &self.model.facts.0[end].what);
        match (cost, settled) {
            (Cost::Same, Some(What::Settled { charged, .. })) => *charged,
            (Cost::Same, _) => held,
            (Cost::Half, _) => held / 2,
            (Cost::Double, _) => held * 2,
            (Cost::Micros(micros), _) => micros,
        }
    }

    fn draw(&mut self, draw: &Draw) {
        let asked = meter_draw(draw);
        for second in [false, true] {
            let predicted = self.model.draw(draw);
            let (meter, now) = (&self.world.meter, self.world.now);
            let answer = if draw.is_check { meter.check(&asked, now) } else { meter.draw(&asked, now) };
            assert_eq!(plain(answer), predicted, "{draw:?}");
            match predicted {
                Answer::Short(short) if !second && !self.world.store_is_away => self.sync(&[short], false),
                _ => return,
            }
        }
    }

    fn settle(&mut self, of: Scope, id: u8, micros: i64) {
        for urged in [false, true] {
            let predicted = self.model.settle(of, id, micros, urged);
            let settled = self.world.meter.settle(&scope(of), &operation(id), amount(micros), urged, self.world.now);
            assert_eq!(plain_settled(settled), predicted, "settle {of:?} {id} {micros}");
            let Ended::Short(short) = predicted else { return };
            if !self.world.store_is_away {
                self.sync(&[short], false);
            }
        }
        panic!("an urged settle is never short");
    }

    fn end(&mut self, step: &Step, of: Scope, id: u8) {
        let (meter, now) = (&self.world.meter, self.world.now);
        let (answer, predicted) = match step {
            Step::Release { .. } => (meter.release(&scope(of), &operation(id), now), self.model.release(of, id)),
            Step::Extend { ttl, .. } => {
                (meter.extend(&scope(of), &operation(id), *ttl, now), self.model.extend(of, id, *ttl))
            }
            Step::Refund { part, .. } => {
                let own = part.map(|(own, micros)| (operation(own), amount(micros)));
                let own = own.as_ref().map(|(own, credits)| (own, *credits));
                let answer = meter.refund(&scope(of), &operation(id), own, now);
                (answer, self.model.refund(of, id, *part))
            }
            other => unreachable!("{other:?} ends nothing"),
        };
        let answer = answer.map(|ended| Ended::Done {
            micros: ended.credits.micros(),
            until: ended.expires_at.map(|at| at.millis()),
            left: plain_left(ended.remaining),
            replayed: ended.replayed,
        });
        assert_eq!(answer.unwrap_or_else(plain_fault), predicted, "{step:?}");
    }

    fn expire(&mut self) {
        let (before, due) = (self.world.meter.log().last(), self.model.due());
        let expired: usize =
            self.world.meter.scopes().iter().map(|scope| self.world.meter.expire(scope, self.world.now)).sum();
        assert_eq!(expired, if self.model.is_full { 0 } else { due.len() }, "all that is due expires");
        for entry in self.world.meter.log().after(before) {
            assert!(matches!(entry.fact, Fact::Expired { .. }), "{entry:?}");
            let of_user = || Scope::User(number(entry.drawer.member.as_str()));
            let of = entry.drawer.team.as_ref().map_or_else(of_user, |team| Scope::Team(number(team.as_str())));
            self.model.expire(of, number(entry.id.as_str()));
        }
    }

    /// Syncs; a lost report or answer is followed by a repetition.
    pub fn sync(&mut self, subscriptions: &[u8], is_lost: bool) {
        if self.world.store_is_away {
            return;
        }
        let wanted: BTreeSet<_> = subscriptions.iter().copied().collect();
        let ids: Vec<_> = wanted.iter().copied().map(subscription).collect();
        let returns = self.world.meter.give_back(&ids, self.world.now);
        for wanted in wanted {
            let returned = returns[&subscription(wanted)].iter().map(|(at, credits)| (at.millis(), credits.micros()));
            assert_eq!(returned.collect::<Vec<_>>(), self.model.give_back(wanted), "what s{wanted} gives back");
        }
        if is_lost {
            self.world.report(&returns, false, false);
            self.world.report(&returns, true, false);
            self.world.report(&returns, true, false);
        }
        self.world.report(&returns, true, true);
        self.follow_leases();
    }

    /// Tells the model what is lent.
    fn follow_leases(&mut self) {
        for number in 0..SUBSCRIPTIONS {
            let named = &self.world.lent[&subscription(number)];
            let mut known = self.model.subscriptions[number as usize].leases.clone();
            let is_named = |start: i64| named.iter().any(|lease| lease.window.start.millis() == start);
            known.retain(|&start, _| is_named(start) || self.model.of_subscription(number, start).held > 0);
            for lease in named {
                let was = known.get(&lease.window.start.millis()).copied();
                let (granted, returned) = (lease.granted.micros(), lease.returned.micros());
                assert!(was.is_none_or(|was| was.granted <= granted), "what was lent in all never falls");
                let returned = was.map_or(returned, |was| was.returned.max(returned));
                let (end, until) = (lease.window.end.millis(), lease.until.millis());
                known.insert(lease.window.start.millis(), Lease { end, granted, returned, until });
            }
            self.model.subscriptions[number as usize].leases = known;
        }
    }

    fn control(&mut self, step: &Step) {
        let command = self.command(step);
        let done = self.world.control(&command).is_ok();
        if done {
            self.follow(step);
        }
        self.follow_leases();
    }

    fn command(&mut self, step: &Step) -> Command {
        let patch = |of: u8, member: u8, patch| Command::PatchMember { team: team(of), user: user(member), patch };
        match step {
            Step::Limit { team, user, micros } => {
                patch(*team, *user, Patch { limit: Some(micros.map(amount)), ..Patch::default() })
            }
            Step::Access { team, user, access: given } => {
                patch(*team, *user, Patch { access: Some(access(*given)), ..Patch::default() })
            }
            Step::OptOut { team, user, out } => {
                patch(*team, *user, Patch { opted_out: Some(*out), ..Patch::default() })
            }
            Step::Remove { team: of, user: member } => Command::RemoveMember { team: team(*of), user: user(*member) },
            Step::Join { team: of, user: member, access: given, micros } => {
                let (access, limit) = (access(*given), micros.map(amount));
                let settings = Settings { access, limit, ..Settings::default() };
                Command::PutMember { team: team(*of), user: user(*member), settings }
            }
            Step::Whitelist { team: of, enabled, models } => {
                let models = (0..MODELS).filter(|model| models & (1 << model) != 0).map(model_name).collect();
                Command::PutWhitelist { team: team(*of), enabled: *enabled, models }
            }
            Step::Assign { team: of, subscription: pool } => {
                Command::Assign { team: team(*of), subscription: subscription(*pool) }
            }
            Step::Unassign { team: of } => Command::Unassign { team: team(*of) },
            Step::Purchase { subscription: of, micros, millis } => {
                self.purchases += 1;
                let id = purser::domain::OperationId::new(&format!("buy{}", self.purchases)).expect("an id");
                let expires_at = millis.map(|millis| self.world.now.plus_millis(millis));
                Command::Purchase { subscription: subscription(*of), id, credits: amount(*micros), expires_at }
            }
            Step::Seats { subscription: of, seats } => {
                Command::PutSubscription { id: subscription(*of), terms: terms(*of, *seats) }
            }
            other => unreachable!("{other:?} is no change of control"),
        }
    }

    /// What a change that was made means to the model.
    fn follow(&mut self, step: &Step) {
        let Model { teams, subscriptions, .. } = &mut self.model;
        match *step {
            Step::Limit { team, user, micros } => member(teams, team, user).limit = micros,
            Step::Access { team, user, access } => member(teams, team, user).access = access,
            Step::OptOut { team, user, out } => member(teams, team, user).is_out = out,
            Step::Remove { team, user } => member(teams, team, user).is_removed = true,
            Step::Join { team, user, access, micros } => {
                let joined = Member { access, limit: micros, ..Member::default() };
                teams[team as usize].members.insert(user, joined);
            }
            Step::Whitelist { team, enabled, models } => {
                let team = &mut teams[team as usize];
                team.is_enabled = enabled;
                team.models = (0..MODELS).filter(|model| models & (1 << model) != 0).collect();
            }
            Step::Assign { team, subscription } => {
                teams[team as usize].subscription = Some(subscription);
                subscriptions[subscription as usize].team = Some(team);
            }
            Step::Unassign { team } => {
                let team = &mut teams[team as usize];
                let pool = team.subscription.take().expect("what is unassigned was assigned");
                subscriptions[pool as usize].team = None;
                team.members.values_mut().for_each(|member| member.access = 2);
            }
            Step::Purchase { micros, .. } => self.bought += micros,
            _ => {}
        }
    }
}

fn member(teams: &mut [super::model::Team], team: u8, user: u8) -> &mut Member {
    teams[team as usize].members.get_mut(&user).expect("who is changed is a member")
}

pub fn meter_draw(draw: &Draw) -> MeterDraw {
    let min_credits = draw.min.map(amount);
    let ask = Ask { credits: amount(draw.micros), min_credits, model: draw.model.map(model_name) };
    let (team, member) = (draw.team.map(team), user(draw.user));
    MeterDraw { id: operation(draw.id), team, member, ask, ttl_millis: draw.ttl }
}

fn plain(answer: Result<Drawn, DrawFault>) -> Answer {
    match answer {
        Ok(Drawn::Allowed(allowed)) => plain_allowed(&allowed),
        Ok(Drawn::Denied(denial)) => Answer::Deny(plain_denial(&denial)),
        Ok(Drawn::Short(short)) => Answer::Short(number(short.as_str())),
        Err(DrawFault::IdReused) => Answer::IdReused,
        Err(fault) => panic!("{fault}"),
    }
}

pub fn plain_allowed(allowed: &Allowed) -> Answer {
    Answer::Allow {
        micros: allowed.credits.micros(),
        on_pool: allowed.payer == Payer::Pool,
        subscription: number(allowed.subscription.as_str()),
        until: allowed.expires_at.map(|at| at.millis()),
        left: plain_left(allowed.remaining),
        replayed: allowed.replayed,
    }
}

fn plain_left(remaining: Remaining) -> Left {
    (remaining.member.map(|left| left.micros()), remaining.payer.micros())
}

fn plain_denial(denial: &Denial) -> Deny {
    Deny {
        reason: denial.reason.as_str(),
        next: denial.next_step.as_str(),
        numbers: denial.numbers.map(|n| (n.limit.micros(), n.used.micros(), n.held.micros())),
        resets: denial.resets_at.map(|at| at.millis()),
        retry: denial.retry_after_ms.map(|millis| millis as i64),
        debt: denial.debt.map(|debt| debt.micros()),
    }
}

fn plain_settled(settled: Result<Settled, EndFault>) -> Ended {
    let settled = settled.map(|settled| Ended::Settled {
        charged: settled.charged.micros(),
        returned: settled.returned.micros(),
        debt: settled.debt.micros(),
        late: settled.late,
        left: plain_left(settled.remaining),
        replayed: settled.replayed,
    });
    settled.unwrap_or_else(plain_fault)
}

fn plain_fault(fault: EndFault) -> Ended {
    match fault {
        EndFault::NotFound => Ended::NotFound,
        EndFault::HoldEnded(_) => Ended::HoldEnded,
        EndFault::AboveDebit { left } => Ended::AboveDebit(left.micros()),
        EndFault::IdReused => Ended::IdReused,
        EndFault::Short(short) => Ended::Short(number(short.as_str())),
        EndFault::Unavailable => Ended::Unavailable,
        EndFault::OutOfRange(fault) => panic!("{fault}"),
    }
}
