#![doc = include_str!("../README.md")]

mod colour;
mod delivery;
mod error;
mod escape;
mod file;
mod flow;
mod font;
mod kinds;
mod length;
mod page;
mod paint;
mod parts;
mod qr;
mod record;
mod run;
mod shape;
mod style;
mod table;
mod time;
mod tree;
mod values;
mod wrap;

pub use delivery::{Delivery, IncidentRow, MAX_ROWS, Period, RepairRow, RunRow, delivery_report};
pub use error::ReportError;
pub use run::{MAX_ENTRIES, run_report};

/// What the evidence does not say: names, and the time of issue. The report marks them as given by
/// the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Name of the workspace.
    pub workspace: String,
    /// Name of the project.
    pub project: String,
    /// Id of this report, unique; it becomes the document id of the file.
    pub report: String,
    /// Time of issue, ms since 1970.
    pub issued_at: u64,
}
