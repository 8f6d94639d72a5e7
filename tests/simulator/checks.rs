//! What must hold after every step, whoever knows what.

use purser::root::Subscription;

use super::world::{SUBSCRIPTION, World};

impl World {
    /// No more was allowed than came in, over all and in each window, of the pool and of each limit; and
    /// the root has lent no more than there is.
    pub fn check(&self) {
        let truth = &self.shared.truth;
        let beyond = truth.beyond();
        let taken: i64 = truth.taken.values().sum();
        let all = truth.all();
        assert!(taken <= all + beyond, "{taken} were allowed of {all} that came in, {beyond} beyond on purpose");
        let Some(row) = self.store.known() else { return };
        for account in &row.accounts {
            let window = account.window;
            let taken = truth.taken.get(&window.start).copied().unwrap_or_default();
            let came = truth.of_window(window.start, window.end);
            assert!(taken <= came + beyond, "{taken} were allowed of {came} in the window of {}", window.start);
            for (name, cap) in &truth.caps {
                let taken = truth.member.get(&(*name, window.start)).copied().unwrap_or_default();
                assert!(taken <= cap + beyond, "{name} was allowed {taken} of {cap} in the window of {}", window.start);
            }
            for holder in &account.holders {
                assert!(holder.returned.plus(holder.lost) <= holder.granted, "no more comes back than went out");
            }
        }
        let is_excused = truth.owed > 0 || truth.is_declared || truth.is_rolled_back || self.lenders.has_lost_track;
        assert!(is_excused || self.is_covered(row), "more of {SUBSCRIPTION} is claimed than there is: {row:#?}");
    }

    /// Whether what is lent of the open account is there, once what has expired has been taken off.
    fn is_covered(&self, row: &Subscription) -> bool {
        let covers = |row: &Subscription| {
            let open = row.open_account();
            open.claims() <= open.burned().plus(row.left(self.store.now.max(open.window.start)))
        };
        if covers(row) {
            return true;
        }
        let mut row = row.clone();
        row.advance(self.store.now);
        covers(&row)
    }
}
