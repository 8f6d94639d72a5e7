//! Promises of control and of the ledger, over the real listener, journal and store.

mod bodies;
mod bulk;
#[path = "../sharing/cut.rs"]
mod cut;
mod hang_up;
mod ledger;
mod lists;
mod operators;
mod resources;
mod roles;
mod support;
