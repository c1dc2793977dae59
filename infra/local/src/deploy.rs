//! Deploying `template.yaml`: the work is done by `py/deploy.py` in the emulator's own Python.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::python::Environment;
use crate::{Progress, command, paths};

/// The account of keys that are not 12 digits.
const DEFAULT: &str = "test";

/// What to deploy, and where.
#[derive(Debug, Clone, Default)]
pub struct Deploy {
    /// 12 digits, or `None` for the default account, the only one whose HTTP API answers plain calls.
    pub account: Option<String>,
    /// Stripped `bootstrap` of each function; empty deploys tables, buckets, keys and queues only.
    pub functions: BTreeMap<String, PathBuf>,
    /// Parameters of the template that differ from their defaults.
    pub parameters: BTreeMap<String, String>,
}

/// A deployed stack.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Address of every AWS service.
    pub endpoint: String,
    /// Access key of the account's root: 12 digits, or `test`.
    pub account: String,
    /// Outputs of the template. `ApiUrl` and `StripeWebhookUrl` are addresses of the emulator.
    pub outputs: BTreeMap<String, String>,
}

impl Deployment {
    /// An output of the template.
    ///
    /// # Errors
    /// When the template has no such output, or it belongs to a function and none was deployed.
    pub fn output(&self, name: &str) -> Result<&str> {
        let found = self.outputs.get(name);
        Ok(found
            .with_context(|| format!("the stack has no output {name}"))?
            .as_str())
    }

    /// Variables that point an AWS SDK at this stack's account.
    pub fn sdk_env(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", &self.account),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", &self.endpoint),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The settings that functions get from the template (`EVIDENCE_TABLE` and so on), all of them.
    pub fn settings(&self) -> BTreeMap<String, String> {
        self.outputs
            .iter()
            .map(|(name, value)| (variable(name), value.clone()))
            .collect()
    }
}

/// The variable that an output is for: `EvidenceTable` is `EVIDENCE_TABLE`.
fn variable(output: &str) -> String {
    let mut name = String::with_capacity(output.len().saturating_add(4));
    for letter in output.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// The emulator to deploy into.
pub(crate) struct Target<'a> {
    pub(crate) python: &'a Environment,
    pub(crate) endpoint: &'a str,
    pub(crate) auth: bool,
    /// Taken instead of the template's values by the functions that have them.
    pub(crate) extra_env: &'a [(String, String)],
}

pub(crate) fn deploy(
    target: &Target<'_>,
    deploy: &Deploy,
    progress: Progress<'_>,
) -> Result<Deployment> {
    let Target {
        python, endpoint, ..
    } = *target;
    let account = deploy.account.clone().unwrap_or_else(|| DEFAULT.to_owned());
    let mut run = Command::new(python.program("python"));
    run.env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(paths::here().join("py").join("deploy.py"))
        .args(["--endpoint", endpoint, "--account", &account])
        .arg("--template")
        .arg(paths::template());
    if deploy.account.is_some() {
        // Bucket names carry the stack's name and are global, also in the emulator.
        run.args(["--stack", &format!("counterfoil-{account}")]);
    }
    if target.auth {
        run.arg("--auth");
    }
    for (name, value) in target.extra_env {
        run.arg("--env").arg(format!("{name}={value}"));
    }
    for (name, value) in &deploy.parameters {
        run.arg("--parameter").arg(format!("{name}={value}"));
    }
    if deploy.functions.is_empty() {
        run.arg("--resources-only");
    }
    for (name, bootstrap) in &deploy.functions {
        let mut pair = OsString::from(format!("{name}="));
        pair.push(bootstrap);
        run.arg("--function").arg(pair);
    }
    let output = command::run("deploying template.yaml", &mut run, progress)?;
    let outputs = serde_json::from_str(&output).context("deploy.py printed no outputs")?;
    Ok(Deployment {
        endpoint: endpoint.to_owned(),
        account,
        outputs,
    })
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn an_output_is_named_like_its_variable() {
        assert_eq!(variable("EvidenceHeadTable"), "EVIDENCE_HEAD_TABLE");
        assert_eq!(variable("SealKeyId"), "SEAL_KEY_ID");
        assert_eq!(variable("ChecksQueueUrl"), "CHECKS_QUEUE_URL");
    }
}
