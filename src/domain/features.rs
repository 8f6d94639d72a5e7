//! What a subscription unlocks, and the whitelist of models that it may unlock (rule 6).

use std::collections::BTreeSet;

use super::ids::Model;

/// What a subscription unlocks beside its credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Workflows that only the team sees; carried for callers, decides nothing here.
    pub private_workflows: bool,
    /// History is kept; carried for callers, decides nothing here.
    pub save_history: bool,
    /// The team owner may restrict models; the only feature that decisions look at.
    pub model_whitelist: bool,
}

/// The models that a team's owner allows. Restricts only when enabled with at least one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whitelist {
    /// Switched on by the owner.
    pub enabled: bool,
    /// The allowed models, by exact name.
    pub models: BTreeSet<Model>,
}

/// The most models one whitelist holds; keeps a team's memory and its control bodies bounded.
pub const WHITELIST_MODELS_MAX: usize = 1_000;

impl Whitelist {
    /// Whether it restricts anything.
    pub fn is_on(&self) -> bool {
        self.enabled && !self.models.is_empty()
    }

    /// Whether a call of `model` passes; a call that names no model does not pass one that is on.
    pub fn allows(&self, model: Option<&Model>) -> bool {
        !self.is_on() || model.is_some_and(|model| self.models.contains(model))
    }
}
