//! What a plain map makes of the same draws: the member is found by its name alone, and one number falls under a lock. No
//! team, no rule, no entry, no id remembered.

use dashmap::DashMap;
use parking_lot::Mutex;
use purser::engine::Draw;

use super::{Sizes, user_id};

/// Micro-credits by the names of members.
pub struct Floor(DashMap<String, Mutex<i64>>);

impl Floor {
    pub fn new(sizes: Sizes) -> Self {
        let members = (0..sizes.teams).flat_map(|team| (0..sizes.members).map(move |member| user_id(team, member)));
        Self(members.map(|user| (user.as_str().to_owned(), Mutex::new(i64::MAX))).collect())
    }

    /// Takes what a draw asks; answers what is left.
    pub fn draw(&self, draw: &Draw) -> i64 {
        let left = self.0.get(draw.member.as_str()).expect("is a member");
        let mut left = left.lock();
        *left -= draw.ask.credits.micros();
        *left
    }
}
