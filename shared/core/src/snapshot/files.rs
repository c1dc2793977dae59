//! The files of a scan: what it read is in many of them, and an index names each by its digest.

use std::collections::BTreeSet;

use super::{Line, Lines, Look, SnapshotError, Writer};
use crate::reconcile::{Join, Scan};
use crate::scan::{ScanFile, ScanList};

/// The index of a scan: `look`, and its files in the order in which they are read again.
pub(crate) fn index<'a>(
    look: &Look,
    files: impl IntoIterator<Item = &'a ScanFile>,
) -> Result<Vec<u8>, SnapshotError> {
    let mut writer = Writer::new(look);
    for file in files {
        writer.line(&Line::File(file.clone()));
    }
    writer.finish()
}

/// The files that the index of a scan names; none in the snapshot of one look.
///
/// # Errors
/// When the file cannot be read.
pub fn index_files(bytes: &[u8]) -> Result<Vec<ScanFile>, SnapshotError> {
    let (_, mut lines) = Lines::open(bytes)?;
    let mut files = Vec::new();
    while let Some(line) = lines.take()? {
        match line {
            Line::File(file) => files.push(file),
            // Only an index begins with a file.
            _ if files.is_empty() => break,
            _ => return Err(SnapshotError::Format),
        }
    }
    Ok(files)
}

/// Who has changed, by the file that says so.
pub(crate) fn changed(bytes: &[u8]) -> Result<BTreeSet<String>, SnapshotError> {
    let (_, mut lines) = Lines::open(bytes)?;
    let mut customers = BTreeSet::new();
    while let Some(line) = lines.take()? {
        match line {
            Line::Changed { customer } => customers.insert(customer),
            _ => return Err(SnapshotError::Format),
        };
    }
    Ok(customers)
}

/// Hands over each object of a file with its list and the customer that it belongs to.
pub(crate) fn each_object(
    bytes: &[u8],
    mut each: impl FnMut(ScanList, &str, &Line),
) -> Result<(), SnapshotError> {
    let (_, mut lines) = Lines::open(bytes)?;
    while let Some(line) = lines.take()? {
        match &line {
            Line::Customer(it) => each(ScanList::Customers, &it.id, &line),
            Line::Subscription(it) => each(ScanList::Subscriptions, &it.customer, &line),
            Line::OpenInvoice(it) => each(ScanList::OpenInvoices, &it.customer, &line),
            _ => return Err(SnapshotError::Format),
        }
    }
    Ok(())
}

/// Hands the objects of a file to the engine.
pub(crate) fn take_stripe(bytes: &[u8], scan: &mut Scan) -> Result<(), SnapshotError> {
    let (_, mut lines) = Lines::open(bytes)?;
    while let Some(line) = lines.take()? {
        match line {
            Line::Customer(customer) => scan.customer(&customer),
            Line::Subscription(subscription) => scan.subscription(&subscription),
            Line::OpenInvoice(invoice) => scan.invoice(&invoice),
            _ => return Err(SnapshotError::Format),
        }
    }
    Ok(())
}

/// Hands the rows of a file to the engine.
pub(crate) fn take_rows(bytes: &[u8], join: &mut Join) -> Result<(), SnapshotError> {
    let (_, mut lines) = Lines::open(bytes)?;
    while let Some(line) = lines.take()? {
        match line {
            Line::Row(row) => join.row(&row),
            _ => return Err(SnapshotError::Format),
        }
    }
    Ok(())
}
