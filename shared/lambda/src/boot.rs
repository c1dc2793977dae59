//! Start-up of a function: telemetry, clients, and the adapters that its use case asks for.
//!
//! Clients connect when they are first used, and keys are read when they are first needed: a
//! function pays at its cold start for nothing that the event does not need.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use counterfoil_aws::Clients;
use counterfoil_aws::dynamodb::{DynamoDataKeys, DynamoEvidence, DynamoSeals, DynamoState, Tables};
use counterfoil_aws::kms::{KmsSigner, KmsWrapper};
use counterfoil_aws::lambda::OtherFunction;
use counterfoil_aws::rds::RdsTokens;
use counterfoil_aws::s3::{S3Archive, S3Objects};
use counterfoil_aws::sqs::{SqsChecks, SqsExports, SqsScans};
use counterfoil_core::ports::{Clock, EvidenceAppend, EvidenceRead, Random, Scratch, State};
use counterfoil_core::rate::Rate;
use counterfoil_core::usecases::{Announcing, LimitRate, RecordLeak, Vault};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

use crate::alarming::Alarming;
use crate::config::{MissingVariable, Var, optional};
use crate::http::{Authentication, Repeats, Tokens};
use crate::oidc::{DEFAULT_SCOPE, OidcDelegations, OidcLogins, OidcOptions, SignInPlace};
use crate::scratch::TempScratch;
use crate::system::{OsRandom, SystemClock};
use crate::telemetry;

/// Requests a minute of one credential, where nothing else is set.
const DEFAULT_RATE: u64 = 600;

/// Where a setting comes from.
type Lookup = Box<dyn Fn(Var) -> Option<String> + Send + Sync>;

/// What every decision passes before it is recorded in `evidence`: whoever decides first under another
/// baseline says so before, and whoever cannot decide because rules do not load rings.
pub fn recording(
    evidence: Arc<dyn EvidenceAppend>,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
) -> Arc<dyn EvidenceAppend> {
    let announcing = Announcing::new(evidence, state, clock);
    Arc::new(Alarming::new(Arc::new(announcing)))
}

/// Makes adapters from settings.
pub struct Boot {
    clients: Clients,
    lookup: Lookup,
    recording: OnceLock<Arc<dyn EvidenceAppend>>,
}

impl std::fmt::Debug for Boot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Boot").finish_non_exhaustive()
    }
}

impl Boot {
    /// Starts a function: settings and credentials come from its environment.
    ///
    /// # Errors
    /// Never today; a function that cannot start must say so here.
    pub async fn start(function: &'static str) -> Result<Self, Error> {
        telemetry::init();
        tracing::debug!(function, "start");
        Ok(Self {
            clients: Clients::from_env().await,
            lookup: Box::new(optional),
            recording: OnceLock::new(),
        })
    }

    /// Adapters from other settings, for tools and tests.
    pub fn with(
        clients: Clients,
        lookup: impl Fn(Var) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            clients,
            lookup: Box::new(lookup),
            recording: OnceLock::new(),
        }
    }

    /// Hands every event to `handle` until the process ends.
    ///
    /// # Errors
    /// When the runtime API cannot be reached.
    pub async fn run<F, R>(self, handle: F) -> Result<(), Error>
    where
        F: Fn(Value) -> R + Send,
        R: Future<Output = Result<Value, Error>> + Send,
    {
        let serve = service_fn(|event: LambdaEvent<Value>| handle(event.payload));
        lambda_runtime::run(serve).await
    }

    fn setting(&self, variable: Var) -> Result<String, MissingVariable> {
        (self.lookup)(variable).ok_or(MissingVariable(variable))
    }

    /// Evidence streams, to read and to write where nothing is judged: what is appended here announces
    /// no baseline. Whoever records decisions has [`Boot::recording`].
    ///
    /// # Errors
    /// When a table's name is not set; the same holds for every method here.
    pub fn evidence(&self) -> Result<Arc<DynamoEvidence>, MissingVariable> {
        let tables = Tables {
            evidence: self.setting(Var::EvidenceTable)?,
            head: self.setting(Var::EvidenceHeadTable)?,
            parts: self.setting(Var::EvidencePartsTable)?,
            state: self.setting(Var::StateTable)?,
        };
        Ok(Arc::new(DynamoEvidence::new(
            self.clients.dynamodb.clone(),
            tables,
        )))
    }

    /// Evidence to read.
    ///
    /// # Errors
    /// As [`Boot::evidence`].
    pub fn reader(&self) -> Result<Arc<dyn EvidenceRead>, MissingVariable> {
        Ok(self.evidence()?)
    }

    /// Evidence to write, behind what every decision passes ([`recording`]).
    ///
    /// # Errors
    /// As [`Boot::evidence`].
    pub fn recording(&self) -> Result<Arc<dyn EvidenceAppend>, MissingVariable> {
        if let Some(recording) = self.recording.get() {
            return Ok(recording.clone());
        }
        let made = recording(self.evidence()?, self.state()?, self.clock());
        // One for the process, which remembers what it has announced.
        Ok(self.recording.get_or_init(|| made).clone())
    }

    /// Seals and floors.
    pub fn seals(&self) -> Result<Arc<DynamoSeals>, MissingVariable> {
        let seals = self.setting(Var::SealsTable)?;
        let head = self.setting(Var::EvidenceHeadTable)?;
        Ok(Arc::new(DynamoSeals::new(
            self.clients.dynamodb.clone(),
            seals,
            head,
        )))
    }

    /// The state table.
    pub fn state(&self) -> Result<Arc<DynamoState>, MissingVariable> {
        let table = self.setting(Var::StateTable)?;
        Ok(Arc::new(DynamoState::new(
            self.clients.dynamodb.clone(),
            table,
        )))
    }

    /// How many requests a credential may make.
    fn limit(&self) -> Result<LimitRate, MissingVariable> {
        let set = (self.lookup)(Var::RateLimit).and_then(|text| text.parse().ok());
        let rate = Rate::per_minute(set.unwrap_or(DEFAULT_RATE));
        Ok(LimitRate::new(self.state()?, self.clock(), rate))
    }

    /// What checking a credential needs.
    ///
    /// # Errors
    /// When the state table's name is not set, or the settings about sign-ins cannot be used: a
    /// function must not start with fewer people than were meant.
    pub fn authentication(&self) -> Result<Authentication, Error> {
        let tokens = match self.logins()? {
            Some(logins) => Tokens::OfPeople(logins),
            None => Tokens::Never,
        };
        self.authentication_by(tokens)
    }

    fn authentication_by(&self, tokens: Tokens) -> Result<Authentication, Error> {
        Ok(Authentication {
            state: self.state()?,
            clock: self.clock(),
            tokens,
            limit: Some(self.limit()?),
            leaks: Some(RecordLeak {
                evidence: self.evidence()?,
                state: self.state()?,
                clock: self.clock(),
            }),
        })
    }

    /// Who verifies sign-ins; `None` where no issuer is set, and only keys are accepted.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn logins(&self) -> Result<Option<Arc<OidcLogins>>, Error> {
        let Some(issuer) = (self.lookup)(Var::OidcIssuer) else {
            return Ok(None);
        };
        let options = OidcOptions {
            issuer,
            audiences: self.audiences_of_people()?,
            scope: self.scope(),
        };
        Ok(Some(Arc::new(OidcLogins::new(options)?)))
    }

    fn audiences_of_people(&self) -> Result<Vec<String>, MissingVariable> {
        let audiences = self.setting(Var::OidcAudience)?;
        let audiences = audiences.split(',').map(|name| name.trim().to_owned());
        Ok(audiences.collect())
    }

    /// Where the command line signs people in; `None` where no issuer or no client is set.
    pub fn sign_in_place(&self) -> Option<SignInPlace> {
        Some(SignInPlace {
            issuer: (self.lookup)(Var::OidcIssuer)?,
            client_id: (self.lookup)(Var::OidcClientId)?,
            scope: self.scope(),
        })
    }

    /// The host at which the outside reaches this deployment, where it is set.
    pub fn public_host(&self) -> Option<String> {
        (self.lookup)(Var::PublicHost)
    }

    /// What checking an agent's credential needs: keys, and access tokens that are meant for the tools
    /// of agents and for nothing else. Without a public host there is no such token.
    ///
    /// # Errors
    /// As [`Boot::authentication`].
    pub fn agents(&self) -> Result<Authentication, Error> {
        let tokens = match self.agent_issuer() {
            Some(options) => {
                let of_people = self.audiences_of_people()?;
                Tokens::OfAgents(Arc::new(OidcDelegations::new(options, of_people)?))
            }
            None => Tokens::Never,
        };
        self.authentication_by(tokens)
    }

    /// Where clients get tokens for the tools of agents, for which audience and which scope; `None`
    /// where there are no such tokens.
    pub fn agent_issuer(&self) -> Option<OidcOptions> {
        let host = self.public_host()?;
        Some(OidcOptions {
            issuer: (self.lookup)(Var::OidcIssuer)?,
            audiences: vec![format!("https://{host}/mcp")],
            scope: self.scope(),
        })
    }

    fn scope(&self) -> String {
        (self.lookup)(Var::OidcScope).unwrap_or_else(|| DEFAULT_SCOPE.to_owned())
    }

    /// Who signs tokens for databases of Amazon RDS, where there are credentials.
    pub fn database_tokens(&self) -> Option<Arc<RdsTokens>> {
        let credentials = self.clients.credentials.clone()?;
        Some(Arc::new(RdsTokens::new(credentials, self.clock())))
    }

    /// Sealed secrets.
    pub fn vault(&self) -> Result<Vault, MissingVariable> {
        let key = self.setting(Var::SecretsKeyId)?;
        let table = self.setting(Var::DataKeysTable)?;
        Ok(Vault {
            keys: Arc::new(KmsWrapper::new(self.clients.kms.clone(), key)),
            wrapped: Arc::new(DynamoDataKeys::new(self.clients.dynamodb.clone(), table)),
            random: Arc::new(OsRandom),
        })
    }

    /// The seal key.
    pub fn signer(&self) -> Result<Arc<KmsSigner>, MissingVariable> {
        let key = self.setting(Var::SealKeyId)?;
        Ok(Arc::new(KmsSigner::new(self.clients.kms.clone(), key)))
    }

    /// The seal key that is being retired, if one is.
    pub fn retiring_signer(&self) -> Option<Arc<KmsSigner>> {
        let key = self.setting(Var::RetiringSealKeyId).ok()?;
        Some(Arc::new(KmsSigner::new(self.clients.kms.clone(), key)))
    }

    /// The data bucket.
    pub fn objects(&self) -> Result<Arc<S3Objects>, MissingVariable> {
        let bucket = self.setting(Var::DataBucket)?;
        Ok(Arc::new(S3Objects::new(self.clients.s3.clone(), bucket)))
    }

    /// The locked bucket.
    pub fn archive(&self) -> Result<Arc<S3Archive>, MissingVariable> {
        let bucket = self.setting(Var::LockedBucket)?;
        Ok(Arc::new(S3Archive::new(self.clients.s3.clone(), bucket)))
    }

    /// The checks queue.
    pub fn checks(&self) -> Result<Arc<SqsChecks>, MissingVariable> {
        let url = self.setting(Var::ChecksQueueUrl)?;
        Ok(Arc::new(SqsChecks::new(self.clients.sqs.clone(), url)))
    }

    /// The scans queue.
    pub fn scan_requests(&self) -> Result<Arc<SqsScans>, MissingVariable> {
        let url = self.setting(Var::ScansQueueUrl)?;
        Ok(Arc::new(SqsScans::new(self.clients.sqs.clone(), url)))
    }

    /// The exports queue.
    pub fn export_requests(&self) -> Result<Arc<SqsExports>, MissingVariable> {
        let url = self.setting(Var::ExportsQueueUrl)?;
        Ok(Arc::new(SqsExports::new(self.clients.sqs.clone(), url)))
    }

    /// Working space on this machine.
    pub fn scratch(&self) -> Arc<dyn Scratch> {
        Arc::new(TempScratch)
    }

    /// `repair-approve`, asked to propose, or on behalf of an agent.
    pub fn proposals(&self) -> Result<Arc<OtherFunction>, MissingVariable> {
        let name = self.setting(Var::RepairFunction)?;
        Ok(Arc::new(OtherFunction::new(
            self.clients.lambda.clone(),
            name,
        )))
    }

    /// `export`, asked on behalf of an agent.
    pub fn exporter(&self) -> Result<Arc<OtherFunction>, MissingVariable> {
        let name = self.setting(Var::ExportFunction)?;
        Ok(Arc::new(OtherFunction::new(
            self.clients.lambda.clone(),
            name,
        )))
    }

    /// `archive`, asked to seal.
    pub fn seal_requests(&self) -> Result<Arc<OtherFunction>, MissingVariable> {
        let name = self.setting(Var::ArchiveFunction)?;
        Ok(Arc::new(OtherFunction::new(
            self.clients.lambda.clone(),
            name,
        )))
    }

    /// Any function, by name.
    pub fn other_function(&self, name: &str) -> OtherFunction {
        OtherFunction::new(self.clients.lambda.clone(), name.to_owned())
    }

    /// Time.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// Randomness.
    pub fn random(&self) -> Arc<dyn Random> {
        Arc::new(OsRandom)
    }

    /// What doing requests once needs.
    ///
    /// # Errors
    /// When the state table is not named.
    pub fn repeats(&self) -> Result<Repeats, MissingVariable> {
        Ok(Repeats {
            state: self.state()?,
            clock: self.clock(),
            random: self.random(),
        })
    }
}
