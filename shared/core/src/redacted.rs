//! Values that must not be printed.

use std::fmt;

use zeroize::Zeroize;

/// Holds a secret. It has no `Serialize`, its `Debug` shows nothing, and its memory is wiped on drop.
///
/// It cannot be written out by accident:
///
/// ```compile_fail,E0277
/// # use counterfoil_core::redacted::Redacted;
/// serde_json::to_string(&Redacted::new("rk_live_abc".to_owned())).unwrap();
/// ```
///
/// ```compile_fail,E0277
/// # use counterfoil_core::redacted::Redacted;
/// println!("{}", Redacted::new("rk_live_abc".to_owned()));
/// ```
///
/// nor taken out by accident:
///
/// ```compile_fail,E0308
/// # use counterfoil_core::redacted::Redacted;
/// let text: String = Redacted::new("rk_live_abc".to_owned());
/// ```
///
/// ```
/// # use counterfoil_core::redacted::Redacted;
/// let secret = Redacted::new("rk_live_abc".to_owned());
/// assert_eq!(format!("{secret:?}"), "[redacted]");
/// assert_eq!(secret.reveal(), "rk_live_abc");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted<T: Zeroize>(T);

impl<T: Zeroize> Redacted<T> {
    /// Wraps a secret.
    pub const fn new(secret: T) -> Self {
        Self(secret)
    }

    /// The secret itself. Every call site is a place to look at in review.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Redacted<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        let secret = Redacted::new("rk_live_abc".to_owned());
        assert_eq!(format!("{secret:?}"), "[redacted]");
    }
}
