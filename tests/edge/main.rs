//! Promises of the edge, over real sockets: a small router behind the real listener, driven by bytes.

mod bodies;
mod drain;
mod limits;
mod plain;
mod support;
