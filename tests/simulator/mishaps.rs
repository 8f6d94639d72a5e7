//! What people change and what breaks.

use purser::domain::{Credits, OperationId, Timestamp};
use purser::root::operate::identify;
use purser::root::{Command, Patch};

use super::network::Message;
use super::process::{Before, Phase};
use super::world::{Chaos, SUBSCRIPTION, TEAM, World, credits, id, team, user};

/// Everybody who lives is heard within this time after the store has forgotten everything.
const HEARD_MILLIS: u64 = 2_900;

/// Registers, learns where the store's ledger ends and which generation it is, and tells.
const HEARD_SYNCS: u32 = 5;

impl World {
    pub fn change(&mut self) {
        if !self.asked_again.is_empty() {
            return self.ask_again();
        }
        match self.random.below(6) {
            0 => {
                self.purchases += 1;
                let id_of = OperationId::new(&format!("p{}", self.purchases)).expect("an id");
                let hours = self.random.below(30 * 24) + 1;
                let expires_at = self.random.once_in(2).then(|| self.store.now.plus_millis(hours * 3_600_000));
                let bought = credits(1 + self.random.below(40));
                let subscription = id(SUBSCRIPTION);
                let purchase = Command::Purchase { subscription, id: id_of, credits: bought, expires_at };
                self.control(&purchase);
                self.bought.push(purchase);
            }
            1 => {
                self.terms.seats = 1 + self.random.below(4) as u32;
                let terms = self.terms.clone();
                self.control(&Command::PutSubscription { id: id(SUBSCRIPTION), terms });
            }
            2 | 3 => {
                let limit = credits(self.random.below(60));
                let cap = self.shared.truth.caps.entry("bob").or_default();
                *cap = (*cap).max(limit.micros());
                self.limit("bob", Some(limit));
            }
            _ => {
                let limit = self.random.once_in(2).then(|| credits(20));
                self.limit("cyd", limit);
            }
        }
    }

    fn limit(&mut self, name: &'static str, limit: Option<Credits>) {
        self.limits.insert(name, limit);
        let patch = Patch { limit: Some(limit), ..Patch::default() };
        self.control(&Command::PatchMember { team: team(TEAM), user: user(name), patch });
    }

    /// Control is asked for the next of what the store has forgotten.
    pub fn ask_again(&mut self) {
        if let Some(command) = self.asked_again.pop_front() {
            self.control(&command);
        }
    }

    /// The store forgets everything. Control is asked for again at once or a little later, and until the store
    /// has heard every sidecar it has not the time to go on lending.
    fn empty(&mut self) {
        self.store.empty();
        let identity = self.store.identity.to_string();
        self.store.run(|rows| identify(rows, &identity));
        self.under_way.retain(|message| matches!(message, Message::Answer(..)));
        self.shared.truth.is_rolled_back = true;
        self.asked_again = self.all_of_control().into();
        self.tell(|| "the store forgets everything".to_owned());
        let (end, is_late) = (self.store.now.plus_millis(HEARD_MILLIS), self.random.once_in(2));
        let mut unheard: Vec<usize> = (0..self.processes.len()).collect();
        while !unheard.is_empty() {
            match self.random.below(8) {
                0 => {
                    let next = self.random.below(unheard.len() as u64) as usize;
                    let at = unheard.swap_remove(next);
                    (0..HEARD_SYNCS).for_each(|_| self.exchange(at));
                }
                1 | 2 if !is_late => self.ask_again(),
                1..5 => self.act(),
                5 => self.begin_sync(),
                6 => self.deliver(),
                _ => {
                    let millis = self.random.below(200);
                    if self.store.now.plus_millis(millis) < end {
                        self.pass_millis(millis);
                    }
                }
            }
            self.check();
        }
        if is_late {
            self.pass_millis(HEARD_MILLIS);
            (0..self.processes.len()).for_each(|at| self.exchange(at));
        }
    }

    pub fn break_something(&mut self) {
        if self.chaos == Chaos::Emptied {
            return if self.random.once_in(3) { self.empty() } else { self.change() };
        }
        let at = self.any();
        let now = self.processes[at].now(&self.shared, self.start);
        let kinds = if matches!(self.chaos, Chaos::TakeOvers | Chaos::RollBacks) { 10 } else { 6 };
        match self.random.below(kinds) {
            0..3 => self.crash(at, false, now),
            3 | 4 => self.crash(at, true, now),
            5 => {
                self.processes[at].skew_millis += self.random.below(4_000) as i64 - 2_000;
                let back = self.random.below(3_000) as i64;
                let stepped = self.store.now.millis() - back;
                self.store.now = Timestamp::from_millis(stepped).expect("this century");
            }
            _ if self.chaos == Chaos::TakeOvers => self.take_over(at, now),
            _ => {
                let commits = 1 + self.random.below(8) as usize;
                let lost = self.store.roll_back(commits);
                let identity = self.store.identity.to_string();
                self.store.run(|rows| identify(rows, &identity));
                // What was on its way to the server that is gone does not reach the next one.
                self.under_way.retain(|message| matches!(message, Message::Answer(..)));
                self.shared.truth.is_rolled_back |= lost > 0;
                self.tell(|| format!("the store forgets {lost} commits"));
            }
        }
    }

    pub fn crash(&mut self, at: usize, is_host: bool, now: Timestamp) {
        let process = &self.processes[at];
        if process.phase == Phase::Gone {
            return;
        }
        let successor = process.crashed(is_host, now);
        self.shared.truth.is_lossy |= successor.before == Before::Cut;
        for entry in &process.disk.entries[successor.disk.entries.len()..] {
            self.shared.truth.cut(&entry.id);
        }
        self.tell(|| format!("process {at} dies {is_host}: {:?}", successor.before));
        self.processes[at] = successor;
    }

    fn take_over(&mut self, at: usize, now: Timestamp) {
        if self.processes.len() >= 8 || self.processes[at].phase == Phase::Gone {
            return;
        }
        self.shared.truth.is_lossy = true;
        let successor = self.processes[at].copied(now);
        self.tell(|| format!("process {at} is copied to {}", self.processes.len()));
        self.processes.push(successor);
    }
}
