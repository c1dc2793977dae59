//! The whole local cloud in one call.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::Progress;
use crate::deploy::{Deploy, Deployment};
use crate::emulator::{Emulator, EmulatorOptions};
use crate::functions::Functions;

/// What the local cloud consists of.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Variables that every function gets, over its own (see [`EmulatorOptions::extra_env`]).
    pub extra_env: Vec<(String, String)>,
    /// Builds the functions and deploys them; otherwise only tables, buckets, keys and queues.
    pub functions: bool,
    /// Runs each function under its own role instead of as the account's root, so that a permission
    /// that the template forgets is missing here too (see [`EmulatorOptions::auth`]).
    pub auth: bool,
}

/// An emulator with the stack of `template.yaml` in its default account. Ends when dropped.
#[derive(Debug)]
pub struct LocalCloud {
    /// Address of every AWS service.
    pub endpoint: String,
    /// Address of the HTTP API, without a slash at the end; no route answers without functions.
    pub api_url: String,
    /// Outputs of the template.
    pub outputs: BTreeMap<String, String>,
    /// The stack.
    pub deployment: Deployment,
    /// The emulator, for further accounts.
    pub emulator: Emulator,
}

impl LocalCloud {
    /// Starts the emulator, builds the functions if asked to, and deploys the template.
    ///
    /// # Errors
    /// One sentence that says what to install, or what could not be built, started or deployed.
    pub fn start(options: &Options, progress: Progress<'_>) -> Result<Self> {
        let functions = if options.functions {
            Functions::build(progress)?
        } else {
            BTreeMap::new()
        };
        let emulator_options = EmulatorOptions {
            extra_env: options.extra_env.clone(),
            auth: options.auth,
        };
        let emulator = Emulator::start(&emulator_options, progress)?;
        let deployment = emulator.deploy(
            &Deploy {
                functions,
                ..Deploy::default()
            },
            progress,
        )?;
        Ok(Self {
            endpoint: deployment.endpoint.clone(),
            api_url: deployment.output("ApiUrl")?.to_owned(),
            outputs: deployment.outputs.clone(),
            deployment,
            emulator,
        })
    }

    /// Variables that point an AWS SDK at this cloud.
    pub fn sdk_env(&self) -> Vec<(String, String)> {
        self.deployment.sdk_env()
    }

    /// The settings that functions get from the template (`EVIDENCE_TABLE` and so on), all of them.
    pub fn settings(&self) -> BTreeMap<String, String> {
        self.deployment.settings()
    }
}
