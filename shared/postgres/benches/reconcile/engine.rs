//! The product's engine on the same files and table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use counterfoil_core::billing::{Catalog, Page, Price, Product};
use counterfoil_core::cell::{AppRow, Cell};
use counterfoil_core::mapping::{Mapping, compile};
use counterfoil_core::ports::{AppDatabase as _, Completeness};
use counterfoil_core::reconcile::Scan;
use counterfoil_core::redacted::Redacted;
use counterfoil_core::time::Timestamp;
use counterfoil_postgres::{Network, PgDatabase};
use serde_json::Value;

use super::{cost, data, floor};

/// Compares `copies` times the data: in every copy after the first, each customer id has one more
/// character, and each user id and e-mail address begins with a letter that none of the data does.
pub(crate) fn run(folder: &Path, url: &str, out: &Path, copies: u8) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(compare(folder, url, out, copies));
}

async fn compare(folder: &Path, url: &str, out: &Path, copies: u8) {
    let mapping = include_str!("counterfoil.toml");
    let artifact = compile(&Mapping::from_toml(mapping).unwrap()).unwrap();
    let as_of = Timestamp::from_secs(data::AS_OF);
    let mut scan = Scan::new(&artifact, &catalog(folder), as_of, true);
    for copy in 0..copies {
        floor::lines(&folder.join("customers.ndjson"), |line| {
            scan.customer_json(&salted(line, copy)).unwrap();
        });
        phase("customers");
        floor::lines(&folder.join("subscriptions.ndjson"), |line| {
            scan.subscription_json(&salted(line, copy)).unwrap();
        });
    }
    phase("subscriptions");
    let table = artifact.table();
    let mut join = scan.seal();
    phase("seal");
    let databases = PgDatabase::new().within(Network::loopback());
    let app = databases
        .inspect(&Redacted::new(url.to_owned()))
        .await
        .unwrap();
    for copy in 0..copies {
        let mut each = |rows: &[AppRow]| match copy {
            0 => join.rows(rows),
            _ => (rows.iter()).for_each(|row| join.row(&of_copy(row.clone(), copy))),
        };
        let read = app.rows(&table, &mut each).await.unwrap();
        assert_eq!(read, Completeness::Complete);
    }
    phase("rows");
    let outcome = join.finish();
    let mut found = String::new();
    for finding in &outcome.findings {
        writeln!(found, "{}\t{}", finding.kind.name(), finding.subject).unwrap();
    }
    std::fs::write(out, found).unwrap();
    phase("finish");
    cost::tell(outcome.customers);
}

fn catalog(folder: &Path) -> Catalog {
    let json = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let prices: Page<Price> = serde_json::from_slice(&json("prices.json")).unwrap();
    let products: Page<Product> = serde_json::from_slice(&json("products.json")).unwrap();
    let mut catalog = Catalog::new(prices.data, products.data);
    let features: BTreeMap<String, Value> =
        serde_json::from_slice(&json("product_features.json")).unwrap();
    for (product, page) in &features {
        let page = serde_json::to_vec(page).unwrap();
        catalog.add_features(product, &page).unwrap();
    }
    catalog
}

fn salted(line: &str, copy: u8) -> std::borrow::Cow<'_, str> {
    if copy == 0 {
        return line.into();
    }
    let mut text = line.to_owned();
    let letter = letter(copy).to_string();
    let digit = copy.to_string();
    for (before, salt, replaced) in [
        ("\"cus_", &digit, 0),
        ("\"sub_", &digit, 1),
        ("\"user_id\":\"", &letter, 1),
        ("\"email\":\"", &letter, 1),
    ] {
        let mut from = 0;
        while let Some(place) = text.get(from..).and_then(|rest| rest.find(before)) {
            from += place + before.len();
            text.replace_range(from..from + replaced, salt);
        }
    }
    text.into()
}

fn of_copy(mut row: AppRow, copy: u8) -> AppRow {
    let letter = letter(copy).to_string();
    if let Cell::Text(id) = &mut row.key {
        id.replace_range(..1, &letter);
    }
    for cell in &mut row.cells {
        let Cell::Text(text) = cell else { continue };
        if text.starts_with("cus_") {
            text.insert_str(4, &copy.to_string());
        } else if text.contains('@') {
            text.replace_range(..1, &letter);
        }
    }
    row
}

/// A letter that is no hexadecimal digit.
fn letter(copy: u8) -> char {
    char::from(b'g' + copy)
}

fn phase(name: &str) {
    if std::env::var_os("PHASES").is_none() {
        return;
    }
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rss = status
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"))
        .collect::<Vec<_>>()
        .join(" ");
    eprintln!("{name}: user {} sys {} {rss}", f[11], f[12]);
}
