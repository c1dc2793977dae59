//! What the database and Stripe show.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use counterfoil_core::billing::Customer;
use counterfoil_core::cell::{Cell, TableShape};
use counterfoil_core::mapping::{ColumnType, closest, words};
use counterfoil_core::ports::{AppInspector, Billing as _, CreatedRange};
use counterfoil_stripe::{RestrictedKey, STRIPE_URL, StripeClient};

use super::args::Args;
use super::document::Seen;
use super::plans::{Offer, offers};
use super::table::{Candidate, Role, fitting};
use crate::database;

/// More different plans than this are no plans.
const MAX_PLANS: usize = 200;
/// Behind every creation date that Stripe can hold.
const EVER: i64 = 1 << 40;

/// Everything that was read.
#[derive(Debug)]
pub(super) struct Looked {
    table: Candidate,
    others: Vec<String>,
    plans: Vec<(String, u64)>,
    offers: Vec<Offer>,
    metadata: BTreeMap<String, (usize, usize)>,
    features: bool,
}

impl Looked {
    pub(super) fn table_name(&self) -> String {
        self.table.name.to_string()
    }

    /// The same, for the document.
    pub(super) fn seen(&self) -> Result<Seen<'_>> {
        ensure!(
            !self.offers.is_empty(),
            "Stripe has no recurring price, so there is no plan to map: create the prices first, or check \
             that the key is for the right account and mode"
        );
        Ok(Seen {
            table: &self.table,
            others: self.others.clone(),
            plans: self.plans.clone(),
            offers: &self.offers,
            metadata: self.metadata.clone(),
            features: self.features,
        })
    }
}

/// Reads both sides.
pub(super) async fn look(args: &Args) -> Result<Looked> {
    // What can be refused without a connection is refused first.
    let key = RestrictedKey::parse(&args.stripe_key).context("--stripe-key")?;
    let url = args.stripe_url.as_deref().unwrap_or(STRIPE_URL);
    let stripe = StripeClient::new(url, &key)?;
    eprintln!("reading the tables of the database");
    let app = database::open(&args.database_url, args.allow_writable_role).await?;
    let (table, others) = table(args, app.as_ref()).await?;
    let plans = plans(app.as_ref(), &table).await?;
    eprintln!("reading prices and products from Stripe");
    let catalog = stripe.catalog(true).await?;
    eprintln!("reading the newest customers from Stripe");
    let range = CreatedRange::before(EVER);
    let customers = stripe.customer_page(range, None).await?.data;
    let metadata = metadata(app.as_ref(), &table, &customers).await?;
    let known: Vec<String> = plans.iter().map(|(name, _)| name.clone()).collect();
    let known = known_plans(&table, known);
    Ok(Looked {
        offers: offers(&catalog, &known),
        features: catalog.features.values().any(|keys| !keys.is_empty()),
        table,
        others,
        plans,
        metadata,
    })
}

/// The values in use, then those that the type has besides.
fn known_plans(table: &Candidate, mut known: Vec<String>) -> Vec<String> {
    if let Some(ColumnType::Enum(labels)) = table.get(Role::Plan).map(|it| &it.column.data_type) {
        known.retain(|name| labels.contains(name));
        let unused: Vec<String> = labels
            .iter()
            .filter(|it| !known.contains(it))
            .cloned()
            .collect();
        known.extend(unused);
    }
    known
}

/// The table that fits best, and the names of the others that fit.
async fn table(args: &Args, app: &dyn AppInspector) -> Result<(Candidate, Vec<String>)> {
    let names = app.tables().await?;
    ensure!(
        !names.is_empty(),
        "the role sees no table: grant it USAGE on the schema and SELECT on the table of the users"
    );
    let wanted = match &args.table {
        None => names,
        Some(wanted) => {
            let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
            let found = names.iter().find(|it| it.to_string() == *wanted).cloned();
            let bare = || names.iter().find(|it| it.table == *wanted);
            let near = bare()
                .map(ToString::to_string)
                .or_else(|| closest(wanted, texts.iter().map(String::as_str)).map(str::to_owned));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            vec![found.ok_or_else(|| anyhow!("the role sees no table `{wanted}`{near}"))?]
        }
    };
    let mut candidates = Vec::new();
    for name in wanted {
        if let Some(columns) = app.columns(&name.schema, &name.table).await? {
            candidates.push(Candidate::of(name, columns));
        }
    }
    let found = fitting(&candidates);
    let Some((best, others)) = found.split_first() else {
        bail!(nothing_fits(&candidates));
    };
    let others = others.iter().map(|it| it.name.to_string()).collect();
    Ok(((*best).clone(), others))
}

fn nothing_fits(candidates: &[Candidate]) -> String {
    let mut text =
        "no table has what a mapping needs: one row per user or organization with a column \
                    that says who the Stripe customer is and one that says what is granted"
            .to_owned();
    let near = candidates
        .iter()
        .filter(|it| it.is_near() || candidates.len() == 1);
    for candidate in near.take(5) {
        let lacks = candidate.lacks().unwrap_or_default();
        text.extend(["\n  ", candidate.name.to_string().as_str(), ": ", lacks]);
    }
    text.push_str("\nIf there is such a table, write the mapping by hand (docs/mapping.md).");
    text
}

/// The values of the plan column with their numbers of rows, the most frequent first.
async fn plans(app: &dyn AppInspector, table: &Candidate) -> Result<Vec<(String, u64)>> {
    let (Some(guess), Some(key)) = (table.get(Role::Plan), &table.primary_key) else {
        return Ok(Vec::new());
    };
    eprintln!("reading the plans in {}", table.name);
    let shape = TableShape {
        schema: table.name.schema.clone(),
        table: table.name.table.clone(),
        key: key.clone(),
        columns: vec![guess.column.name.clone()],
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    app.rows(&shape, &mut |rows| {
        for row in rows {
            if let Some(Cell::Text(name)) = row.cells.first()
                && (counts.len() <= MAX_PLANS || counts.contains_key(name))
            {
                *counts.entry(name.clone()).or_default() += 1;
            }
        }
    })
    .await?;
    if counts.len() > MAX_PLANS {
        return Ok(Vec::new());
    }
    let mut plans: Vec<(String, u64)> = counts
        .into_iter()
        .filter(|(name, _)| !name.is_empty())
        .collect();
    plans.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(plans)
}

/// Keys of the customers' metadata that end in `id`: how many values are keys of rows.
async fn metadata(
    app: &dyn AppInspector,
    table: &Candidate,
    customers: &[Customer],
) -> Result<BTreeMap<String, (usize, usize)>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in customers.iter().flat_map(|it| &it.metadata) {
        let is_id = words(name)
            .last()
            .is_some_and(|word| word == "id" || word == "uuid");
        if is_id && !value.is_empty() {
            values.entry(name.clone()).or_default().push(value.clone());
        }
    }
    let mut found = BTreeMap::new();
    let key = table.primary_key.clone().unwrap_or_default();
    let shape = TableShape {
        schema: table.name.schema.clone(),
        table: table.name.table.clone(),
        key: key.clone(),
        columns: Vec::new(),
    };
    for (name, mut values) in values {
        values.sort_unstable();
        values.dedup();
        let rows = app.rows_where(&shape, &key, &values, false).await?;
        found.insert(name, (rows.len(), customers.len()));
    }
    Ok(found)
}
