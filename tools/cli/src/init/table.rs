//! Which table has one row per subject, and which of its columns say what.

use counterfoil_core::mapping::{
    ColumnType, Subject, TableColumn, TableColumns, TableName, denied, words,
};

/// What a column may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Customer,
    Email,
    Plan,
    Premium,
    Trial,
    Seats,
    Features,
    Comp,
}

impl Role {
    const ALL: [Self; 8] = [
        Self::Customer,
        Self::Email,
        Self::Plan,
        Self::Premium,
        Self::Trial,
        Self::Seats,
        Self::Features,
        Self::Comp,
    ];

    /// Usual names, the surest first.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Customer => &[
                "stripe_customer_id",
                "stripe_customer",
                "stripe_cus_id",
                "stripe_id",
                "customer_stripe_id",
                "billing_customer_id",
                "payment_customer_id",
                "billing_id",
                "customer_id",
            ],
            Self::Email => &[
                "email",
                "email_address",
                "e_mail",
                "billing_email",
                "owner_email",
                "contact_email",
                "mail",
            ],
            Self::Plan => &[
                "plan",
                "tier",
                "plan_name",
                "plan_id",
                "plan_key",
                "plan_type",
                "subscription_plan",
                "subscription_tier",
                "current_plan",
                "pricing_plan",
                "pricing_tier",
                "billing_plan",
                "account_type",
                "membership",
                "package",
            ],
            Self::Premium => &[
                "premium",
                "is_premium",
                "has_premium",
                "pro",
                "is_pro",
                "has_pro",
                "paid",
                "is_paid",
                "has_paid",
                "is_subscribed",
                "subscribed",
                "has_subscription",
                "subscription_active",
                "is_subscriber",
                "has_access",
            ],
            Self::Trial => &[
                "trial_ends_at",
                "trial_end",
                "trial_end_at",
                "trial_ends",
                "trial_end_date",
                "trial_expires_at",
                "trial_expires",
                "trial_until",
                "trialing_until",
            ],
            Self::Seats => &[
                "seats",
                "seat_count",
                "seats_count",
                "seat_limit",
                "max_seats",
                "num_seats",
                "seats_total",
                "licenses",
                "license_count",
            ],
            Self::Features => &["features", "entitlements", "feature_flags", "feature_keys"],
            Self::Comp => &[
                "comped_until",
                "comped",
                "is_comped",
                "complimentary_until",
                "complimentary",
                "is_complimentary",
                "gifted_until",
                "free_until",
                "lifetime",
                "is_lifetime",
                "grandfathered",
                "is_vip",
            ],
        }
    }

    const fn fits(self, data_type: &ColumnType) -> bool {
        match self {
            Self::Customer | Self::Email => matches!(data_type, ColumnType::Text),
            Self::Plan => matches!(data_type, ColumnType::Text | ColumnType::Enum(_)),
            Self::Premium => matches!(data_type, ColumnType::Bool),
            Self::Trial => matches!(data_type, ColumnType::Time | ColumnType::Date),
            Self::Seats => matches!(data_type, ColumnType::Int),
            Self::Features => matches!(data_type, ColumnType::List | ColumnType::Text),
            Self::Comp => matches!(
                data_type,
                ColumnType::Bool | ColumnType::Time | ColumnType::Date | ColumnType::Text
            ),
        }
    }

    const fn weight(self) -> usize {
        match self {
            Self::Customer => 40,
            Self::Plan => 20,
            Self::Premium => 15,
            Self::Trial | Self::Email => 5,
            Self::Seats | Self::Features | Self::Comp => 3,
        }
    }
}

/// A column that may be meant, and the others that may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) column: TableColumn,
    pub(super) others: Vec<String>,
}

/// A table with what its columns may be for.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) name: TableName,
    pub(super) columns: TableColumns,
    pub(super) primary_key: Option<String>,
    guesses: Vec<(Role, Guess)>,
    score: usize,
}

impl Candidate {
    /// Looks at the columns of a table. Columns whose names promise secrets are not looked at.
    pub(super) fn of(name: TableName, columns: TableColumns) -> Self {
        let usable: Vec<&TableColumn> = columns
            .columns
            .iter()
            .filter(|column| denied(&column.name).is_none())
            .collect();
        let primary_key = usable.iter().find(|it| it.primary_key);
        let primary_key = primary_key.map(|it| it.name.clone());
        let mut guesses: Vec<(Role, Guess)> = Vec::new();
        let mut score = 0;
        for role in Role::ALL {
            let mut found: Vec<(usize, &TableColumn)> = usable
                .iter()
                .filter(|it| role.fits(&it.data_type) && !it.primary_key)
                .filter_map(|it| rank(role, &it.name).map(|rank| (rank, *it)))
                .collect();
            found.sort_by_key(|(rank, _)| *rank);
            let Some(((best, column), others)) = found.split_first() else {
                continue;
            };
            score += role.weight().saturating_sub(*best);
            guesses.push((
                role,
                Guess {
                    column: (*column).clone(),
                    others: others.iter().map(|(_, it)| it.name.clone()).collect(),
                },
            ));
        }
        Self {
            name,
            columns,
            primary_key,
            guesses,
            score,
        }
    }

    pub(super) fn get(&self, role: Role) -> Option<&Guess> {
        let found = self.guesses.iter().find(|(it, _)| *it == role);
        found.map(|(_, guess)| guess)
    }

    /// What keeps the table from being the one; `None` when nothing does.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        if self.get(Role::Plan).is_none() && self.get(Role::Premium).is_none() {
            Some("no column that says what is granted, such as plan, tier or is_premium")
        } else if self.get(Role::Customer).is_none() && self.get(Role::Email).is_none() {
            Some(
                "no column that says who the Stripe customer is, such as stripe_customer_id or email",
            )
        } else if self.primary_key.is_none() {
            Some("no primary key of one column (a view has none)")
        } else {
            None
        }
    }

    /// Whether there is any sign that the table is about customers.
    pub(super) fn is_near(&self) -> bool {
        self.get(Role::Customer).is_some()
            || self.get(Role::Plan).is_some()
            || self.get(Role::Premium).is_some()
    }

    /// What a row is, by the name of the table.
    pub(super) fn subject(&self) -> Subject {
        const ORGANIZATIONS: [&str; 10] = [
            "organization",
            "organisation",
            "org",
            "company",
            "companie",
            "team",
            "workspace",
            "tenant",
            "business",
            "group",
        ];
        let organization = words(&self.name.table).iter().any(|word| {
            let one = word.strip_suffix('s').unwrap_or(word);
            ORGANIZATIONS.contains(&word.as_str()) || ORGANIZATIONS.contains(&one)
        });
        if organization {
            Subject::Organization
        } else {
            Subject::User
        }
    }
}

/// The candidates that can be mapped, the best first.
pub(super) fn fitting(candidates: &[Candidate]) -> Vec<&Candidate> {
    let mut fitting: Vec<&Candidate> = candidates
        .iter()
        .filter(|it| it.lacks().is_none())
        .collect();
    fitting.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.name.cmp(&b.name)));
    fitting
}

/// How far down the list of usual names a name is; `None` when it is not like any of them.
fn rank(role: Role, name: &str) -> Option<usize> {
    let words = words(name);
    let plain = words.join("_");
    if let Some(place) = role.names().iter().position(|usual| *usual == plain) {
        return Some(place);
    }
    let has = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
    let like = match role {
        Role::Customer => {
            has(&["stripe"])
                && has(&["customer", "cus", "cust"])
                && !has(&["subscription", "price", "product", "invoice", "event"])
        }
        Role::Email => has(&["email"]) && !has(&["verified", "confirmed", "at", "hash"]),
        Role::Plan => {
            has(&["plan", "tier"]) && !has(&["at", "date", "stripe", "price", "previous", "old"])
        }
        Role::Premium => has(&["premium", "pro", "paid", "subscribed"]),
        Role::Trial => has(&["trial"]) && has(&["end", "ends", "expires", "expiry", "until"]),
        Role::Seats => has(&["seats", "seat"]) && !has(&["used", "taken"]),
        Role::Features => has(&["features", "entitlements"]),
        Role::Comp => has(&["comped", "complimentary", "gifted", "grandfathered"]),
    };
    // Behind every usual name.
    like.then(|| role.names().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[(&str, ColumnType)]) -> Candidate {
        let columns = columns.iter().map(|(name, data_type)| TableColumn {
            name: (*name).to_owned(),
            data_type: data_type.clone(),
            nullable: true,
            primary_key: *name == "id",
            unique: *name == "id",
            generated: false,
            max_chars: None,
        });
        let name = TableName {
            schema: "public".to_owned(),
            table: name.to_owned(),
        };
        Candidate::of(
            name,
            TableColumns {
                columns: columns.collect(),
            },
        )
    }

    fn guessed(candidate: &Candidate, role: Role) -> Option<&str> {
        candidate.get(role).map(|guess| guess.column.name.as_str())
    }

    #[test]
    fn columns_are_guessed_by_name_and_type() {
        let users = table(
            "users",
            &[
                ("id", ColumnType::Uuid),
                ("emailVerifiedAt", ColumnType::Time),
                ("userEmail", ColumnType::Text),
                ("stripeCustomerId", ColumnType::Text),
                ("stripe_subscription_id", ColumnType::Text),
                ("tier", ColumnType::Enum(vec!["free".to_owned()])),
                ("plan", ColumnType::Int),
                ("is_pro", ColumnType::Bool),
                ("trial_expires_at", ColumnType::Time),
                ("seats_used", ColumnType::Int),
                ("seat_limit", ColumnType::Int),
                ("stripe_api_token", ColumnType::Text),
            ],
        );
        assert_eq!(guessed(&users, Role::Customer), Some("stripeCustomerId"));
        assert_eq!(guessed(&users, Role::Email), Some("userEmail"));
        assert_eq!(guessed(&users, Role::Plan), Some("tier"));
        assert_eq!(guessed(&users, Role::Premium), Some("is_pro"));
        assert_eq!(guessed(&users, Role::Trial), Some("trial_expires_at"));
        assert_eq!(guessed(&users, Role::Seats), Some("seat_limit"));
        assert_eq!(guessed(&users, Role::Comp), None);
        assert_eq!(users.lacks(), None);
    }

    #[test]
    fn the_table_with_the_surest_columns_comes_first() {
        let (text, flag) = (ColumnType::Text, ColumnType::Bool);
        let users = table(
            "users",
            &[
                ("id", ColumnType::Int),
                ("email", text.clone()),
                ("is_pro", flag),
            ],
        );
        let organizations = table(
            "organizations",
            &[
                ("id", ColumnType::Int),
                ("stripe_customer_id", text.clone()),
                ("plan", text.clone()),
            ],
        );
        let invoices = table(
            "invoices",
            &[("id", ColumnType::Int), ("stripe_customer_id", text)],
        );
        let candidates = [users, invoices, organizations];
        let names: Vec<&str> = fitting(&candidates)
            .iter()
            .map(|it| it.name.table.as_str())
            .collect();
        assert_eq!(names, ["organizations", "users"]);
        assert!(candidates[1].lacks().unwrap().contains("what is granted"));
    }

    #[test]
    fn what_a_row_is_follows_from_the_name_of_the_table() {
        for (name, subject) in [
            ("users", Subject::User),
            ("accounts", Subject::User),
            ("orgs", Subject::Organization),
            ("Companies", Subject::Organization),
            ("team_accounts", Subject::Organization),
            ("businesses", Subject::User),
        ] {
            assert_eq!(table(name, &[]).subject(), subject, "{name}");
        }
    }
}
