//! Lists that are read a page at a time.
//!
//! A page begins after a place, and its cursor is that place, sealed ([`crate::cursor`]): what is
//! added or goes meanwhile moves nothing.

use counterfoil_evidence::hash::sha256;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cursor::{CursorKey, CursorScope};
use crate::ids::WorkspaceId;
use crate::ports::{PortError, PortErrorKind, Random, State};
use crate::records::{Directory, RecordError};
use crate::tenancy::Tenant;

/// Which page of a list.
#[derive(Debug, Clone, Copy)]
pub struct PageOf<'a> {
    /// `next_cursor` of the page before.
    pub cursor: Option<&'a str>,
    /// Items at most.
    pub limit: usize,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Where the next one begins; `None` at the end.
    pub next_cursor: Option<String>,
}

/// A text that is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotACursor;

impl NotACursor {
    pub(super) const FIELD: &'static str = "/cursor";
    pub(super) const RULE: &'static str =
        "must be `next_cursor` of the page before, with the same filter and order";
}

/// The cursors of one list.
pub(super) struct Cursors {
    key: CursorKey,
    tenant: String,
    route: &'static str,
    filter: String,
}

impl Cursors {
    /// Of the list `route` of a tenant. `filter` is equal exactly where the lists are.
    pub(super) async fn of(
        (state, random): (&dyn State, &dyn Random),
        tenant: &impl Tenant,
        route: &'static str,
        filter: &impl Serialize,
    ) -> Result<Self, RecordError> {
        let filter = serde_json::to_vec(filter).unwrap_or_default();
        Ok(Self {
            key: cursor_key(state, random, tenant.workspace()).await?,
            tenant: tenant.partition(),
            route,
            filter: sha256(&filter).to_string(),
        })
    }

    fn scope(&self) -> CursorScope<'_> {
        CursorScope {
            tenant: &self.tenant,
            route: self.route,
            filter: &self.filter,
        }
    }

    /// The place that a cursor names; `None` at the beginning.
    pub(super) fn open<T: DeserializeOwned>(
        &self,
        cursor: Option<&str>,
    ) -> Result<Option<T>, NotACursor> {
        let Some(cursor) = cursor else {
            return Ok(None);
        };
        let opened = self.key.open(self.scope(), cursor);
        opened.map(Some).ok_or(NotACursor)
    }

    /// The cursor of a place.
    pub(super) fn seal<T: Serialize>(&self, place: &T) -> Option<String> {
        self.key.seal(self.scope(), place)
    }

    /// A page of what was read whole, in the order of the items' places.
    pub(super) fn page<T, P: Ord + Serialize + DeserializeOwned>(
        &self,
        mut items: Vec<T>,
        place: impl Fn(&T) -> P,
        page: PageOf<'_>,
    ) -> Result<Page<T>, NotACursor> {
        let after: Option<P> = self.open(page.cursor)?;
        items.retain(|item| after.as_ref().is_none_or(|after| place(item) > *after));
        items.sort_by_key(&place);
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let last = items.last().filter(|_| more);
        let next_cursor = last.and_then(|last| self.seal(&place(last)));
        Ok(Page { items, next_cursor })
    }
}

/// The key of a workspace's cursors, made when it is first asked for. Not evidence: it protects
/// nothing but the form of cursors.
async fn cursor_key(
    state: &dyn State,
    random: &dyn Random,
    workspace: WorkspaceId,
) -> Result<CursorKey, RecordError> {
    let directory = Directory::of(state);
    let row = Directory::cursor_key(workspace);
    if let Some(found) = directory.find::<CursorKey>(CursorKey::FAMILY, &row).await? {
        return Ok(found.value);
    }
    let made = CursorKey::new(random.bytes32());
    let write = Directory::write(row.clone(), None, &made)?;
    if state.write(vec![write]).await? {
        return Ok(made);
    }
    let found = directory.find::<CursorKey>(CursorKey::FAMILY, &row).await?;
    let lost = || PortError::new(PortErrorKind::Corrupt, "reading the key of cursors");
    Ok(found.ok_or_else(lost)?.value)
}
