//! Time-stamp tokens, checked by the `openssl` command where it is there.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use counterfoil_evidence::verify::{TimestampAuthority, Token};
use tempfile::NamedTempFile;

/// `openssl ts -verify` with the certificates that the auditor gave.
#[derive(Debug)]
pub(crate) struct OpenSsl {
    certificates: PathBuf,
    command: &'static str,
}

impl OpenSsl {
    /// Trusts the certificates of a PEM file.
    pub(crate) const fn new(certificates: PathBuf) -> Self {
        Self {
            certificates,
            command: "openssl",
        }
    }

    fn run(&self, data: &[u8], response: &[u8]) -> io::Result<bool> {
        let file = |bytes: &[u8]| {
            let mut file = NamedTempFile::new()?;
            file.write_all(bytes)?;
            Ok::<_, io::Error>(file)
        };
        let (data, response) = (file(data)?, file(response)?);
        let status = Command::new(self.command)
            .args(["ts", "-verify", "-data"])
            .arg(data.path())
            .arg("-in")
            .arg(response.path())
            .arg("-CAfile")
            .arg(&self.certificates)
            .arg("-untrusted")
            .arg(&self.certificates)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        Ok(status.success())
    }
}

impl TimestampAuthority for OpenSsl {
    fn check(&self, data: &[u8], response: &[u8]) -> Token {
        match self.run(data, response) {
            Ok(true) => Token::Valid,
            Ok(false) => Token::Invalid,
            Err(_) => Token::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_command_nothing_is_said_about_a_token() {
        let missing = OpenSsl {
            certificates: PathBuf::from("none.pem"),
            command: "a-command-that-is-not-there",
        };
        assert_eq!(missing.check(b"data", b"token"), Token::Unknown);
    }
}
