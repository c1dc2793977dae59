//! What a stage has found: the first of it, and how much more there is. Whoever brings a bundle decides
//! how much is wrong with it, and not how much is said about it.

use super::Finding;

/// Findings of a stage that are told, at most.
pub(super) const MOST: usize = 100;

/// What a stage has found. What is not told any more is counted and not made.
#[derive(Debug, Default)]
pub(super) struct Found {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    more_errors: usize,
    more_warnings: usize,
}

impl Found {
    pub(super) fn error(&mut self, make: impl FnOnce() -> Finding) {
        if self.is_full() {
            self.more(1);
        } else {
            self.errors.push(make());
        }
    }

    pub(super) fn warning(&mut self, make: impl FnOnce() -> Finding) {
        if self.warnings.len() < MOST {
            self.warnings.push(make().warning());
        } else {
            self.more_warnings = self.more_warnings.saturating_add(1);
        }
    }

    /// Mistakes that nobody has looked at more closely.
    pub(super) const fn more(&mut self, mistakes: usize) {
        self.more_errors = self.more_errors.saturating_add(mistakes);
    }

    /// Whether the next mistake is only counted.
    pub(super) const fn is_full(&self) -> bool {
        self.errors.len() >= MOST
    }

    /// Whether there is no mistake.
    pub(super) const fn is_good(&self) -> bool {
        self.errors.is_empty() && self.more_errors == 0
    }

    /// In the order of the files, mistakes before warnings where there is no room for all.
    pub(super) fn list(self) -> Vec<Finding> {
        let mut list = self.errors;
        let room = MOST.saturating_sub(list.len());
        let left_out = self.warnings.len().saturating_sub(room);
        let more_warnings = self.more_warnings.saturating_add(left_out);
        list.extend(self.warnings.into_iter().take(room));
        list.sort_by(|one, other| {
            let places = one
                .file
                .cmp(&other.file)
                .then(one.offset.cmp(&other.offset));
            places.then_with(|| one.detail.cmp(&other.detail))
        });
        let help = "mend these first: the next check tells more";
        if self.more_errors > 0 {
            let detail = format!(
                "at least {} more mistakes are not told here",
                self.more_errors
            );
            list.push(Finding::whole("", detail, help));
        } else if more_warnings > 0 {
            let detail = format!("{more_warnings} more warnings are not told here");
            list.push(Finding::whole("", detail, help).warning());
        }
        list
    }
}
