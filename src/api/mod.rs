//! The edges: how callers reach a sidecar. Sockets and their limits, who is calling, JSON in and
//! problems out. Nothing is decided here, and no type of the wire goes further in than this folder.

pub mod auth;
pub mod envoy;
pub mod grpc;
pub mod ids;
pub mod json;
pub mod listen;
pub mod problem;
pub mod routes;
pub mod state;
pub mod wire;
