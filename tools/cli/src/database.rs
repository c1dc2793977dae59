//! The app's database from a laptop: reached wherever the machine can, read only.

use anyhow::{Result, ensure};
use counterfoil_core::ports::{AppDatabase as _, AppInspector, RoleProbe as _};
use counterfoil_core::redacted::Redacted;
use counterfoil_postgres::{Network, PgDatabase};

/// Connects and refuses a role that could write, unless that was accepted.
pub(crate) async fn open(
    url: &Redacted<String>,
    allow_writable_role: bool,
) -> Result<Box<dyn AppInspector>> {
    // Whoever runs the command may connect wherever their machine can.
    let database = PgDatabase::new()
        .with_local_files()
        .within(Network::anywhere());
    let app = database.inspect(url).await?;
    for sentence in database.probe_reading_role(url).await?.sentences() {
        eprintln!("note: database role: {sentence}");
    }
    if !allow_writable_role {
        let writable = app.writable().await?;
        ensure!(
            writable.is_empty(),
            "the database role may do more than read ({}): use a role that can only SELECT, or \
             accept this one with --allow-writable-role",
            few(&writable)
        );
    }
    Ok(app)
}

/// The first names of a list.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
