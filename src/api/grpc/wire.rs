//! The messages and services of `proto/`, as `build.rs` compiles them. Nothing here is written by hand.

/// The interface, see `proto/purser/v1/purser.proto`.
#[allow(missing_docs, unused_qualifications, clippy::all)]
pub mod purser {
    tonic::include_proto!("purser.v1");
}

/// Errors as every gRPC library reads them.
#[allow(missing_docs, unused_qualifications, clippy::all)]
pub mod rpc {
    tonic::include_proto!("google.rpc");
}

/// All of `proto/` as a `google.protobuf.FileDescriptorSet`, for reflection and to compare it with what it was.
pub static DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
