//! Commands that change teams, members and subscriptions, and what stands around decisions:
//!
//! ```text
//! month pool 100 seats 2 [roll 10] [for 1]      the terms: credits per seat, rollover cap and windows
//! cancel pool
//! grant pool 100 [until +1h]                    a purchase; `grant ana 5` tops ana's own subscription up
//! team beta owner bob                           assign beta pool      unassign beta
//! seat|credits|personal ana [limit 60] [role admin]      adds a member or replaces its settings
//! limit ana 60|none     optout ana     optin ana     remove ana     owner acme ana
//! feature pool          the subscription includes the whitelist; also `feature ana`
//! whitelist on m1,m2    whitelist off    policy on_pool_spend on|off
//! store away|back       journal full|ok|filling           sync pool    expire
//! ```

use std::collections::BTreeSet;

use purser::domain::{Access, Features, OperationId, Role, SubscriptionId, Timestamp};
use purser::root::{Command, Patch, Rollover, Settings, Status, Terms};

use super::names::{millis, model, subscription, team, user, who};
use super::{Answer, Teller, Words};
use crate::support::{at, credits};

impl Teller {
    /// Runs a command; `None` when there is no such one.
    pub(super) fn command(&mut self, words: &Words<'_>) -> Option<Answer> {
        let text = |at: usize| *words.0.get(at).unwrap_or_else(|| panic!("{:?} lacks a word", words.0));
        match text(0) {
            "grant" => self.grant(text(1), words),
            "month" | "cancel" | "feature" => self.put_terms(text(0), text(1), words),
            "team" => self.control(&Command::PutTeam { id: team(text(1)), name: None, owner: Some(user(text(3))) }),
            "assign" => self.control(&Command::Assign { team: team(text(1)), subscription: subscription(text(2)) }),
            "unassign" => self.control(&Command::Unassign { team: team(text(1)) }),
            "seat" | "credits" | "personal" => self.put_member(words),
            "limit" | "optout" | "optin" => self.patch(text(0), text(1), words),
            "remove" => {
                let who = who(text(1));
                self.control(&Command::RemoveMember { team: who.team.expect("a team"), user: who.user })
            }
            "owner" => {
                let (id, owner) = (team(text(1)), Some(user(text(2))));
                self.control(&Command::PutTeam { id, name: None, owner })
            }
            "whitelist" => {
                let models = words.0.get(2).map_or(BTreeSet::new(), |models| models.split(',').map(model).collect());
                self.control(&Command::PutWhitelist { team: team("acme"), enabled: text(1) == "on", models })
            }
            "policy" => self.world.meter.set_on_pool_spend(text(2) == "on"),
            "store" => self.world.store_is_away = text(1) == "away",
            "journal" if text(1) == "filling" => self.world.meter.log().fill(),
            "journal" => self.world.meter.log().set_full(text(1) == "full"),
            "sync" => drop(self.world.sync(&[subscription_of(text(1))])),
            "expire" => {
                let scopes = self.world.meter.scopes();
                let ended: usize = scopes.iter().map(|scope| self.world.meter.expire(scope, self.world.now)).sum();
                return Some(Answer::from([("ok", String::new()), ("ended", ended.to_string())]));
            }
            _ => return None,
        }
        Some(Answer::from([("ok", String::new())]))
    }

    fn control(&mut self, command: &Command) {
        self.world.control(command).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"));
    }

    fn grant(&mut self, to: &str, words: &Words<'_>) {
        let subscription = subscription_of(to);
        if !self.world.store.subscriptions.contains_key(&subscription) {
            self.put_terms("month", to, &Words(&[]));
        }
        self.purchases += 1;
        let id = OperationId::new(&format!("purchase-{}", self.purchases)).expect("an id");
        let expires_at = words.after("until").map(|until| self.instant(until));
        let credits = credits(words.0[2]);
        self.control(&Command::Purchase { subscription, id, credits, expires_at });
    }

    fn instant(&self, text: &str) -> Timestamp {
        text.strip_prefix('+').map_or_else(|| at(text), |span| self.world.now.plus_millis(millis(span)))
    }

    /// Changes the terms of a subscription, or creates one of no seats.
    fn put_terms(&mut self, what: &str, of: &str, words: &Words<'_>) {
        let id = subscription_of(of);
        let known = self.world.store.subscriptions.get(&id).map(|row| row.terms.clone());
        let owner = if of == "pool" { "olga" } else { of };
        let mut terms = known.unwrap_or_else(|| Terms {
            owner: user(owner),
            plan: String::new(),
            status: Status::Active,
            seats: 0,
            credits_per_seat: credits("0"),
            anchor: at("2026-11-01T00:00:00Z"),
            rollover: Rollover { cap: None, windows: 0 },
            features: Features::default(),
        });
        match what {
            "cancel" => terms.status = Status::Canceled,
            "feature" => terms.features.model_whitelist = true,
            _ => {
                terms.credits_per_seat = words.0.get(2).map_or(terms.credits_per_seat, |text| credits(text));
                terms.seats = words.after("seats").map_or(terms.seats, |text| text.parse().expect(text));
                terms.rollover.windows = words.after("for").map_or(terms.rollover.windows, |n| n.parse().expect(n));
                terms.rollover.cap = words.after("roll").map(credits);
            }
        }
        self.control(&Command::PutSubscription { id, terms });
    }

    fn put_member(&mut self, words: &Words<'_>) {
        let who = who(words.0[1]);
        let access: Access = words.0[0].parse().expect("an access");
        let role = words.after("role").map_or(Role::Member, |role| role.parse().expect("a role"));
        let team = who.team.expect("a team");
        let is_owner = self.world.store.teams[&team].owner == who.user;
        let role = if is_owner { Role::Owner } else { role };
        let limit = words.after("limit").map(credits);
        let settings = Settings { role, access, limit, opted_out: false };
        self.control(&Command::PutMember { team, user: who.user, settings });
    }

    fn patch(&mut self, what: &str, member: &str, words: &Words<'_>) {
        let who = who(member);
        let patch = match what {
            "limit" => {
                let limit = words.0.get(2).filter(|limit| **limit != "none").map(|limit| credits(limit));
                Patch { limit: Some(limit), ..Patch::default() }
            }
            _ => Patch { opted_out: Some(what == "optout"), ..Patch::default() },
        };
        self.control(&Command::PatchMember { team: who.team.expect("a team"), user: who.user, patch });
    }
}

/// `pool`, or the subscription that a user owns.
pub(super) fn subscription_of(name: &str) -> SubscriptionId {
    subscription(&if name == "pool" { name.to_owned() } else { format!("{name}.own") })
}
