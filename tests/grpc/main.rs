//! Promises of the gRPC interface: a whole sidecar behind its real listeners, driven by a real client.

mod calls;
#[path = "../support/client.rs"]
mod client;
mod denials;
mod envoy;
mod faces;
mod faults;
mod life;
mod lock;
#[path = "../support/process.rs"]
mod process;
#[path = "../http/support.rs"]
#[allow(dead_code)]
mod sidecar;
mod stream;
mod support;
