//! Clients in other languages: their own tests, run against the real program.

use std::path::Path;
use std::process::Command;

#[test]
fn the_python_client_keeps_its_promises() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checks = Command::new(root.join("scripts/python"));
    checks.arg(root.join("target/tools")).arg(env!("CARGO_BIN_EXE_purser"));
    assert!(checks.status().expect("the script starts").success(), "see what it printed");
}
