//! Where the next page of a list begins, as a text that its receiver can neither read meaning into
//! nor make up.
//!
//! A cursor is `base64url(tag ‖ JSON of the last key)`. The tag is HMAC-SHA256 under a key of the
//! workspace over the tenant, the route, the filter and the JSON, so a cursor works where it was
//! handed out and nowhere else. It is no permission: every page is read with the caller's own
//! context, and a forged cursor could at most begin a page elsewhere in the caller's own list. That
//! is why its key may lie in the state table in clear.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Bytes of the tag.
const TAG: usize = 32;
/// Bytes of a cursor's text, at most.
const MAX_LEN: usize = 1_024;
/// What the tag is for, so that the key signs nothing else with it.
const PURPOSE: &str = "counterfoil cursor v1";

/// What signs the cursors of a workspace.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CursorKey(String);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey")
    }
}

impl CursorKey {
    /// Its own family of rows: whoever lists pages writes it, and no setting.
    pub(crate) const FAMILY: &'static str = "cursor";

    /// A new key from 32 random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(hex::encode(random))
    }
}

/// The list that a cursor belongs to.
#[derive(Debug, Clone, Copy)]
pub struct CursorScope<'a> {
    /// Whose list: what partitions of the tenant start with.
    pub tenant: &'a str,
    /// Which list, as its route names it.
    pub route: &'a str,
    /// Filter and order in one text that is equal exactly where the lists are.
    pub filter: &'a str,
}

impl CursorKey {
    /// The cursor after `last`. `None` when `last` has no JSON.
    pub fn seal<T: Serialize>(&self, scope: CursorScope<'_>, last: &T) -> Option<String> {
        let last = serde_json::to_vec(last).ok()?;
        let mut bytes = self.mac(scope, &last)?.finalize().into_bytes().to_vec();
        bytes.extend(last);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What a cursor of this list says; `None` for every other text.
    pub fn open<T: DeserializeOwned>(&self, scope: CursorScope<'_>, cursor: &str) -> Option<T> {
        if cursor.len() > MAX_LEN {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, last) = bytes.split_at_checked(TAG)?;
        self.mac(scope, last)?.verify_slice(tag).ok()?;
        serde_json::from_slice(last).ok()
    }

    /// Over every part with its length, so that no two lists give the same bytes.
    fn mac(&self, scope: CursorScope<'_>, last: &[u8]) -> Option<Hmac<Sha256>> {
        let parts: [&[u8]; 5] = [
            PURPOSE.as_bytes(),
            scope.tenant.as_bytes(),
            scope.route.as_bytes(),
            scope.filter.as_bytes(),
            last,
        ];
        let mut mac = Hmac::new_from_slice(self.0.as_bytes()).ok()?;
        for part in parts {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            mac.update(&length.to_be_bytes());
            mac.update(part);
        }
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINE: &str = "ws_1#prj_1";
    const THEIRS: &str = "ws_2#prj_1";

    fn scope<'a>(tenant: &'a str, route: &'a str, filter: &'a str) -> CursorScope<'a> {
        CursorScope {
            tenant,
            route,
            filter,
        }
    }

    #[test]
    fn a_cursor_reads_back_in_its_own_list_only() {
        let key = CursorKey::new([7; 32]);
        let here = scope(MINE, "/v1/incidents", "state=open");
        let cursor = key.seal(here, &("inc_1", 5)).unwrap();
        let open = |key: &CursorKey, scope, cursor: &str| key.open::<(String, u64)>(scope, cursor);
        assert_eq!(open(&key, here, &cursor), Some(("inc_1".to_owned(), 5)));
        for elsewhere in [
            scope(THEIRS, "/v1/incidents", "state=open"),
            scope(MINE, "/v1/runs", "state=open"),
            scope(MINE, "/v1/incidents", "state=resolved"),
            scope(MINE, "/v1/incidentsstate", "=open"),
        ] {
            assert_eq!(open(&key, elsewhere, &cursor), None);
        }
        assert_eq!(open(&CursorKey::new([8; 32]), here, &cursor), None);
        assert_eq!(open(&key, here, &"A".repeat(2_000)), None);
        assert_eq!(open(&key, here, &format!("{cursor}=")), None);
    }

    #[test]
    fn every_cut_and_every_changed_letter_is_refused() {
        let key = CursorKey::new([7; 32]);
        let here = scope(MINE, "/v1/incidents", "");
        let cursor = key.seal(here, &"inc_1").unwrap();
        for end in 0..cursor.len() {
            let cut = cursor.get(..end).unwrap();
            assert_eq!(key.open::<String>(here, cut), None, "{end}");
            let mut changed = cursor.clone().into_bytes();
            changed[end] = if changed[end] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(key.open::<String>(here, &changed), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_cursor_by_chance(text in "\\PC{0,200}") {
            let key = CursorKey::new([7; 32]);
            let read: Option<serde_json::Value> = key.open(scope(MINE, "r", "f"), &text);
            prop_assert!(read.is_none());
        }
    }
}
