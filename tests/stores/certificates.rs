//! Certificates for servers on loopback, made by the `openssl` command.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// Who vouches for servers, in a folder of its own.
pub struct Authority(TempDir);

impl Authority {
    /// A new one, whom nobody trusts yet.
    pub fn new() -> Self {
        let authority = Self(tempfile::tempdir().expect("a temporary folder"));
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=tests",
        );
        authority
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// A certificate for a server with these names, such as `IP:127.0.0.1`, and its key.
    pub fn vouch(&self, names: &str) -> (PathBuf, PathBuf) {
        self.openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.csr -subj /CN=own",
        );
        std::fs::write(self.0.path().join("names"), format!("subjectAltName={names}\n")).expect("it is written");
        self.openssl(
            "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out own.pem",
        );
        (self.0.path().join("own.pem"), self.0.path().join("own.key"))
    }

    fn openssl(&self, words: &str) {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(self.0.path()).output();
        let output = output.expect("openssl is there: install the Debian package openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
