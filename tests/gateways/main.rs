//! Real proxies in front of a model API with a real Purser beside them, as `deploy/` ships them: only
//! addresses are changed. What each call is answered is compared with what the ledger says.
//!
//! A proxy that cannot be had is said to be left out, see [`program::find`].

mod added;
mod caddy;
mod caller;
#[path = "../support/client.rs"]
mod client;
mod envoy;
mod limits;
mod nginx;
#[path = "../support/process.rs"]
mod process;
mod program;
mod promises;
mod scene;
mod tokens;
mod traefik;
mod upstream;
