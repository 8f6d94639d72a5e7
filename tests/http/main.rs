//! Promises of the HTTP interface: a whole sidecar behind its real listener, driven by requests.

mod authorize;
mod balances;
mod batch;
mod denials;
mod direct;
mod draws;
mod ends;
mod faults;
mod heads;
mod operation;
mod rates;
mod support;
