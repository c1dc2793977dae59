//! What is wrong with a mapping, all of it at once.

use std::fmt;

use thiserror::Error;

/// How many errors of a document are looked for in its text: each look reads it from its beginning.
const PLACED: usize = 1_000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
#[error("{field}: {rule}; {fix}")]
pub struct MappingError {
    /// Where, as a path into the document: `plans[1].match.price`.
    pub field: String,
    /// The rule that it breaks.
    pub rule: String,
    /// What to do.
    pub fix: String,
    /// Where in the text that is, where the parser knows.
    pub place: Option<TextPlace>,
}

/// A place in the text of a document; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPlace {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl TextPlace {
    /// The place of byte `offset` of `text`; `None` when that is no character's beginning.
    pub(super) fn of(text: &str, offset: usize) -> Option<Self> {
        let before = text.get(..offset)?;
        let line = before.split('\n').count();
        let column = before.rsplit('\n').next()?.chars().count();
        Some(Self {
            line,
            column: column.saturating_add(1),
        })
    }
}

impl MappingError {
    /// An error at `field`.
    pub fn new(field: impl Into<String>, rule: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
            fix: fix.into(),
            place: None,
        }
    }

    /// The same error at a place of the text.
    #[must_use]
    pub(super) const fn at(mut self, place: Option<TextPlace>) -> Self {
        self.place = place;
        self
    }
}

/// Everything that is wrong; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct MappingErrors(Vec<MappingError>);

impl MappingErrors {
    /// `Ok` when nothing is wrong.
    pub(super) fn check(errors: Vec<MappingError>) -> Result<(), Self> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Self(errors))
        }
    }

    /// These errors, or `otherwise` when there are none.
    pub(super) fn first(
        errors: Vec<MappingError>,
        otherwise: impl FnOnce() -> MappingError,
    ) -> Self {
        if errors.is_empty() {
            Self(vec![otherwise()])
        } else {
            Self(errors)
        }
    }

    /// The same errors, each at the place that `find` knows of its field; those after the first
    /// [`PLACED`] at none.
    pub(super) fn placed(self, find: impl Fn(&str) -> Option<TextPlace>) -> Self {
        let errors = self.0.into_iter().enumerate().map(|(number, error)| {
            let look = || (number < PLACED).then(|| find(&error.field)).flatten();
            let place = error.place.or_else(look);
            error.at(place)
        });
        Self(errors.collect())
    }

    /// The errors in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = &MappingError> {
        self.0.iter()
    }
}

impl From<MappingError> for MappingErrors {
    fn from(error: MappingError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for MappingErrors {
    /// One line per error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}
