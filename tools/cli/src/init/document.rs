//! The commented document.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use counterfoil_core::mapping::{ColumnType, Subject};

use super::plans::{Offer, Select};
use super::table::{Candidate, Guess, Role};

/// Everything that was seen.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) table: &'a Candidate,
    /// Other tables that could be meant.
    pub(super) others: Vec<String>,
    /// The app's plans with how many rows have them, the most frequent first.
    pub(super) plans: Vec<(String, u64)>,
    pub(super) offers: &'a [Offer],
    /// Keys of the customers' metadata that look like ids of rows: how many of how many hit one.
    pub(super) metadata: BTreeMap<String, (usize, usize)>,
    /// Stripe has entitlement features.
    pub(super) features: bool,
}

/// The document, and what in it is only guessed.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) guesses: Vec<String>,
    /// Names of the plans that are not commented out.
    pub(super) plans: Vec<String>,
}

/// Writes the document.
pub(super) fn write(seen: &Seen<'_>) -> Written {
    let mut out = Writer::default();
    out.line("# The mapping of Counterfoil: who is whom, which columns say what the app grants, what each");
    out.line("# price promises. Written by `counterfoil init`. Every line marked `# guess:` needs your eyes.");
    out.line("# Nothing is repairable yet: set `repairable = true` where a repair may write, once a check");
    out.line("# finds what you expect.");
    matching(&mut out, seen);
    access(&mut out, seen);
    let plans = offers(&mut out, seen);
    rules(&mut out);
    Written {
        text: out.text,
        guesses: out.guesses,
        plans,
    }
}

#[derive(Debug, Default)]
struct Writer {
    text: String,
    guesses: Vec<String>,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A comment. What it quotes comes from others and must stay in its line.
    fn note(&mut self, note: &str) {
        let note: String = note
            .chars()
            .map(|it| {
                if it.is_control() || matches!(it, '\u{2028}' | '\u{2029}') {
                    ' '
                } else {
                    it
                }
            })
            .collect();
        self.line(&format!("# {note}"));
    }

    fn guess(&mut self, what: &str, why: &str) {
        self.guesses.push(what.to_owned());
        self.note(&format!("guess: {why}"));
    }
}

/// A text of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

fn or(others: &[String]) -> String {
    if others.is_empty() {
        String::new()
    } else {
        format!("; it could also be {}", others.join(", "))
    }
}

fn matching(out: &mut Writer, seen: &Seen<'_>) {
    let table = seen.table;
    let subject = table.subject();
    out.line("\n[match]");
    out.guess(
        "match.table",
        &format!(
            "one row of this table is one {}{}",
            subject.name(),
            or(&seen.others)
        ),
    );
    out.line(&format!("subject = {}", quoted(subject.name())));
    out.line(&format!("table = {}", quoted(&table.name.to_string())));
    let key = table.primary_key.clone().unwrap_or_default();
    out.line(&format!("primary_key = {}", quoted(&key)));
    out.note("Who is whom: the first key that hits wins. A key that is not sure only reports.");
    out.line("keys = [");
    metadata(out, seen, subject, &key);
    if let Some(customer) = table.get(Role::Customer) {
        let why = format!(
            "Stripe's id of the customer (cus_...){}",
            or(&customer.others)
        );
        out.guess("match.keys: customer.id", &why);
        if !customer.column.unique {
            out.note(
                "The column has no unique index of its own: add one before anything is repaired.",
            );
        }
        let column = quoted(&customer.column.name);
        out.line(&format!(
            "  {{ stripe = \"customer.id\", column = {column} }},"
        ));
    } else {
        out.note("No column was found that holds Stripe's id of the customer. If there is one:");
        out.line("  # { stripe = \"customer.id\", column = \"stripe_customer_id\" },");
    }
    if let Some(email) = table.get(Role::Email) {
        out.guess(
            "match.keys: customer.email",
            &format!("an address{}", or(&email.others)),
        );
        let column = quoted(&email.column.name);
        out.line(&format!(
            "  {{ stripe = \"customer.email\", column = {column}, report_only = true }},"
        ));
    } else {
        out.note("No column with an e-mail address was found. If there is one:");
        out.line("  # { stripe = \"customer.email\", column = \"email\", report_only = true },");
    }
    out.line("]");
}

fn metadata(out: &mut Writer, seen: &Seen<'_>, subject: Subject, key: &str) {
    let surest = seen.metadata.iter().max_by_key(|(_, (hits, _))| *hits);
    if let Some((name, (hits, of))) = surest.filter(|(_, (hits, _))| *hits > 0) {
        let why = format!("{hits} of the {of} newest customers name a row in metadata.{name}");
        out.guess(&format!("match.keys: customer.metadata.{name}"), &why);
        let source = quoted(&format!("customer.metadata.{name}"));
        out.line(&format!(
            "  {{ stripe = {source}, column = {} }},",
            quoted(key)
        ));
    } else {
        let name = format!("{}_id", subject.name());
        out.note("No key of the customers' metadata was seen that names a row. If you set one:");
        out.line(&format!(
            "  # {{ stripe = \"customer.metadata.{name}\", column = {} }},",
            quoted(key)
        ));
    }
}

fn access(out: &mut Writer, seen: &Seen<'_>) {
    out.line("\n[access]");
    plan(out, seen);
    let simple =
        |out: &mut Writer, role: Role, name: &str, holds: &str, example: &str, rest: &str| {
            match seen.table.get(role) {
                Some(guess) => column(out, name, holds, guess, rest),
                None => missing(out, name, holds, example, rest),
            }
        };
    simple(
        out,
        Role::Premium,
        "premium",
        "true while there is any paid access",
        "is_premium",
        "",
    );
    let day = seen
        .table
        .get(Role::Trial)
        .is_some_and(|it| it.column.data_type == ColumnType::Date);
    let tolerance = if day {
        ", tolerance = \"1d\""
    } else {
        ", tolerance = \"1h\""
    };
    simple(
        out,
        Role::Trial,
        "trial",
        "when the trial ends",
        "trial_ends_at",
        tolerance,
    );
    simple(
        out,
        Role::Seats,
        "seats",
        "how many seats were paid for",
        "seats",
        ", none = 1",
    );
    match seen.table.get(Role::Features) {
        Some(guess) if seen.features => column(out, "features", "names of features", guess, ""),
        Some(guess) => {
            out.note("Stripe has no entitlement features, so what a plan brings stands in [[plans]]. Then:");
            out.line(&format!(
                "# features = {{ column = {} }}",
                quoted(&guess.column.name)
            ));
        }
        None => missing(out, "features", "names of features", "features", ""),
    }
    if let Some(guess) = seen.table.get(Role::Comp) {
        let holds = "marks access that was given on purpose: a flag, or a time until which";
        out.guess("access.comp", &format!("{holds}{}", or(&guess.others)));
        out.line(&format!(
            "comp = {{ column = {} }}",
            quoted(&guess.column.name)
        ));
    } else {
        out.note("No column was found that marks access given on purpose. If there is one:");
        out.line("# comp = { column = \"comped_until\" }");
    }
}

fn column(out: &mut Writer, name: &str, holds: &str, guess: &Guess, rest: &str) {
    out.guess(
        &format!("access.{name}"),
        &format!("{holds}{}", or(&guess.others)),
    );
    if guess.column.generated {
        out.note("The database itself fills this column, so it can never be repairable.");
    }
    let column = quoted(&guess.column.name);
    out.line(&format!(
        "{name} = {{ column = {column}, repairable = false{rest} }}"
    ));
}

fn missing(out: &mut Writer, name: &str, holds: &str, example: &str, rest: &str) {
    out.note(&format!(
        "No column was found that says: {holds}. If there is one:"
    ));
    out.line(&format!(
        "# {name} = {{ column = \"{example}\", repairable = false{rest} }}"
    ));
}

fn plan(out: &mut Writer, seen: &Seen<'_>) {
    let Some(guess) = seen.table.get(Role::Plan) else {
        return missing(
            out,
            "plan",
            "the name of the plan",
            "plan",
            ", none = \"free\"",
        );
    };
    let rows: Vec<String> = seen
        .plans
        .iter()
        .take(20)
        .map(|(name, rows)| format!("{} ({rows} rows)", quoted(name)))
        .collect();
    if !rows.is_empty() {
        out.note(&format!("Its values now: {}.", rows.join(", ")));
    }
    column(
        out,
        "plan",
        "the name of the plan; `none` is what it says for those who pay nothing",
        guess,
        &format!(", none = {}", quoted(&none(seen))),
    );
}

/// The plan of those who pay nothing.
pub(super) fn none(seen: &Seen<'_>) -> String {
    const USUAL: [&str; 7] = [
        "free",
        "none",
        "hobby",
        "basic",
        "community",
        "inactive",
        "trial",
    ];
    let sold = |name: &str| {
        seen.offers
            .iter()
            .any(|it| it.name == name && it.yearly != Some(0))
    };
    let mut names: Vec<&str> = seen.plans.iter().map(|(name, _)| name.as_str()).collect();
    let labels = labels(seen);
    names.extend(labels.iter().map(String::as_str));
    names.retain(|name| !sold(name));
    let usual = USUAL
        .iter()
        .find_map(|usual| names.iter().find(|name| name.eq_ignore_ascii_case(usual)));
    let found = usual.or_else(|| names.first().filter(|_| !labels.is_empty()));
    found.map_or_else(|| "free".to_owned(), |name| (*name).to_owned())
}

/// The values that the type of the plan column has, if it lists them.
pub(super) fn labels(seen: &Seen<'_>) -> Vec<String> {
    match seen.table.get(Role::Plan).map(|it| &it.column.data_type) {
        Some(ColumnType::Enum(labels)) => labels.clone(),
        _ => Vec::new(),
    }
}

fn offers(out: &mut Writer, seen: &Seen<'_>) -> Vec<String> {
    out.line("");
    out.note("The highest rank among the subscriptions that grant wins. The order below is that of the prices.");
    let labels = labels(seen);
    let none = none(seen);
    let foreign =
        |offer: &Offer| !labels.is_empty() && !offer.addon && !labels.contains(&offer.name);
    let mut plans = Vec::new();
    for (rank, offer) in (1_u32..).zip(seen.offers.iter()) {
        // With nothing left, the first plan takes the first value that is free.
        let spare = labels.iter().find(|label| **label != none);
        let only = seen.offers.iter().filter(|it| !it.addon).all(foreign) && plans.is_empty();
        let (name, commented) = match spare {
            Some(spare) if foreign(offer) && only => (spare.clone(), false),
            _ => (offer.name.clone(), foreign(offer)),
        };
        let mut block = Writer::default();
        offer_block(
            &mut block,
            offer,
            &name,
            rank.saturating_mul(10),
            &none,
            seen,
        );
        out.line("");
        if commented {
            out.note("The plan column has no value like this one. Write the app's name and take out the `#`:");
            for line in block.text.lines() {
                out.line(&format!("# {line}"));
            }
            continue;
        }
        out.text.push_str(&block.text);
        out.guesses.extend(block.guesses);
        if !offer.addon {
            plans.push(name);
        }
    }
    plans
}

fn offer_block(
    out: &mut Writer,
    offer: &Offer,
    name: &str,
    rank: u32,
    none: &str,
    seen: &Seen<'_>,
) {
    out.note(&format!("{} in Stripe:", offer.title));
    for price in &offer.prices {
        out.note(&format!("  {price}"));
    }
    let section = if offer.addon { "addons" } else { "plans" };
    if offer.addon {
        out.guess(
            &format!("addons: {name}"),
            "an add-on, which brings features and no plan",
        );
    } else if !offer.known || name != offer.name {
        let values: Vec<String> = seen
            .plans
            .iter()
            .take(20)
            .map(|(name, _)| quoted(name))
            .collect();
        let why = if values.is_empty() {
            "the app's name of this plan, made from Stripe's".to_owned()
        } else {
            format!(
                "the app's name of this plan; the column has {}",
                values.join(", ")
            )
        };
        out.guess(&format!("plans: {name}"), &why);
    }
    out.line(&format!("[[{section}]]"));
    out.line(&format!("name = {}", quoted(name)));
    if !offer.addon {
        out.line(&format!("rank = {rank}"));
        if offer.yearly.is_none() {
            out.guess(
                &format!("plans: rank of {name}"),
                "its prices have no fixed amount, so it comes last",
            );
        }
        if name == none || offer.yearly == Some(0) {
            out.guess(
                &format!("plans: {name} is no paid access"),
                "costs nothing, so it is no paid access",
            );
            out.line("premium = false");
        }
    }
    let select = match &offer.select {
        Select::Products(ids) => format!("{{ product = {} }}", list(ids)),
        Select::Prices(ids) => format!("{{ price = {} }}", list(ids)),
    };
    out.line(&format!("match = {select}"));
    if offer.features {
        out.note("The entitlement features of the product.");
        out.line("features = \"stripe\"");
    } else {
        out.line("features = []");
    }
}

fn rules(out: &mut Writer) {
    // Writing to a String cannot fail.
    let _ = out.text.write_str(
        "
# Every knob with its default.
[rules]
past_due_grace = \"14d\"       # an unpaid renewal keeps access this long; or \"forever\"
features_from = \"all\"        # or \"highest\": only the subscription that sets the plan
pause_collection = \"grant\"   # or \"revoke\", or { void = ..., keep_as_draft = ..., mark_uncollectible = ... }
paused = \"revoke\"
unpaid = \"revoke\"
race_grace = \"10m\"           # a difference must last this long

[limits]
max_repairs_per_run = 50
max_drift_percent = 5.0      # more than this is taken for a broken mapping
# max_amount_at_risk = { minor = 100000, currency = \"usd\" }
",
    );
}
