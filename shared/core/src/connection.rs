//! What is known about the rights of a credential.
//!
//! A right is *probed* when the other side was asked and answered, and *asserted* when only the person
//! who made the credential says so. What cannot be asked without writing is asserted.

use serde::{Deserialize, Serialize};

/// What a probe amounts to: the `result` of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The credential can do what it is for and, as far as probed, nothing else.
    Ok,
    /// It can be used, and could be narrower.
    Warning,
    /// It must not be used.
    Alarm,
}

impl Standing {
    /// The word in evidence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Alarm => "alarm",
        }
    }
}

/// What Stripe answered to a read with the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAnswer {
    /// The key may read it.
    Allowed,
    /// 403. As writing implies reading, the key may not write it either.
    Refused {
        /// The permission that Stripe names, `rak_…`.
        permission: String,
    },
    /// Neither; the answer proves nothing.
    Unclear,
}

/// One read that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriedRead {
    /// What was read, for example `customers`.
    pub what: String,
    /// The answer.
    pub answer: ReadAnswer,
}

/// The rights of a Stripe key, as far as reading tells.
///
/// Whether the key may *write* what it reads is never probed: the only way to find out would be a
/// write, and the product sends none. That stays asserted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// Reads that the product needs.
    pub needed: Vec<TriedRead>,
    /// Reads that sharpen findings; without them the product says less.
    pub useful: Vec<TriedRead>,
    /// Reads that a proper key does not have.
    pub excess: Vec<TriedRead>,
}

impl KeyReport {
    /// Whether, and how well, the key fits.
    pub fn standing(&self) -> Standing {
        let allowed = |read: &&TriedRead| read.answer == ReadAnswer::Allowed;
        if !self.needed.iter().all(|read| allowed(&read)) {
            Standing::Alarm
        } else if self.excess.iter().any(|read| allowed(&read))
            || !self.useful.iter().all(|read| allowed(&read))
        {
            Standing::Warning
        } else {
            Standing::Ok
        }
    }

    /// What the key may read beyond its purpose.
    pub fn broader(&self) -> impl Iterator<Item = &str> {
        let allowed = |read: &&TriedRead| read.answer == ReadAnswer::Allowed;
        self.excess
            .iter()
            .filter(allowed)
            .map(|read| read.what.as_str())
    }

    /// What a 403 proved that the key neither reads nor writes.
    pub fn proved_closed(&self) -> impl Iterator<Item = &str> {
        let all = self.excess.iter().chain(&self.useful).chain(&self.needed);
        all.filter(|read| matches!(read.answer, ReadAnswer::Refused { .. }))
            .map(|read| read.what.as_str())
    }

    /// The report as sentences for people, the worst first.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for (reads, purpose) in [(&self.needed, "needed"), (&self.useful, "useful")] {
            for TriedRead { what, answer } in reads {
                match answer {
                    ReadAnswer::Allowed => {}
                    ReadAnswer::Refused { permission } => sentences.push(format!(
                        "the key may not read {what}, which is {purpose}: add {permission} (read) \
                         to it in the Stripe Dashboard"
                    )),
                    ReadAnswer::Unclear => sentences.push(format!(
                        "it is not known whether the key may read {what}, which is {purpose}"
                    )),
                }
            }
        }
        let broader: Vec<&str> = self.broader().collect();
        if !broader.is_empty() {
            sentences.push(format!(
                "the key is broader than needed, it may read {}: set these to None in the Stripe \
                 Dashboard",
                broader.join(", ")
            ));
        }
        let closed: Vec<&str> = self.proved_closed().collect();
        if !closed.is_empty() {
            sentences.push(format!(
                "probed: the key can neither read nor write {}",
                closed.join(", ")
            ));
        }
        sentences.push(
            "asserted, not probed: the key cannot write what it reads; Counterfoil sends no write \
             to Stripe"
                .to_owned(),
        );
        sentences
    }
}

/// The columns of one table that a repair may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairScope<'a> {
    /// Schema.
    pub schema: &'a str,
    /// Table.
    pub table: &'a str,
    /// Columns, as the mapping says.
    pub columns: &'a [String],
}

/// The rights of a database role: itself, and every role that it can become.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleReport {
    /// Ways to write, by name: a role with one of them is not used.
    pub refused: Vec<String>,
    /// Ways around that read-only transactions stop, or that lead through the app's own code.
    pub warned: Vec<String>,
    /// What a repair role lacks.
    pub missing: Vec<String>,
}

impl RoleReport {
    /// Whether, and how well, the role fits.
    pub const fn standing(&self) -> Standing {
        if !self.refused.is_empty() || !self.missing.is_empty() {
            Standing::Alarm
        } else if !self.warned.is_empty() {
            Standing::Warning
        } else {
            Standing::Ok
        }
    }

    /// The report as sentences for people, the worst first.
    pub fn sentences(&self) -> Vec<String> {
        let refused = self.refused.iter();
        let refused = refused.map(|right| format!("the role is refused: {right}"));
        let missing = self.missing.iter();
        let missing = missing.map(|right| format!("the role lacks {right}"));
        let warned = self.warned.iter();
        let warned = warned.map(|right| format!("note: {right}"));
        let mut sentences: Vec<String> = refused.chain(missing).chain(warned).collect();
        if sentences.is_empty() {
            sentences.push("probed: the role has no right beyond its purpose".to_owned());
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(what: &str, answer: ReadAnswer) -> TriedRead {
        TriedRead {
            what: what.to_owned(),
            answer,
        }
    }

    fn refused() -> ReadAnswer {
        ReadAnswer::Refused {
            permission: "rak_x_read".to_owned(),
        }
    }

    fn report(needed: ReadAnswer, useful: ReadAnswer, excess: ReadAnswer) -> KeyReport {
        KeyReport {
            needed: vec![read("customers", needed)],
            useful: vec![read("invoices", useful)],
            excess: vec![read("balance", excess)],
        }
    }

    #[test]
    fn only_what_was_answered_counts_as_known() {
        use ReadAnswer::{Allowed, Unclear};
        let table = [
            (report(Allowed, Allowed, refused()), Standing::Ok),
            (report(Allowed, Allowed, Unclear), Standing::Ok),
            (report(Allowed, Allowed, Allowed), Standing::Warning),
            (report(Allowed, refused(), refused()), Standing::Warning),
            (report(refused(), Allowed, refused()), Standing::Alarm),
            (report(Unclear, Allowed, refused()), Standing::Alarm),
        ];
        for (report, standing) in table {
            assert_eq!(report.standing(), standing, "{report:?}");
        }
    }

    #[test]
    fn the_words_never_say_more_than_was_probed() {
        let said = report(ReadAnswer::Allowed, refused(), ReadAnswer::Unclear).sentences();
        assert_eq!(
            said,
            [
                "the key may not read invoices, which is useful: add rak_x_read (read) to it in the \
                 Stripe Dashboard",
                "probed: the key can neither read nor write invoices",
                "asserted, not probed: the key cannot write what it reads; Counterfoil sends no \
                 write to Stripe",
            ]
        );
        assert!(!said.concat().contains("verified"));
    }

    #[test]
    fn a_role_with_a_way_to_write_is_not_used() {
        let mut role = RoleReport::default();
        assert_eq!(role.standing(), Standing::Ok);
        role.warned.push("sequence public.s".to_owned());
        assert_eq!(role.standing(), Standing::Warning);
        role.missing.push("UPDATE on public.users.plan".to_owned());
        assert_eq!(role.standing(), Standing::Alarm);
        assert_eq!(
            role.sentences(),
            [
                "the role lacks UPDATE on public.users.plan",
                "note: sequence public.s"
            ]
        );
    }
}
