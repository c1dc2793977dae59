//! The API key: restricted keys only.

use std::fmt;

use counterfoil_core::redacted::Redacted;
use thiserror::Error;

/// Live or test mode of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Real customers.
    Live,
    /// Test data.
    Test,
}

impl Mode {
    /// The value that `livemode` has in this mode.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live)
    }
}

/// A text that is not accepted as a key. Shows nothing of it.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// `sk_…`.
    #[error(
        "this is a secret key, which may do everything in the account, refunds and deletions \
         included; Counterfoil only reads, so create a restricted key (rk_...) with read \
         permissions in the Stripe Dashboard and use that"
    )]
    Secret,
    /// `pk_…`.
    #[error(
        "this is a publishable key, which cannot read customers; create a restricted key (rk_...) \
         with read permissions in the Stripe Dashboard"
    )]
    Publishable,
    /// Anything else.
    #[error(
        "this is not a restricted key: it starts with rk_live_ or rk_test_ and has letters, digits \
         and `_` only"
    )]
    Malformed,
}

/// A restricted key. `Debug` shows its mode.
#[derive(Clone, PartialEq, Eq)]
pub struct RestrictedKey {
    key: Redacted<String>,
    mode: Mode,
}

impl fmt::Debug for RestrictedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestrictedKey")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl RestrictedKey {
    /// Accepts `rk_live_…` and `rk_test_…`.
    ///
    /// # Errors
    /// [`KeyError`], which says what kind of key it is instead.
    pub fn parse(key: &Redacted<String>) -> Result<Self, KeyError> {
        let text = key.reveal().as_str();
        if text.starts_with("sk_") {
            return Err(KeyError::Secret);
        }
        if text.starts_with("pk_") {
            return Err(KeyError::Publishable);
        }
        let live = text.strip_prefix("rk_live_").map(|rest| (Mode::Live, rest));
        let test = text.strip_prefix("rk_test_").map(|rest| (Mode::Test, rest));
        let (mode, rest) = live.or(test).ok_or(KeyError::Malformed)?;
        let plain = rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if rest.is_empty() || !plain || text.len() > 512 {
            return Err(KeyError::Malformed);
        }
        Ok(Self {
            key: key.clone(),
            mode,
        })
    }

    /// Live or test.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The key itself, for the Authorization header.
    pub(crate) fn reveal(&self) -> &str {
        self.key.reveal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str) -> Result<RestrictedKey, KeyError> {
        RestrictedKey::parse(&Redacted::new(key.to_owned()))
    }

    #[test]
    fn the_mode_comes_from_the_prefix() {
        assert_eq!(parse("rk_live_abc123").unwrap().mode(), Mode::Live);
        assert_eq!(parse("rk_test_51A_b").unwrap().mode(), Mode::Test);
    }

    #[test]
    fn a_secret_key_is_refused_with_the_reason_and_without_the_key() {
        let error = parse("sk_live_51Habc").unwrap_err();
        assert_eq!(error, KeyError::Secret);
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("restricted key") && !shown.contains("51Habc"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(parse("pk_live_a"), Err(KeyError::Publishable));
        for key in [
            "",
            "rk_",
            "rk_live_",
            "rk_live_a b",
            "rk_live_a\n",
            "RK_LIVE_a",
            "whsec_a",
        ] {
            assert_eq!(parse(key), Err(KeyError::Malformed), "{key:?}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let shown = format!("{:?}", parse("rk_live_abc123").unwrap());
        assert!(!shown.contains("abc123"), "{shown}");
    }
}
