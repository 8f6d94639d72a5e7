//! Whatever happens in whatever order, no credit is made, lent twice or lost on the way.
//!
//! A random story of control, time and a sidecar that spends within its leases (and sometimes owes)
//! runs against the root. A count outside of the root says what came in and what was spent.

use std::collections::BTreeMap;

use proptest::prelude::*;
use purser::domain::{Credits, Features, OperationId, Timestamp, Window};
use purser::root::{GrantKind, Rollover, SOLE, Status, Subscription, Terms, windows};

use crate::support::holder::Holder;
use crate::support::script::{at, subscription_id, user_id};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes, by hours.
    Pass(u32),
    /// Credits are bought that expire after some hours, or never.
    Purchase(u32, Option<u32>),
    /// Another number of seats, cap and windows of rollover, perhaps canceled.
    Put(u32, Option<u32>, u32, bool),
    /// The sidecar spends a share (of 8) of what it may.
    Spend(u32),
    /// It sets aside a share of what it may.
    Hold(u32),
    /// It ends the holds of an account, counted from the newest, spending a share of them.
    End(usize, u32),
    /// It refunds a share of what an account spent.
    Refund(usize, u32),
    /// It settles above everything that is left.
    Owe(u32),
    /// It reports and learns.
    Sync,
    /// The clock steps back, by minutes.
    Rewind(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![1_u32..48, 300_u32..800, 1_000_u32..4_000].prop_map(Step::Pass),
        3 => (1_u32..60, proptest::option::of(1_u32..900)).prop_map(|(credits, hours)| Step::Purchase(credits, hours)),
        2 => (0_u32..4, proptest::option::of(0_u32..120), 0_u32..4, proptest::bool::weighted(0.1))
            .prop_map(|(seats, cap, windows, canceled)| Step::Put(seats, cap, windows, canceled)),
        6 => (1_u32..=8).prop_map(Step::Spend),
        4 => (1_u32..=8).prop_map(Step::Hold),
        4 => (0_usize..3, 0_u32..=8).prop_map(|(back, share)| Step::End(back, share)),
        2 => (0_usize..3, 0_u32..=8).prop_map(|(back, share)| Step::Refund(back, share)),
        1 => (1_u32..50).prop_map(Step::Owe),
        8 => Just(Step::Sync),
        1 => (1_u32..90).prop_map(Step::Rewind),
    ]
}

struct Story {
    /// The root's clock, which may step back.
    now: Timestamp,
    /// The sidecar's, which it keeps from stepping back.
    seen: Timestamp,
    root: Subscription,
    holder: Holder,
    /// Monthly and purchased credits that came in, by window or number; rollover is no new credit.
    came_in: BTreeMap<(GrantKind, u64), Credits>,
    /// Settled above what the sidecar had.
    owed: Credits,
    purchases: u32,
    /// The highest cap of a rollover that the terms ever had.
    cap_max: Credits,
}

/// The most that one window grants here, and with it the cap where the terms have none.
const MONTH_MAX: u32 = 3 * 40;

fn credits(whole: u32) -> Credits {
    Credits::from_credits(whole).expect("small")
}

fn share(of: Credits, eighths: u32) -> Credits {
    Credits::from_micros(of.micros() / 8 * i64::from(eighths)).expect("a share")
}

fn terms(seats: u32, cap: Option<u32>, windows: u32, canceled: bool) -> Terms {
    Terms {
        owner: user_id("ana"),
        plan: String::new(),
        status: if canceled { Status::Canceled } else { Status::Active },
        seats,
        credits_per_seat: credits(40),
        anchor: at("2026-01-31"),
        rollover: Rollover { cap: cap.map(credits), windows },
        features: Features::default(),
    }
}

impl Story {
    fn new() -> Self {
        let now = at("2026-02-01");
        let root = Subscription::new(subscription_id("s1"), terms(2, Some(25), 1, false), now);
        let (owed, came_in) = (Credits::ZERO, BTreeMap::new());
        let mut story =
            Self { now, seen: now, root, holder: Holder::default(), came_in, owed, purchases: 0, cap_max: credits(25) };
        story.count();
        story.sync();
        story
    }

    fn run(&mut self, step: &Step) {
        self.count_unseen();
        match *step {
            Step::Pass(hours) => {
                self.now = self.now.plus_millis(u64::from(hours) * 3_600_000);
                self.seen = self.seen.max(self.now);
            }
            Step::Rewind(minutes) => {
                self.now = Timestamp::from_millis(self.now.millis() - i64::from(minutes) * 60_000).expect("2026");
            }
            Step::Purchase(bought, hours) => {
                let expires_at = hours.map(|hours| self.now.plus_millis(u64::from(hours) * 3_600_000));
                self.purchases += 1;
                let id = OperationId::new(&format!("p{}", self.purchases)).expect("an id");
                self.root.advance(self.now);
                self.root.purchase(&id, credits(bought), expires_at, self.now);
                self.learn();
            }
            Step::Put(seats, cap, windows, canceled) => {
                self.cap_max = self.cap_max.max(credits(cap.unwrap_or(MONTH_MAX)));
                self.root.put_terms(terms(seats, cap, windows, canceled), self.now);
                self.learn();
            }
            Step::Sync => self.sync(),
            Step::Spend(eighths) => {
                let part = share(self.holder.may_spend(self.seen), eighths);
                self.holder.current(self.seen).into_iter().for_each(|held| held.spent = held.spent.plus(part));
            }
            Step::Hold(eighths) => {
                let part = share(self.holder.may_spend(self.seen), eighths);
                self.holder.current(self.seen).into_iter().for_each(|held| held.held = held.held.plus(part));
            }
            Step::End(back, eighths) => {
                let Some(held) = self.holder.accounts.values_mut().rev().nth(back) else { return };
                held.spent = held.spent.plus(share(held.held, eighths));
                held.held = Credits::ZERO;
            }
            Step::Refund(back, eighths) => {
                let Some(held) = self.holder.accounts.values_mut().rev().nth(back) else { return };
                held.refunded = held.refunded.plus(share(held.spent.minus(held.refunded), eighths));
            }
            Step::Owe(above) => {
                let held = self.holder.account_of(self.seen, self.root.terms.anchor);
                held.spent = held.spent.plus(held.free()).plus(credits(above));
                self.owed = self.owed.plus(credits(above));
            }
        }
        self.count();
        self.check();
    }

    fn learn(&mut self) {
        let leases = self.root.lend_all(self.now);
        self.holder.learn(&leases);
    }

    fn sync(&mut self) {
        self.holder.sync(&mut self.root, self.seen, self.now);
    }

    /// Notes what came in. What rolled over from a window that went by unseen counts as new.
    fn count(&mut self) {
        self.count_of(&self.root.clone());
    }

    /// Notes what comes in with windows that go by between two looks: a debt may take all of it, and then
    /// nothing of it is left to be seen.
    fn count_unseen(&mut self) {
        let mut root = self.root.clone();
        while root.open_account().window.end <= self.now {
            root.advance(root.open_account().window.end);
            self.count_of(&root);
        }
    }

    fn count_of(&mut self, root: &Subscription) {
        for grant in &root.grants {
            let monthly = (GrantKind::Monthly, grant.origin.millis().unsigned_abs());
            let key = match grant.kind {
                GrantKind::Purchased => (grant.kind, grant.number),
                GrantKind::Monthly => monthly,
                GrantKind::Rollover if self.came_in.contains_key(&monthly) => continue,
                GrantKind::Rollover => (grant.kind, grant.number),
            };
            let sum = self.came_in.entry(key).or_default();
            *sum = grant.credits.max(*sum);
        }
    }

    fn check(&self) {
        let root = &self.root;
        for grant in &root.grants {
            assert!(grant.burned <= grant.credits, "{grant:?} is burned twice");
            let rolled = grant.kind == GrantKind::Rollover;
            assert!(!rolled || grant.credits <= self.cap_max, "{grant:?} is above every cap there was");
        }
        for account in &root.accounts {
            assert!(account.out() <= account.of(SOLE).granted, "no more is out than was lent");
            let sealed = account.window != root.open_account().window;
            assert!(!sealed || account.of(SOLE).until <= account.window.end, "a lease ends with its window");
        }
        let open = root.open_account();
        let now = self.now.max(open.window.start);
        let kinds = [GrantKind::Rollover, GrantKind::Monthly, GrantKind::Purchased];
        let total = kinds.iter().fold(Credits::ZERO, |sum, &kind| sum.plus(root.total(kind, now)));
        if open.window.contains(now) {
            assert_eq!(total, root.left(now).plus(open.burned()), "a total is what is left and what was used");
        }
        let covered = open.burned().plus(root.left(now));
        let is_valid = self.seen < open.of(SOLE).until;
        assert!(
            !is_valid || open.out() <= covered || !open.debt().is_zero(),
            "a valid lease is covered at {}: {root:#?}",
            self.now
        );
    }

    /// Once everything is reported and returned, what was spent is what came in and what is owed.
    fn settle(&mut self) {
        let ends: Vec<_> = (0..3).map(|_| Step::Sync).collect();
        for held in self.holder.accounts.values_mut() {
            held.held = Credits::ZERO;
        }
        ends.iter().for_each(|step| self.run(step));
        let sum = |amounts: &mut dyn Iterator<Item = Credits>| amounts.fold(Credits::ZERO, Credits::plus);
        // What is first told of a window of long ago is in the ledger alone: its account may have been forgotten.
        let (anchor, open) = (self.root.terms.anchor, self.root.open_account().window);
        let is_kept = |start: Timestamp| {
            open.end < Window::containing(anchor, start).end.plus_millis(windows::ACCOUNT_KEPT_MILLIS)
        };
        let kept = self.holder.accounts.iter().filter(|(start, _)| is_kept(**start));
        let spent = sum(&mut kept.map(|(_, held)| held.spent.minus(held.refunded)));
        let came_in = sum(&mut self.came_in.values().copied());
        let debt = sum(&mut self.root.accounts.iter().map(|account| account.debt()));
        assert!(spent <= came_in.plus(debt), "spent {spent} of {came_in} with a debt of {debt}");
        assert!(debt <= self.owed, "a debt of {debt}, but only {} was settled above", self.owed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn credits_are_conserved(steps in proptest::collection::vec(step(), 1..120)) {
        let mut story = Story::new();
        for step in &steps {
            story.run(step);
        }
        story.settle();
    }

    /// Looking at a subscription every few hours leaves what looking at it once leaves.
    #[test]
    fn idle_time_is_the_same_in_one_step_and_in_many(
        steps in proptest::collection::vec(step(), 0..20),
        hours in proptest::collection::vec(1_u32..700, 1..12),
    ) {
        let mut story = Story::new();
        steps.iter().for_each(|step| story.run(step));
        let (mut once, mut often, mut now) = (story.root.clone(), story.root.clone(), story.now);
        for hours in hours {
            now = now.plus_millis(u64::from(hours) * 3_600_000);
            often.advance(now);
        }
        once.advance(now);
        let alive = |s: &Subscription| -> Vec<_> {
            s.grants.iter().filter(|g| g.is_alive(now)).map(|g| (g.kind, g.origin, g.left(), g.expires_at)).collect()
        };
        let left = |s: &Subscription| alive(s).into_iter().filter(|(_, _, left, _)| !left.is_zero()).collect::<Vec<_>>();
        prop_assert_eq!(left(&once), left(&often));
    }
}
