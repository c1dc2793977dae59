//! Opening the customer's database from an unsealed URL.

use std::sync::Arc;

use async_trait::async_trait;
use counterfoil_core::connection::{RepairScope, RoleReport};
use counterfoil_core::ports::{
    AppDatabase, AppInspector, AppRepairer, DatabaseLogin, DatabaseTokens, PortError,
    PortErrorKind, RoleProbe,
};
use counterfoil_core::redacted::Redacted;

use crate::address::{Resolver, System};
use crate::connect::Session;
use crate::inspector::{Limits, PgInspector};
use crate::network::{Network, NetworkError};
use crate::repairer::PgRepairer;
use crate::rights::Rights;
use crate::url::{Auth, PostgresUrl, Roots, Transport, UrlError};

/// Postgres as the customer's database.
#[derive(Debug, Clone)]
pub struct PgDatabase {
    limits: Limits,
    local_files: bool,
    network: Network,
    resolver: Arc<dyn Resolver>,
    tokens: Option<Arc<dyn DatabaseTokens>>,
}

impl Default for PgDatabase {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            local_files: false,
            network: Network::public(),
            resolver: Arc::new(System),
            tokens: None,
        }
    }
}

impl PgDatabase {
    /// Databases at public addresses, with the default limits, whose URLs may name no files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Databases where the deployment says that they may be: `[networks, ports, runtime]` as
    /// [`Network::from_settings`] takes them. Roles log in with `tokens` where their URL says so.
    ///
    /// # Errors
    /// Those of [`Network::from_settings`].
    pub fn of_deployment<T: DatabaseTokens + 'static>(
        places: [Option<String>; 3],
        tokens: Option<Arc<T>>,
    ) -> Result<Self, NetworkError> {
        let [networks, ports, runtime] = places;
        let network =
            Network::from_settings(networks.as_deref(), ports.as_deref(), runtime.as_deref())?;
        let databases = Self::new().within(network);
        Ok(match tokens {
            Some(tokens) => databases.with_tokens(tokens),
            None => databases,
        })
    }

    /// Sets where databases may be.
    #[must_use]
    pub fn within(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Lets roles log in with tokens of AWS IAM, where their URL says so.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<dyn DatabaseTokens>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Resolves names in another way.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Sets the limits of reading calls.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets URLs name a file in `sslrootcert`. Only for programs that run on the machine of whoever
    /// writes the URL: in the cloud, a URL must not choose files to read.
    #[must_use]
    pub const fn with_local_files(mut self) -> Self {
        self.local_files = true;
        self
    }

    async fn open(&self, url: &Redacted<String>, doing: &str) -> Result<Session, PortError> {
        let refused = |error: UrlError| PortError::caused(PortErrorKind::Refused, doing, error);
        let mut url = PostgresUrl::parse(url).map_err(refused)?;
        if let Transport::VerifyFull {
            roots: Some(Roots::File(_)),
        } = url.transport
            && !self.local_files
        {
            return Err(refused(UrlError {
                part: "sslrootcert",
                rule: "names a file, which is read on your own machine only",
                fix: "leave it out and put the certificates (PEM) behind the URL, on a line of their own",
            }));
        }
        if let Auth::RdsIam { region } = &url.auth {
            let tokens = self.tokens.as_ref().ok_or_else(|| {
                refused(UrlError {
                    part: "auth",
                    rule: "is rds-iam, and there is nobody here who signs tokens",
                    fix: "use a password, or connect from the deployed product",
                })
            })?;
            let login = DatabaseLogin {
                host: url.host.to_string(),
                port: url.port,
                user: url.user.clone(),
                region: region.clone(),
            };
            url.password = Some(tokens.token(&login).await?);
        }
        Session::open(
            &url,
            &self.network,
            self.resolver.as_ref(),
            self.limits.connect,
        )
        .await
        .map_err(|error| error.doing(doing))
    }
}

#[async_trait]
impl AppDatabase for PgDatabase {
    async fn inspect(&self, url: &Redacted<String>) -> Result<Box<dyn AppInspector>, PortError> {
        let doing = "connecting to the database with the reading role";
        let session = self.open(url, doing).await?;
        let inspector = PgInspector::new(session, self.limits).await;
        Ok(Box::new(inspector.map_err(|error| error.doing(doing))?))
    }

    async fn repair(&self, url: &Redacted<String>) -> Result<Box<dyn AppRepairer>, PortError> {
        Ok(Box::new(self.repairer(url).await?))
    }
}

impl PgDatabase {
    pub(crate) async fn repairer(&self, url: &Redacted<String>) -> Result<PgRepairer, PortError> {
        let doing = "connecting to the database with the repair role";
        Ok(PgRepairer::new(self.open(url, doing).await?))
    }

    /// The rights of the URL's role, asked through a connection that is read-only.
    async fn rights(&self, url: &Redacted<String>, doing: &str) -> Result<Rights, PortError> {
        let session = self.open(url, doing).await?;
        let asking = async {
            let inspector = PgInspector::new(session, self.limits).await?;
            inspector.rights().await
        };
        asking.await.map_err(|error| error.doing(doing))
    }
}

#[async_trait]
impl RoleProbe for PgDatabase {
    async fn probe_reading_role(&self, url: &Redacted<String>) -> Result<RoleReport, PortError> {
        let rights = self.rights(url, "probing the reading role").await?;
        Ok(rights.reading())
    }

    async fn probe_repair_role(
        &self,
        url: &Redacted<String>,
        scope: RepairScope<'_>,
    ) -> Result<RoleReport, PortError> {
        let rights = self.rights(url, "probing the repair role").await?;
        Ok(rights.repairing(scope))
    }
}
