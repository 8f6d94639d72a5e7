//! Compiles `proto/` for `src/api/grpc/wire.rs`, without protoc.

use std::path::PathBuf;

use protox::Compiler;
use protox::prost::Message;

/// The files with services or messages that the code names.
const FILES: [&str; 4] = [
    "purser/v1/purser.proto",
    "google/rpc/status.proto",
    "envoy/service/auth/v3/external_auth.proto",
    "envoy/service/ratelimit/v3/rls.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut compiler = Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let mut files = compiler.file_descriptor_set();
    tonic_prost_build::configure().build_client(false).build_transport(false).compile_fds(files.clone())?;

    // Reflection shows what there is, not what is said about it.
    files.file.iter_mut().for_each(|file| file.source_code_info = None);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), files.encode_to_vec())?;
    Ok(())
}
