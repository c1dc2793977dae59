//! Compares promises with grants: every project on a schedule, in pieces from the scans queue; one
//! customer from the checks queue. Ends governed runs that were left.

mod handler;
mod health;

pub use handler::handle;
pub use health::on_schedule;
