//! The messages and services of `proto/`, as `build.rs` compiles them. Nothing here is written by hand.

/// The interface, see `proto/purser/v1/purser.proto`.
#[allow(missing_docs, unused_qualifications, clippy::all)]
pub mod purser {
    tonic::include_proto!("purser.v1");
}

/// Errors as every gRPC library reads them.
pub mod google {
    /// See `proto/google/rpc/status.proto`.
    #[allow(missing_docs, unused_qualifications, clippy::all)]
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}

/// What Envoy asks and is answered. Compiled code finds its neighbours by the path of their package.
#[allow(missing_docs, unused_qualifications, clippy::all)]
pub mod envoy {
    pub mod config {
        pub mod core {
            pub mod v3 {
                tonic::include_proto!("envoy.config.core.v3");
            }
        }
    }
    pub mod extensions {
        pub mod common {
            pub mod ratelimit {
                pub mod v3 {
                    tonic::include_proto!("envoy.extensions.common.ratelimit.v3");
                }
            }
        }
    }
    pub mod service {
        pub mod ratelimit {
            pub mod v3 {
                tonic::include_proto!("envoy.service.ratelimit.v3");
            }
        }
        pub mod auth {
            pub mod v3 {
                tonic::include_proto!("envoy.service.auth.v3");
            }
        }
    }
    pub mod r#type {
        pub mod v3 {
            tonic::include_proto!("envoy.r#type.v3");
        }
    }
}

/// All of `proto/` as a `google.protobuf.FileDescriptorSet`, for reflection and to compare it with what it was.
pub static DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
