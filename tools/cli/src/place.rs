//! Which workspace and project were used last, by deployment: `places.json` next to the sign-ins. It
//! holds ids and nothing secret; without it, commands ask for `--workspace` and `--project`.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::login::{folder, replace, turn};

const FILE: &str = "places.json";

/// A workspace, and a project in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) workspace: Option<String>,
    pub(crate) project: Option<String>,
}

/// What was used last at a deployment; nothing where that cannot be read.
pub(crate) fn last(api: &str) -> Place {
    read().remove(api).unwrap_or_default()
}

/// Keeps what was used. Where it cannot be kept, the next command asks.
pub(crate) fn keep(api: &str, place: &Place) {
    if last(api) == *place {
        return;
    }
    let kept = || -> Result<(), crate::client::Failure> {
        let folder = folder()?;
        let _turn = turn(&folder)?;
        let mut places = read();
        places.insert(api.to_owned(), place.clone());
        replace(&folder, FILE, &places)
    };
    drop(kept());
}

fn read() -> BTreeMap<String, Place> {
    let bytes = folder().ok().and_then(|it| fs::read(it.join(FILE)).ok());
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}
