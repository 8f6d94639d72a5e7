//! The rules of the product as tables: who may change what, and what becomes of the credits.

mod conserved;
mod members;
mod money;
mod subscriptions;
mod support;
mod teams;
mod windows;
