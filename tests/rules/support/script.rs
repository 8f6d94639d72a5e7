//! Tables of lines, one step each, that read as the story of a test. `# ` begins a remark.
//!
//! ```text
//! at 2026-01-15T00:00:00Z                      the time from here on
//! ACTOR subscription s1 owner=ana seats=2 credits=100 anchor=2026-01-01 cap=50 windows=1 features status=canceled
//! ACTOR purchase s1 p1 50 expires=2026-02-01T00:00:00Z
//! ACTOR team acme name=Acme owner=bo
//! ACTOR assign acme s1 / unassign acme
//! ACTOR member acme bo role=admin access=seat limit=50 opted_out=true
//! ACTOR patch acme bo access=credits limit=none
//! ACTOR remove acme bo
//! ACTOR bulk acme bo,cy access=seat            or `all`; `rows` for one by one
//! ACTOR whitelist acme on m1,m2
//! ... => created | changed | same | deleted | a refusal's code | bulk bo=ok cy=no_free_seat
//! log granted:monthly:200                      what the last command or sync recorded, in order
//! see acme owner=ana / see acme/bo access=seat / see s1 remaining=70
//! spend s1 30, hold s1 30, drop s1 30, refund s1 30, owe s1 30     by the sidecar; `=> short` where it may not
//! ... in 2026-01-15                            in the window of then; else in the current one
//! sync s1                                      the sidecar reports and learns
//! ```
//! The actor `root` is a service token; every other name is a user.

use std::collections::BTreeMap;

use purser::domain::{Credits, Features, SubscriptionId, TeamId, Timestamp, UserId};
use purser::root::sync::granted;
use purser::root::{
    Actor, Change, Command, Done, Outcome, Patch, Refusal, Rollover, Selection, Settings, Status, Terms,
};

use super::holder::{Held, Holder};
use super::{see, world::World};

/// Runs a table; panics with the line that does not hold.
pub fn check(script: &str) {
    let mut table = Table { world: World::new(at("2026-01-01")), holders: BTreeMap::new(), recorded: Vec::new() };
    for line in script.lines().map(|line| line.split("# ").next().unwrap_or_default().trim()) {
        if !line.is_empty() {
            table.step(line);
        }
    }
}

struct Table {
    world: World,
    holders: BTreeMap<SubscriptionId, Holder>,
    recorded: Vec<Change>,
}

impl Table {
    fn step(&mut self, line: &str) {
        let (line_words, expected) =
            line.split_once("=>").map_or((line, ""), |(words, expected)| (words, expected.trim()));
        let words: Vec<&str> = line_words.split_whitespace().collect();
        match words[..] {
            ["at", time] => self.world.now = at(time),
            ["log", ..] => {
                let recorded: Vec<_> = self.recorded.iter().map(see::change).collect();
                assert_eq!(recorded, words[1..], "{line}");
            }
            ["see", name, ..] => self.see(name, &words[2..], line),
            ["sync", id] => self.sync(id),
            ["spend" | "hold" | "drop" | "refund" | "owe", id, credits] => {
                let window = self.window_of(id, self.world.now);
                self.draw(words[0], id, amount(credits), window, expected, line);
            }
            ["spend" | "hold" | "drop" | "refund" | "owe", id, credits, "in", start] => {
                self.draw(words[0], id, amount(credits), at(start), expected, line);
            }
            [actor, verb, ..] => {
                let (command, atomic) = (command(verb, &words[2..], line), words[1]);
                let answer = self.world.control(&command, &actor_of(actor));
                self.after_control(&command);
                assert_eq!(outcome(&answer), expected, "{line}: {answer:?} {atomic}");
                self.recorded = answer.map(|done| done.changes).unwrap_or_default();
            }
            _ => panic!("what is {line}?"),
        }
    }

    /// The sidecar that answers a command learns what it changed before the answer leaves.
    fn after_control(&mut self, command: &Command) {
        let (Command::PutSubscription { id, .. } | Command::Purchase { subscription: id, .. }) = command else {
            return;
        };
        let Some(subscription) = self.world.subscription(id) else { return };
        self.holders.entry(id.clone()).or_default().learn(&subscription.leases());
    }

    fn see(&self, name: &str, wanted: &[&str], line: &str) {
        let found = if let Some((team, user)) = name.split_once('/') {
            see::member(self.world.member(&team_id(team), &user_id(user)).expect(line))
        } else if let Some(team) = self.world.team(&team_id(name)) {
            see::team(team)
        } else {
            see::subscription(self.world.subscription(&subscription_id(name)).expect(line), self.world.now)
        };
        for word in wanted {
            assert!(found.iter().any(|f| f == word), "{line}\n  wanted {word}\n  found  {}", found.join(" "));
        }
    }

    fn sync(&mut self, id: &str) {
        let id = subscription_id(id);
        let before = self.world.subscription(&id).expect("a subscription to sync").clone();
        let mut after = before.clone();
        self.holders.entry(id).or_default().sync(&mut after, self.world.now, self.world.now);
        self.recorded = granted(&before, &after);
        self.world.put_subscription(after);
    }

    fn window_of(&mut self, id: &str, now: Timestamp) -> Timestamp {
        let holder = self.holders.entry(subscription_id(id)).or_default();
        holder.current(now).map_or(now, |held| held.lease.window.start)
    }

    fn draw(&mut self, verb: &str, id: &str, credits: Credits, window: Timestamp, expected: &str, line: &str) {
        let (now, id) = (self.world.now, subscription_id(id));
        let anchor = self.world.subscription(&id).expect(line).terms.anchor;
        let holder = self.holders.entry(id).or_default();
        let may_spend = holder.may_spend(now);
        let fits = verb != "spend" && verb != "hold" || credits <= may_spend;
        assert_eq!(fits, expected != "short", "{line}: {may_spend} may be spent");
        if fits {
            draw(holder.account_of(window, anchor), verb, credits);
        }
    }
}

fn draw(held: &mut Held, verb: &str, credits: Credits) {
    match verb {
        "spend" | "owe" => held.spent = held.spent.plus(credits),
        "hold" => held.held = held.held.plus(credits),
        "drop" => held.held = held.held.minus(credits),
        _ => held.refunded = held.refunded.plus(credits),
    }
}

fn outcome(answer: &Result<Done, Refusal>) -> String {
    let rows = |rows: &[(UserId, Result<(), Refusal>)]| {
        let row = |(user, result): &(UserId, Result<(), Refusal>)| {
            format!(" {user}={}", result.as_ref().map_or_else(code, |()| "ok".to_owned()))
        };
        rows.iter().map(row).collect::<String>()
    };
    match answer {
        Ok(Done { outcome: Outcome::Bulk(results), .. }) => format!("bulk{}", rows(results)),
        Ok(Done { outcome: Outcome::Changed, changes }) if changes.is_empty() => "same".to_owned(),
        Ok(Done { outcome: Outcome::Changed, .. }) => "changed".to_owned(),
        Ok(Done { outcome: Outcome::Created, .. }) => "created".to_owned(),
        Ok(Done { outcome: Outcome::Deleted, .. }) => "deleted".to_owned(),
        Err(Refusal::Bulk(results)) => format!("refused{}", rows(results)),
        Err(refusal) => code(refusal),
    }
}

fn code(refusal: &Refusal) -> String {
    assert!(!refusal.to_string().is_empty(), "a refusal says why");
    match refusal {
        Refusal::Forbidden(_) => "forbidden".to_owned(),
        Refusal::NotFound { what, .. } => format!("no_{what}"),
        Refusal::Conflict { code, .. } => (*code).to_owned(),
        Refusal::Invalid { pointer, .. } => format!("invalid {pointer}"),
        Refusal::Bulk(_) => panic!("a row is no bulk change"),
    }
}

fn command(verb: &str, words: &[&str], line: &str) -> Command {
    let named: BTreeMap<&str, &str> = words.iter().filter_map(|word| word.split_once('=')).collect();
    let plain: Vec<&str> = words.iter().copied().filter(|word| !word.contains('=')).collect();
    let team = || team_id(plain[0]);
    match (verb, &plain[..]) {
        ("subscription", [id, ..]) => {
            Command::PutSubscription { id: subscription_id(id), terms: terms(&named, &plain) }
        }
        ("purchase", [subscription, id, credits]) => Command::Purchase {
            subscription: subscription_id(subscription),
            id: purser::domain::OperationId::new(id).expect(line),
            credits: amount(credits),
            expires_at: named.get("expires").map(|time| at(time)),
        },
        ("team", [id]) => Command::PutTeam {
            id: team_id(id),
            name: named.get("name").map(|name| (*name).to_owned()),
            owner: named.get("owner").map(|owner| user_id(owner)),
        },
        ("assign", [_, subscription]) => Command::Assign { team: team(), subscription: subscription_id(subscription) },
        ("unassign", [_]) => Command::Unassign { team: team() },
        ("member", [_, user]) => Command::PutMember { team: team(), user: user_id(user), settings: settings(&named) },
        ("patch", [_, user]) => Command::PatchMember { team: team(), user: user_id(user), patch: patch(&named) },
        ("remove", [_, user]) => Command::RemoveMember { team: team(), user: user_id(user) },
        ("bulk" | "rows", [_, who]) => {
            let members = match *who {
                "all" => Selection::All,
                names => Selection::Named(names.split(',').map(user_id).collect()),
            };
            Command::BulkMembers { team: team(), members, set: patch(&named), atomic: verb == "bulk" }
        }
        ("whitelist", [_, switch, models @ ..]) => {
            let models = models.iter().flat_map(|models| models.split(','));
            let models = models.map(|model| purser::domain::Model::new(model).expect(line)).collect();
            Command::PutWhitelist { team: team(), enabled: *switch == "on", models }
        }
        _ => panic!("what is {line}?"),
    }
}

fn terms(named: &BTreeMap<&str, &str>, plain: &[&str]) -> Terms {
    let number = |name, default| named.get(name).map_or(default, |text| text.parse().expect("a number"));
    let on = plain.contains(&"features");
    Terms {
        owner: user_id(named["owner"]),
        plan: "pro".to_owned(),
        status: if plain.contains(&"canceled") { Status::Canceled } else { Status::Active },
        seats: number("seats", 1),
        credits_per_seat: amount(named.get("credits").unwrap_or(&"100")),
        anchor: at(named.get("anchor").unwrap_or(&"2026-01-01")),
        rollover: Rollover { cap: named.get("cap").map(|cap| amount(cap)), windows: number("windows", 1) },
        features: Features { private_workflows: on, save_history: on, model_whitelist: on },
    }
}

fn settings(named: &BTreeMap<&str, &str>) -> Settings {
    let Patch { role, access, limit, opted_out } = patch(named);
    Settings {
        role: role.unwrap_or_default(),
        access: access.unwrap_or_default(),
        limit: limit.unwrap_or_default(),
        opted_out: opted_out.unwrap_or_default(),
    }
}

fn patch(named: &BTreeMap<&str, &str>) -> Patch {
    Patch {
        role: named.get("role").map(|text| text.parse().expect("a role")),
        access: named.get("access").map(|text| text.parse().expect("an access")),
        limit: named.get("limit").map(|text| (*text != "none").then(|| amount(text))),
        opted_out: named.get("opted_out").map(|text| *text == "true"),
    }
}

fn actor_of(name: &str) -> Actor {
    if name == "root" { Actor::Service("ops".to_owned()) } else { Actor::User(user_id(name)) }
}

/// An instant, or the first one of a day.
pub fn at(text: &str) -> Timestamp {
    let full = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    full.parse().expect("a time")
}

pub fn amount(text: &str) -> Credits {
    text.parse().expect("credits")
}

fn team_id(text: &str) -> TeamId {
    TeamId::new(text).expect("a team")
}

pub fn user_id(text: &str) -> UserId {
    UserId::new(text).expect("a user")
}

pub fn subscription_id(text: &str) -> SubscriptionId {
    SubscriptionId::new(text).expect("a subscription")
}
