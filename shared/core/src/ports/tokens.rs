//! Tokens with which a database lets a role in instead of a password.

use async_trait::async_trait;

use super::PortError;
use crate::redacted::Redacted;

/// Who wants to log in, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseLogin {
    /// Host name of the server, as its certificate has it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role.
    pub user: Redacted<String>,
    /// AWS region of the server.
    pub region: String,
}

/// Makes tokens of AWS IAM for databases of Amazon RDS.
#[async_trait]
pub trait DatabaseTokens: std::fmt::Debug + Send + Sync {
    /// A token that is good for one log-in within the next minutes.
    ///
    /// # Errors
    /// When there are no credentials to sign with.
    async fn token(&self, login: &DatabaseLogin) -> Result<Redacted<String>, PortError>;
}
