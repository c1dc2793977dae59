//! The app's side of the sample: one row per user.

use std::fmt::Write as _;

use counterfoil_core::time::Timestamp;

/// The table of the sample app.
pub const APP_USERS_TABLE: &str = "\
CREATE TABLE app_users (
  id uuid PRIMARY KEY,
  email text NOT NULL UNIQUE,
  name text NOT NULL,
  stripe_customer_id text UNIQUE,
  plan text NOT NULL DEFAULT 'free',
  premium boolean NOT NULL DEFAULT false,
  trial_ends_at timestamptz,
  seats integer NOT NULL DEFAULT 1,
  features text[] NOT NULL DEFAULT '{}',
  comped_until timestamptz
);
";

/// A row of [`APP_USERS_TABLE`]. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppUser {
    /// UUID.
    pub id: String,
    /// Address.
    pub email: String,
    /// Name.
    pub name: String,
    /// `cus_…`, where the app stored it.
    pub stripe_customer_id: Option<String>,
    /// `free`, or a plan's name.
    pub plan: String,
    /// Paid access.
    pub premium: bool,
    /// End of the trial.
    pub trial_ends_at: Option<i64>,
    /// Seats.
    pub seats: i64,
    /// Features, sorted.
    pub features: Vec<String>,
    /// Access was given on purpose until then.
    pub comped_until: Option<i64>,
}

impl AppUser {
    /// A user without access.
    pub fn free(id: String, email: String, name: String) -> Self {
        Self {
            id,
            email,
            name,
            stripe_customer_id: None,
            plan: "free".to_owned(),
            premium: false,
            trial_ends_at: None,
            seats: 1,
            features: Vec::new(),
            comped_until: None,
        }
    }
}

/// A statement that puts the users into the table; empty without users.
pub fn insert_users(users: &[AppUser]) -> String {
    let rows: Vec<String> = users.iter().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut statement = "INSERT INTO app_users (id, email, name, stripe_customer_id, plan, \
                         premium, trial_ends_at, seats, features, comped_until) VALUES\n"
        .to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(statement, "{};", rows.join(",\n"));
    statement
}

/// The statement whose data are lines of [`copy_line`].
pub const COPY_USERS: &str = "COPY app_users (id, email, name, stripe_customer_id, plan, premium, \
                              trial_ends_at, seats, features, comped_until) FROM STDIN";

/// Appends a row in COPY's text format.
pub fn copy_line(user: &AppUser, to: &mut String) {
    const NULL: &str = "\\N";
    let time = |seconds: Option<i64>| {
        seconds.map_or_else(
            || NULL.to_owned(),
            |seconds| Timestamp::from_secs(seconds).to_string(),
        )
    };
    // Nothing in a row of the sample needs an escape. Writing to a String cannot fail.
    let _ = writeln!(
        to,
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{{{}}}\t{}",
        user.id,
        user.email,
        user.name,
        user.stripe_customer_id.as_deref().unwrap_or(NULL),
        user.plan,
        user.premium,
        time(user.trial_ends_at),
        user.seats,
        user.features.join(","),
        time(user.comped_until),
    );
}

fn row(user: &AppUser) -> String {
    let features: Vec<String> = user.features.iter().map(|it| literal(it)).collect();
    format!(
        "({}, {}, {}, {}, {}, {}, {}, {}, ARRAY[{}]::text[], {})",
        literal(&user.id),
        literal(&user.email),
        literal(&user.name),
        user.stripe_customer_id
            .as_deref()
            .map_or_else(|| "NULL".to_owned(), literal),
        literal(&user.plan),
        user.premium,
        time(user.trial_ends_at),
        user.seats,
        features.join(", "),
        time(user.comped_until),
    )
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn time(seconds: Option<i64>) -> String {
    seconds.map_or_else(
        || "NULL".to_owned(),
        |seconds| format!("to_timestamp({seconds})"),
    )
}
