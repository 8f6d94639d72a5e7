//! What rule tests stand on: a store of rows in memory, a sidecar by hand, and tables of lines.

pub mod holder;
pub mod script;
pub mod see;
pub mod world;

pub use script::check;
