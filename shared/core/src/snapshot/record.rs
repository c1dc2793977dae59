//! Both sides, written down while they answer.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Line, Look, SnapshotError, Writer};
use crate::billing::{Catalog, Customer, Invoice, Subscription};
use crate::cell::{AppRow, TableShape};
use crate::mapping::{TableColumns, TableName};
use crate::ports::{
    AppInspector, Billing, Completeness, CreatedRange, ListCursor, ListPage, PortError, TakeRows,
};
use crate::reconcile::{Finding, Undecided};
use crate::webhook::Event;

/// Writes a snapshot of one look.
#[derive(Clone)]
pub struct Recorder(Arc<Mutex<Option<Writer>>>);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// Begins a snapshot.
    pub fn new(look: &Look) -> Self {
        Self(Arc::new(Mutex::new(Some(Writer::new(look)))))
    }

    /// Stripe's side, written down.
    pub fn billing(&self, of: Box<dyn Billing>) -> Box<dyn Billing> {
        Box::new(Recorded {
            of,
            to: self.clone(),
        })
    }

    /// The app's side, written down.
    pub fn app(&self, of: Box<dyn AppInspector>) -> Box<dyn AppInspector> {
        Box::new(Recorded {
            of,
            to: self.clone(),
        })
    }

    pub(crate) fn line(&self, line: &Line) {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.as_mut() {
            writer.line(line);
        }
    }

    fn each<T: Clone>(&self, objects: &[T], line: impl Fn(T) -> Line) {
        for object in objects {
            self.line(&line(object.clone()));
        }
    }

    /// Ends the snapshot with what was found, about whom nothing was concluded, and what evidence
    /// calls the subjects.
    ///
    /// # Errors
    /// When a line could not be written, or the snapshot was ended before.
    pub fn finish(
        &self,
        found: &[Finding],
        undecided: &[Undecided],
        pseudonym: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<u8>, SnapshotError> {
        for finding in found {
            self.line(&Line::Found(finding.clone()));
        }
        for one in undecided {
            self.line(&Line::Undecided(one.clone()));
        }
        for finding in found {
            let subject = finding.subject.clone();
            if let Some(pseudonym) = pseudonym(&subject) {
                self.line(&Line::Pseudonym { subject, pseudonym });
            }
        }
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.take().ok_or(SnapshotError::Format)?.finish()
    }
}

struct Recorded<T: ?Sized> {
    of: Box<T>,
    to: Recorder,
}

#[async_trait]
impl Billing for Recorded<dyn Billing> {
    async fn catalog(&self, features: bool) -> Result<Catalog, PortError> {
        let answer = self.of.catalog(features).await?;
        self.to.line(&Line::Catalog(answer.clone()));
        Ok(answer)
    }

    async fn customer(&self, id: &str) -> Result<Option<Customer>, PortError> {
        let answer = self.of.customer(id).await?;
        self.to.line(&Line::CustomerAsked {
            id: id.to_owned(),
            answer: answer.clone(),
        });
        Ok(answer)
    }

    async fn subscriptions_of(&self, customer: &str) -> Result<Vec<Subscription>, PortError> {
        let answer = self.of.subscriptions_of(customer).await?;
        self.to.line(&Line::SubscriptionsAsked {
            customer: customer.to_owned(),
            answer: answer.clone(),
        });
        Ok(answer)
    }

    async fn subscription(&self, id: &str) -> Result<Option<Subscription>, PortError> {
        self.of.subscription(id).await
    }

    async fn open_invoices_of(&self, customer: &str) -> Result<Vec<Invoice>, PortError> {
        let answer = self.of.open_invoices_of(customer).await?;
        self.to.line(&Line::OpenInvoicesAsked {
            customer: customer.to_owned(),
            answer: answer.clone(),
        });
        Ok(answer)
    }

    async fn customer_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Customer>, PortError> {
        let page = self.of.customer_page(range, cursor).await?;
        self.to.each(&page.data, Line::Customer);
        Ok(page)
    }

    async fn subscription_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Subscription>, PortError> {
        let page = self.of.subscription_page(range, cursor).await?;
        self.to.each(&page.data, Line::Subscription);
        Ok(page)
    }

    async fn open_invoice_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Invoice>, PortError> {
        let page = self.of.open_invoice_page(range, cursor).await?;
        self.to.each(&page.data, Line::OpenInvoice);
        Ok(page)
    }

    /// Not written down: events say whom to look at, and nothing is derived from them.
    async fn event_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Event>, PortError> {
        self.of.event_page(range, cursor).await
    }
}

#[async_trait]
impl AppInspector for Recorded<dyn AppInspector> {
    async fn writable(&self) -> Result<Vec<String>, PortError> {
        self.of.writable().await
    }

    /// Only a run that fails asks for them.
    async fn tables(&self) -> Result<Vec<TableName>, PortError> {
        self.of.tables().await
    }

    async fn columns(&self, schema: &str, table: &str) -> Result<Option<TableColumns>, PortError> {
        let answer = self.of.columns(schema, table).await?;
        self.to.line(&Line::Columns(answer.clone()));
        Ok(answer)
    }

    async fn rows(
        &self,
        table: &TableShape,
        each: &mut TakeRows<'_>,
    ) -> Result<Completeness, PortError> {
        let mut each = |rows: &[AppRow]| {
            for row in rows {
                self.to.line(&Line::Row(row.clone()));
            }
            each(rows);
        };
        self.of.rows(table, &mut each).await
    }

    async fn rows_where(
        &self,
        table: &TableShape,
        column: &str,
        values: &[String],
        ignore_case: bool,
    ) -> Result<Vec<AppRow>, PortError> {
        let answer = self
            .of
            .rows_where(table, column, values, ignore_case)
            .await?;
        self.to.line(&Line::RowsAsked {
            column: column.to_owned(),
            values: values.to_vec(),
            answer: answer.clone(),
        });
        Ok(answer)
    }
}
