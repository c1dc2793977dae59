//! The file of sign-ins: one per deployment, for this user alone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::issuer::{self, Kept, Place};
use crate::client::Failure;

const FILE: &str = "credentials.json";
/// An access token is renewed this long before it expires.
const EARLY: Duration = Duration::from_mins(1);

/// A sign-in on this machine. It has no `Debug`: it holds tokens.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredLogin {
    pub(super) api: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) signed_in_at: Timestamp,
    client_id: String,
    token_endpoint: String,
    access_token: String,
    refresh_token: Option<String>,
    expires_at: Timestamp,
}

#[derive(Default, Serialize, Deserialize)]
struct Sheet {
    /// The deployment signed in to last.
    current: Option<String>,
    logins: BTreeMap<String, StoredLogin>,
}

impl StoredLogin {
    pub(super) fn new(
        api: &str,
        place: &Place,
        token_endpoint: &str,
        subject: String,
        tokens: &Kept,
        now: Timestamp,
    ) -> Self {
        let mut login = Self {
            api: api.to_owned(),
            issuer: place.issuer.clone(),
            subject,
            signed_in_at: now,
            client_id: place.client_id.clone(),
            token_endpoint: token_endpoint.to_owned(),
            access_token: String::new(),
            refresh_token: None,
            expires_at: now,
        };
        login.renew(tokens);
        login
    }

    fn renew(&mut self, tokens: &Kept) {
        self.access_token.clone_from(tokens.access.reveal());
        self.refresh_token = tokens.refresh.as_ref().map(|token| token.reveal().clone());
        self.expires_at = tokens.expires_at;
    }
}

/// The access token for a deployment, renewed where it is about to expire; `None` where nobody is
/// signed in to it.
///
/// # Errors
/// When the issuer does not renew it.
pub(crate) async fn bearer(api: &str, now: Timestamp) -> Result<Option<Redacted<String>>, Failure> {
    let folder = folder()?;
    if !folder.join(FILE).exists() {
        return Ok(None);
    }
    // Two commands at once must not use the same refresh token: it is good for one use.
    let _turn = turn(&folder)?;
    let mut sheet = read(&folder)?;
    let Some(login) = sheet.logins.get_mut(api) else {
        return Ok(None);
    };
    if now.plus(EARLY) >= login.expires_at {
        let again = || {
            Failure::refused("the sign-in has expired; sign in again: counterfoil login".to_owned())
        };
        let refresh = login
            .refresh_token
            .clone()
            .map(Redacted::new)
            .ok_or_else(again)?;
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", login.client_id.as_str()),
            ("refresh_token", refresh.reveal().as_str()),
        ];
        let tokens = issuer::exchange(&login.token_endpoint, &form).await?;
        login.renew(&tokens.keep(Some(refresh), now));
        let access = login.access_token.clone();
        write(&folder, &sheet)?;
        return Ok(Some(Redacted::new(access)));
    }
    Ok(Some(Redacted::new(login.access_token.clone())))
}

/// Keeps a sign-in.
pub(super) fn keep(login: StoredLogin) -> Result<(), Failure> {
    let folder = folder()?;
    let _turn = turn(&folder)?;
    let mut sheet = read(&folder)?;
    sheet.current = Some(login.api.clone());
    sheet.logins.insert(login.api.clone(), login);
    write(&folder, &sheet)
}

/// The sign-in to a deployment, or to the last one.
pub(super) fn find(api: Option<&str>) -> Result<StoredLogin, Failure> {
    let sheet = read(&folder()?)?;
    let api = api.or(sheet.current.as_deref());
    let login = api.and_then(|api| sheet.logins.get(api));
    login.cloned().ok_or_else(nobody)
}

/// Forgets the sign-in to a deployment, or to the last one, and says which.
pub(super) fn forget(api: Option<&str>) -> Result<String, Failure> {
    let folder = folder()?;
    let _turn = turn(&folder)?;
    let mut sheet = read(&folder)?;
    let api = api.map(str::to_owned).or_else(|| sheet.current.clone());
    let api = api
        .filter(|api| sheet.logins.remove(api).is_some())
        .ok_or_else(nobody)?;
    if sheet.current.as_deref() == Some(api.as_str()) {
        sheet.current = None;
    }
    write(&folder, &sheet)?;
    Ok(api)
}

/// Until when the access token of a sign-in counts, and whether it can be renewed.
pub(crate) fn standing(api: &str) -> Option<(Timestamp, bool)> {
    let login = find(Some(api)).ok()?;
    Some((login.expires_at, login.refresh_token.is_some()))
}

/// The deployment signed in to last.
pub(crate) fn current() -> Option<String> {
    read(&folder().ok()?).ok()?.current
}

/// The file of sign-ins as it lies there: `None` where there is none, otherwise its mode and that of
/// its folder.
pub(crate) fn look() -> Result<(PathBuf, Option<(u32, u32)>), Failure> {
    let folder = folder()?;
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok((path, None));
    }
    read(&folder)?;
    let mode = |path: &Path| {
        fs::metadata(path)
            .map(|found| found.permissions().mode() & 0o777)
            .with_context(|| format!("looking at {}", path.display()))
            .map_err(Failure::Unknown)
    };
    let modes = (mode(&path)?, mode(&folder)?);
    Ok((path, Some(modes)))
}

fn nobody() -> Failure {
    Failure::refused("nobody is signed in here; sign in: counterfoil login --api URL".to_owned())
}

/// Where this program keeps what is of this user.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    let given = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = given("XDG_CONFIG_HOME").or_else(|| given("HOME").map(|home| home.join(".config")));
    let base = base.ok_or_else(|| {
        Failure::Unknown(anyhow!("neither XDG_CONFIG_HOME nor HOME names a folder"))
    })?;
    Ok(base.join("counterfoil"))
}

/// Takes the turn to change a file, until what is given back is dropped.
pub(crate) fn turn(folder: &Path) -> Result<File, Failure> {
    let taken = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .and_then(|()| File::create(folder.join("credentials.lock")))
        .and_then(|file| file.lock().map(|()| file));
    taken
        .with_context(|| format!("locking {}", folder.display()))
        .map_err(Failure::Unknown)
}

fn read(folder: &Path) -> Result<Sheet, Failure> {
    let path = folder.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sheet::default()),
        Err(error) => {
            let error = anyhow!(error).context(format!("reading {}", path.display()));
            return Err(Failure::Unknown(error));
        }
    };
    // What stands in the file is secret: the error must not quote it.
    serde_json::from_slice(&bytes).map_err(|_| {
        let what = format!(
            "{} cannot be read; delete it and sign in again",
            path.display()
        );
        Failure::Unknown(anyhow!(what))
    })
}

fn write(folder: &Path, sheet: &Sheet) -> Result<(), Failure> {
    replace(folder, FILE, sheet)
}

/// Replaces a file as a whole; only this user can read it at any moment.
pub(crate) fn replace(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), Failure> {
    let path = folder.join(name);
    let written = || -> anyhow::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(folder)?;
        serde_json::to_writer(&mut file, value)?;
        file.flush()?;
        file.persist(&path)?;
        Ok(())
    };
    written()
        .with_context(|| format!("writing {}", path.display()))
        .map_err(Failure::Unknown)
}
