//! Both sides, answering from a snapshot: the same questions in the same order, or nothing.

use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Line, Lines, Look, SnapshotError};
use crate::billing::{Catalog, Customer, Invoice, Subscription};
use crate::cell::{AppRow, TableShape};
use crate::mapping::TableColumns;
use crate::ports::{
    AppInspector, Billing, Completeness, CreatedRange, ListCursor, ListPage, PortError,
    PortErrorKind, TakeRows,
};
use crate::webhook::Event;

/// Answers what a look asked, from what it was told then.
#[derive(Clone)]
pub struct Replay(Arc<Mutex<Lines<Cursor<Vec<u8>>>>>);

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replay")
    }
}

impl Replay {
    /// Opens a snapshot.
    ///
    /// # Errors
    /// When it is no snapshot.
    pub fn open(bytes: Vec<u8>) -> Result<(Look, Self), SnapshotError> {
        let (look, lines) = Lines::open(Cursor::new(bytes))?;
        Ok((look, Self(Arc::new(Mutex::new(lines)))))
    }

    /// The next line, if it is what the question expects.
    fn answer<T>(&self, pick: impl FnOnce(Line) -> Option<T>) -> Result<T, PortError> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.take().map_err(damaged)?;
        line.and_then(pick)
            .ok_or_else(|| PortError::new(PortErrorKind::Corrupt, "asking the snapshot"))
    }

    /// The next lines that `pick` takes as a page of a list. One list was walked after the other, so
    /// its place in the snapshot is the cursor.
    fn page<T>(
        &self,
        is: impl Fn(&Line) -> bool,
        pick: impl Fn(Line) -> Option<T>,
        place: impl Fn(&T) -> (String, i64),
    ) -> Result<ListPage<T>, PortError> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut data = Vec::new();
        while data.len() < PAGE && lines.peek().is_some_and(&is) {
            data.extend(lines.take().map_err(damaged)?.and_then(&pick));
        }
        let more = lines.peek().is_some_and(&is);
        let last = data.last().filter(|_| more).map(place);
        let next = last.map(|(after, created)| ListCursor { after, created });
        Ok(ListPage { data, next })
    }

    /// Every next line that `pick` takes, up to the first that it leaves.
    fn each<T>(
        &self,
        is: impl Fn(&Line) -> bool,
        pick: impl Fn(Line) -> Option<T>,
        each: &mut (dyn FnMut(T) + Send),
    ) -> Result<(), PortError> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while lines.peek().is_some_and(&is) {
            if let Some(item) = lines.take().map_err(damaged)?.and_then(&pick) {
                each(item);
            }
        }
        Ok(())
    }
}

/// Objects of one page.
const PAGE: usize = 100;

fn damaged(error: SnapshotError) -> PortError {
    PortError::caused(PortErrorKind::Corrupt, "reading the snapshot", error)
}

#[async_trait]
impl Billing for Replay {
    async fn catalog(&self, _: bool) -> Result<Catalog, PortError> {
        self.answer(|line| match line {
            Line::Catalog(answer) => Some(answer),
            _ => None,
        })
    }

    async fn customer(&self, asked: &str) -> Result<Option<Customer>, PortError> {
        self.answer(|line| match line {
            Line::CustomerAsked { id, answer } if id == asked => Some(answer),
            _ => None,
        })
    }

    async fn subscriptions_of(&self, asked: &str) -> Result<Vec<Subscription>, PortError> {
        self.answer(|line| match line {
            Line::SubscriptionsAsked { customer, answer } if customer == asked => Some(answer),
            _ => None,
        })
    }

    async fn subscription(&self, _: &str) -> Result<Option<Subscription>, PortError> {
        let doing = "reading one subscription from a snapshot";
        Err(PortError::new(PortErrorKind::Refused, doing))
    }

    async fn open_invoices_of(&self, asked: &str) -> Result<Vec<Invoice>, PortError> {
        self.answer(|line| match line {
            Line::OpenInvoicesAsked { customer, answer } if customer == asked => Some(answer),
            _ => None,
        })
    }

    async fn customer_page(
        &self,
        _: CreatedRange,
        _: Option<&ListCursor>,
    ) -> Result<ListPage<Customer>, PortError> {
        let pick = |line| match line {
            Line::Customer(customer) => Some(customer),
            _ => None,
        };
        let place = |it: &Customer| (it.id.clone(), it.created);
        self.page(|line| matches!(line, Line::Customer(_)), pick, place)
    }

    async fn subscription_page(
        &self,
        _: CreatedRange,
        _: Option<&ListCursor>,
    ) -> Result<ListPage<Subscription>, PortError> {
        let pick = |line| match line {
            Line::Subscription(subscription) => Some(subscription),
            _ => None,
        };
        let place = |it: &Subscription| (it.id.clone(), it.created);
        self.page(|line| matches!(line, Line::Subscription(_)), pick, place)
    }

    async fn open_invoice_page(
        &self,
        _: CreatedRange,
        _: Option<&ListCursor>,
    ) -> Result<ListPage<Invoice>, PortError> {
        let pick = |line| match line {
            Line::OpenInvoice(invoice) => Some(invoice),
            _ => None,
        };
        let place = |it: &Invoice| (it.id.clone(), it.created.unwrap_or(0));
        self.page(|line| matches!(line, Line::OpenInvoice(_)), pick, place)
    }

    /// A snapshot has none: nothing is derived from events.
    async fn event_page(
        &self,
        _: CreatedRange,
        _: Option<&ListCursor>,
    ) -> Result<ListPage<Event>, PortError> {
        Err(PortError::new(
            PortErrorKind::Refused,
            "asking the snapshot for events",
        ))
    }
}

#[async_trait]
impl AppInspector for Replay {
    /// A snapshot can be written by nobody.
    async fn writable(&self) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }

    async fn columns(&self, _: &str, _: &str) -> Result<Option<TableColumns>, PortError> {
        self.answer(|line| match line {
            Line::Columns(answer) => Some(answer),
            _ => None,
        })
    }

    async fn rows(
        &self,
        _: &TableShape,
        each: &mut TakeRows<'_>,
    ) -> Result<Completeness, PortError> {
        let pick = |line| match line {
            Line::Row(row) => Some(row),
            _ => None,
        };
        let mut one = |row: AppRow| each(std::slice::from_ref(&row));
        self.each(|line| matches!(line, Line::Row(_)), pick, &mut one)?;
        Ok(Completeness::Complete)
    }

    async fn rows_where(
        &self,
        _: &TableShape,
        asked: &str,
        wanted: &[String],
        _: bool,
    ) -> Result<Vec<AppRow>, PortError> {
        self.answer(|line| match line {
            Line::RowsAsked {
                column,
                values,
                answer,
            } if column == asked && values == wanted => Some(answer),
            _ => None,
        })
    }
}
