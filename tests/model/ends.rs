//! The model's half of how draws end: settle, release, extend, refund, expire; and of returning.

use super::facts::{Hold, What};
use super::history::Scope;
use super::model::{Left, Model};

/// What an end or a refund is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Settled { charged: i64, returned: i64, debt: i64, late: bool, left: Left, replayed: bool },
    Done { micros: i64, until: Option<i64>, left: Left, replayed: bool },
    NotFound,
    HoldOver,
    AboveDebit(i64),
    IdReused,
    Short(u8),
    Unavailable,
}

impl Model {
    /// The hold that is known under an id.
    fn hold(&self, scope: Scope, id: u8) -> Result<Hold, Ended> {
        if self.is_full {
            return Err(Ended::Unavailable);
        }
        if let Scope::User(user) = scope
            && self.owned_by(user).is_none()
        {
            return Err(Ended::NotFound);
        }
        self.known(scope, id).and_then(|(_, hold)| hold).ok_or(Ended::NotFound)
    }

    pub fn settle(&mut self, scope: Scope, id: u8, cost: i64, urged: bool) -> Ended {
        self.try_settle(scope, id, cost, urged).unwrap_or_else(|fault| fault)
    }

    fn try_settle(&mut self, scope: Scope, id: u8, cost: i64, urged: bool) -> Result<Ended, Ended> {
        let hold = self.hold(scope, id)?;
        let place = hold.place;
        match hold.end.map(|end| &self.facts.0[end].what) {
            None | Some(What::Expired { .. }) => {}
            Some(&What::Settled { charged, returned, debt, late, .. }) if charged == cost => {
                let left = self.left(scope, &place);
                return Ok(Ended::Settled { charged, returned, debt, late, left, replayed: true });
            }
            Some(_) => return Err(Ended::HoldOver),
        }
        let late = hold.until <= self.now;
        let current = self.current(place.subscription).map(|(start, _)| start);
        let leases = &self.subscriptions[place.subscription as usize].leases;
        if late || cost > hold.micros {
            if current.is_none() && !urged {
                return Err(Ended::Short(place.subscription));
            }
            if current.is_none() && !leases.contains_key(&place.window) {
                return Err(Ended::Unavailable);
            }
        }
        if late && hold.end.is_none() {
            self.push(scope, id, What::Expired { of: hold.fact });
        }
        let free = self.free(place.subscription);
        let inside = if late { 0 } else { cost.min(hold.micros) };
        let rest = cost - inside;
        let above = (late || rest > 0).then(|| (current.unwrap_or(place.window), rest));
        let returned = if late { 0 } else { hold.micros - inside };
        let debt = (rest - free).max(0);
        self.push(scope, id, What::Settled { of: hold.fact, charged: cost, inside, above, returned, debt, late });
        let left = self.left(scope, &place);
        Ok(Ended::Settled { charged: cost, returned, debt, late, left, replayed: false })
    }

    pub fn release(&mut self, scope: Scope, id: u8) -> Ended {
        let hold = match self.hold(scope, id) {
            Ok(hold) => hold,
            Err(fault) => return fault,
        };
        let was = hold.end.map(|end| &self.facts.0[end].what);
        let replayed = matches!(was, Some(What::Released { .. }));
        if !replayed {
            if was.is_some() || hold.until <= self.now {
                return Ended::HoldOver;
            }
            self.push(scope, id, What::Released { of: hold.fact });
        }
        Ended::Done { micros: hold.micros, until: None, left: self.left(scope, &hold.place), replayed }
    }

    pub fn extend(&mut self, scope: Scope, id: u8, ttl: u64) -> Ended {
        let hold = match self.hold(scope, id) {
            Ok(hold) => hold,
            Err(fault) => return fault,
        };
        if hold.end.is_some() || hold.until <= self.now {
            return Ended::HoldOver;
        }
        let until = self.now + ttl as i64;
        if until == hold.until {
            let left = self.left(scope, &hold.place);
            return Ended::Done { micros: hold.micros, until: Some(until), left, replayed: true };
        }
        self.push(scope, id, What::Extended { of: hold.fact, until });
        let left = self.left(scope, &hold.place);
        Ended::Done { micros: hold.micros, until: Some(until), left, replayed: false }
    }

    pub fn refund(&mut self, scope: Scope, debit: u8, part: Option<(u8, i64)>) -> Ended {
        self.try_refund(scope, debit, part).unwrap_or_else(|fault| fault)
    }

    fn try_refund(&mut self, scope: Scope, debit: u8, part: Option<(u8, i64)>) -> Result<Ended, Ended> {
        if self.is_full {
            return Err(Ended::Unavailable);
        }
        if matches!(scope, Scope::User(user) if self.owned_by(user).is_none()) {
            return Err(Ended::NotFound);
        }
        let found = self.known(scope, debit).ok_or(Ended::NotFound)?;
        if let Some((own, micros)) = part
            && let Some((at, _)) = self.known(scope, own)
        {
            // A refund's answer shows what remains where its debit drew.
            return match self.facts.0[at].what {
                What::Refunded { of, micros: first, .. } if first == micros && self.facts.0[of].id == debit => {
                    let left = self.left(scope, &self.drawn_at(found.0));
                    Ok(Ended::Done { micros, until: None, left, replayed: true })
                }
                _ => Err(Ended::IdReused),
            };
        }
        let What::Drawn { place, micros, .. } = self.facts.0[found.0].what else { return Err(Ended::NotFound) };
        if found.1.is_some() {
            return Err(Ended::NotFound);
        }
        let (refunded, rest) = self.facts.refunds(found.0);
        let (own, back) = match (part, rest) {
            (Some((_, part)), _) if part > micros - refunded => return Err(Ended::AboveDebit(micros - refunded)),
            (Some((own, part)), _) => (own, part),
            (None, Some(rest)) => {
                let What::Refunded { micros, .. } = self.facts.0[rest].what else { panic!("{rest} is no refund") };
                return Ok(Ended::Done { micros, until: None, left: self.left(scope, &place), replayed: true });
            }
            (None, None) => (debit, micros - refunded),
        };
        if !self.subscriptions[place.subscription as usize].leases.contains_key(&place.window) {
            return Err(Ended::NotFound);
        }
        self.push(scope, own, What::Refunded { of: found.0, micros: back, own: part.is_some() });
        Ok(Ended::Done { micros: back, until: None, left: self.left(scope, &place), replayed: false })
    }

    fn drawn_at(&self, at: usize) -> super::facts::Place {
        match self.facts.0[at].what {
            What::Refunded { of, .. } => self.facts.place(of),
            _ => self.facts.place(at),
        }
    }

    /// Holds that have expired and whose end has not been entered, by scope and id.
    pub fn due(&self) -> Vec<(Scope, u8)> {
        let holds = self.facts.holds();
        let due = holds.iter().filter(|hold| !hold.is_entered && hold.until <= self.now);
        due.map(|hold| (hold.scope, self.facts.0[hold.fact].id)).collect()
    }

    /// The end of an expired hold was entered.
    pub fn expire(&mut self, scope: Scope, id: u8) {
        let hold = self.known(scope, id).and_then(|(_, hold)| hold).expect("a hold that is due");
        assert!(hold.until <= self.now && !hold.is_entered, "a hold expires once, and not before its time");
        self.push(scope, id, What::Expired { of: hold.fact });
    }

    /// Takes what is free in windows whose lease has run out off; answers what is returned in all.
    pub fn give_back(&mut self, subscription: u8) -> Vec<(i64, i64)> {
        let mut returns = Vec::new();
        for (start, lease) in self.subscriptions[subscription as usize].leases.clone() {
            if lease.until > self.now {
                continue;
            }
            let sums = self.of_subscription(subscription, start);
            let free = (lease.granted - lease.returned - sums.used() - sums.held).max(0);
            let lease = self.subscriptions[subscription as usize].leases.get_mut(&start).expect("a lease");
            lease.returned += free;
            returns.push((start, lease.returned));
        }
        returns
    }
}
