//! One case: its files, and the engine on them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_core::billing::{Catalog, Customer, Invoice, Page, Price, Product, Subscription};
use counterfoil_core::cell::{AppRow, Cell};
use counterfoil_core::mapping::{Artifact, Mapping, compile};
use counterfoil_core::reconcile::{Outcome, Scan};
use counterfoil_core::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::expected;

/// The moment of every case: 2026-11-23T00:00:00Z.
const AS_OF: i64 = 1_795_392_000;

const REQUIRED: [&str; 5] = [
    "README.md",
    "customers.json",
    "subscriptions.json",
    "rows.json",
    "expected.json",
];
const OPTIONAL: [&str; 2] = ["invoices.json", "mapping.toml"];

/// A folder of `cases`.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) expected: Value,
    /// What the case's own mapping says.
    pub(crate) changes: toml::Table,
    pub(crate) artifact: Artifact,
    catalog: Catalog,
    customers: Vec<Value>,
    subscriptions: Vec<Value>,
    invoices: Vec<Value>,
    rows: Vec<AppRow>,
}

/// Every case there is. A folder with a file missing or a file too many is no case, and fails.
pub(crate) fn cases() -> Vec<Case> {
    let names = names();
    assert!(names.len() >= 100, "only {} cases", names.len());
    names.iter().map(|name| Case::read(name)).collect()
}

/// The names of the folders.
pub(crate) fn names() -> BTreeSet<String> {
    let entries = fs::read_dir(folder().join("cases")).unwrap();
    let entries = entries.map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            assert!(entry.path().is_dir(), "{:?} is no folder", entry.path());
            entry.file_name().into_string().unwrap()
        })
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn json<T: DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn toml(path: &Path) -> toml::Table {
    let text = fs::read_to_string(path).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lays `above` over `below`: tables are joined, everything else is replaced.
fn overlay(below: &mut toml::Table, above: &toml::Table) {
    for (key, value) in above {
        match (below.get_mut(key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => overlay(below, above),
            _ => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

fn catalog() -> Catalog {
    let read = |name: &str| folder().join("catalog").join(name);
    let prices: Page<Price> = json(&read("prices.json"));
    let products: Page<Product> = json(&read("products.json"));
    let mut catalog = Catalog::new(prices.data, products.data);
    let features: Map<String, Value> = json(&read("features.json"));
    for (product, page) in features {
        catalog
            .add_features(&product, page.to_string().as_bytes())
            .unwrap();
    }
    catalog
}

impl Case {
    /// The case of this name.
    pub(crate) fn read(name: &str) -> Self {
        let folder = folder().join("cases").join(name);
        let files: BTreeSet<String> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        for file in REQUIRED {
            assert!(files.contains(file), "{name} has no {file}");
        }
        for file in &files {
            let known = REQUIRED.contains(&file.as_str()) || OPTIONAL.contains(&file.as_str());
            assert!(known, "{name}: nobody reads {file}");
        }
        let says = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(
            says.trim().len() > 20 && says.trim().lines().count() == 1,
            "{name}: README.md"
        );
        let list = |file: &str| -> Vec<Value> {
            let page: Page<Value> = json(&folder.join(file));
            assert!(!page.has_more, "{name}: {file} goes on");
            page.data
        };
        let optional = |file: &str| files.contains(file).then(|| folder.join(file));
        let changes = optional("mapping.toml").map_or_else(toml::Table::new, |path| toml(&path));
        let mut mapping = toml(&self::folder().join("mapping.toml"));
        overlay(&mut mapping, &changes);
        let mapping = Mapping::from_toml(&toml::to_string(&mapping).unwrap()).unwrap();
        let artifact = compile(&mapping).unwrap();
        let rows: Vec<Map<String, Value>> = json(&folder.join("rows.json"));
        Self {
            name: name.to_owned(),
            expected: json(&folder.join("expected.json")),
            changes,
            catalog: catalog(),
            customers: list("customers.json"),
            subscriptions: list("subscriptions.json"),
            invoices: optional("invoices.json").map_or_else(Vec::new, |_| list("invoices.json")),
            rows: rows.iter().map(|row| app_row(&artifact, row)).collect(),
            artifact,
        }
    }

    /// The same case with another expectation at `pointer`.
    pub(crate) fn with(&self, pointer: &str, value: Value) -> Self {
        let mut case = self.clone();
        *case.expected.pointer_mut(pointer).unwrap() = value;
        case
    }

    /// What was found instead of what is expected.
    pub(crate) fn failure(&self) -> Option<String> {
        let (expected, found) = (
            expected::complete(&self.expected),
            expected::told(&self.run()),
        );
        (expected != found).then(|| {
            format!(
                "{}\n  expected {expected:#}\n  found    {found:#}",
                self.name
            )
        })
    }

    fn scan(&self) -> Scan {
        let livemode = self
            .expected
            .get("livemode")
            .is_none_or(|mode| *mode == true);
        let as_of = Timestamp::from_secs(AS_OF);
        Scan::new(&self.artifact, &self.catalog, as_of, livemode)
    }

    /// The engine on the case.
    pub(crate) fn run(&self) -> Outcome {
        let mut scan = self.scan();
        for customer in &self.customers {
            scan.customer(&read::<Customer>(customer));
        }
        for subscription in &self.subscriptions {
            scan.subscription(&read::<Subscription>(subscription));
        }
        for invoice in &self.invoices {
            scan.invoice(&read::<Invoice>(invoice));
        }
        self.join(scan, false)
    }

    /// The engine on the case from its end, every object twice.
    pub(crate) fn run_reversed_and_twice(&self) -> Outcome {
        let mut scan = self.scan();
        let twice = |objects: &[Value]| {
            let back = objects.iter().rev();
            back.clone().chain(back).cloned().collect::<Vec<Value>>()
        };
        for invoice in twice(&self.invoices) {
            scan.invoice(&read::<Invoice>(&invoice));
        }
        for subscription in twice(&self.subscriptions) {
            scan.subscription(&read::<Subscription>(&subscription));
        }
        for customer in twice(&self.customers) {
            scan.customer(&read::<Customer>(&customer));
        }
        self.join(scan, true)
    }

    /// The engine on the text of the objects.
    pub(crate) fn run_as_text(&self) -> Outcome {
        let mut scan = self.scan();
        for customer in &self.customers {
            scan.customer_json(&customer.to_string()).unwrap();
        }
        for subscription in &self.subscriptions {
            scan.subscription_json(&subscription.to_string()).unwrap();
        }
        for invoice in &self.invoices {
            scan.invoice(&read::<Invoice>(invoice));
        }
        self.join(scan, false)
    }

    fn join(&self, scan: Scan, reversed: bool) -> Outcome {
        let mut join = scan.seal();
        let mut rows: Vec<&AppRow> = self.rows.iter().collect();
        if reversed {
            rows.reverse();
        }
        for row in rows {
            join.row(row);
        }
        join.finish()
    }
}

fn read<T: DeserializeOwned>(object: &Value) -> T {
    serde_json::from_value(object.clone()).unwrap()
}

fn app_row(artifact: &Artifact, row: &Map<String, Value>) -> AppRow {
    let table = artifact.table();
    let cell = |column: &String| cell(column, &row[column.as_str()]);
    let known = |column: &String| *column == table.key || table.columns.contains(column);
    assert!(
        row.keys().all(known),
        "a column that the mapping does not name: {row:?}"
    );
    AppRow {
        key: cell(&table.key),
        cells: table.columns.iter().map(cell).collect(),
    }
}

fn cell(column: &str, value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(flag) => Cell::Bool(*flag),
        Value::Number(number) => Cell::Int(number.as_i64().unwrap()),
        Value::String(text) if column.ends_with("_at") || column.ends_with("_until") => {
            Cell::Time(text.parse().unwrap())
        }
        Value::String(text) => Cell::Text(text.clone()),
        Value::Array(names) => {
            let names = names.iter().map(|name| name.as_str().unwrap().to_owned());
            Cell::List(names.collect())
        }
        Value::Object(_) => panic!("{column} has no cell of this form"),
    }
}
