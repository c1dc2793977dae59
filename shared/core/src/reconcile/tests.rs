//! The decision table and the matching, world by world.
//!
//! A world is written in lines: `cus ID [user=U] [email=E] [deleted] | subscription | …` and
//! `row ID [PLAN] [on] [name=value …]`. Times are relative to the run: `+3d`, `-20d`.

use std::fmt::Write as _;

use super::{Finding, Outcome, Scan};
use crate::billing::{Catalog, Customer, Invoice, Price, Product, Recurring, Subscription};
use crate::cell::{AppRow, Cell};
use crate::mapping::{Artifact, Mapping, compile};
use crate::money::Money;
use crate::time::Timestamp;

mod columns;
mod matching;
mod output;
mod properties;
mod states;

const AS_OF: i64 = 1_795_392_000;

const MAPPING: &str = r#"
[match]
table = "public.users"
primary_key = "id"
keys = [
  { stripe = "customer.metadata.user_id", column = "id" },
  { stripe = "customer.id", column = "stripe_customer_id" },
  { stripe = "customer.email", column = "email", report_only = true },
]

[access]
plan = { column = "plan", repairable = true, none = "free" }
premium = { column = "premium", repairable = true }
trial = { column = "trial_ends_at", repairable = true, tolerance = "1h" }
seats = { column = "seats", repairable = true, none = 1 }
features = { column = "features", repairable = true }
comp = { column = "comped" }

[[plans]]
name = "basic"
rank = 10
match = { product = ["prod_basic"] }
features = ["export"]

[[plans]]
name = "pro"
rank = 20
match = { lookup_key = ["pro_monthly"], price = ["price_pro_year"] }
features = "stripe"

[[addons]]
name = "audit"
match = { price = ["price_audit"] }
features = ["audit"]
"#;

fn artifact(changes: &str) -> Artifact {
    let rules = format!("{MAPPING}\n[rules]\n{changes}\n");
    compile(&Mapping::from_toml(&rules).unwrap()).unwrap()
}

fn price(id: &str, product: &str, key: Option<&str>, amount: i64, interval: &str) -> Price {
    Price {
        id: format!("price_{id}"),
        product: format!("prod_{product}"),
        lookup_key: key.map(str::to_owned),
        unit_amount: Some(amount),
        currency: "usd".to_owned(),
        recurring: Some(Recurring {
            interval: interval.to_owned(),
            interval_count: 1,
            usage_type: None,
        }),
        ..Price::default()
    }
}

fn catalog() -> Catalog {
    let prices = [
        price("basic", "basic", None, 1_000, "month"),
        price("pro", "pro", Some("pro_monthly"), 3_000, "month"),
        price("pro_year", "pro", None, 30_000, "year"),
        price("audit", "audit", None, 500, "month"),
        price("mystery", "mystery", None, 9_900, "month"),
        Price {
            currency: "eur".to_owned(),
            ..price("basic_eur", "basic", None, 900, "month")
        },
    ];
    let product = |id: &str| Product {
        id: format!("prod_{id}"),
        ..Product::default()
    };
    let mut catalog = Catalog::new(prices, ["basic", "pro", "audit", "mystery"].map(product));
    let page = br#"{"data":[{"entitlement_feature":{"lookup_key":"sso"}},
        {"entitlement_feature":{"lookup_key":"export"}}],"has_more":false}"#;
    catalog.add_features("prod_pro", page).unwrap();
    catalog
}

fn time(text: &str) -> i64 {
    let (sign, rest) = text.split_at(1);
    let (number, unit) = rest.split_at(rest.len() - 1);
    let scale = match unit {
        "s" => 1,
        "h" => 3_600,
        "d" => 86_400,
        _ => panic!("no unit in {text}"),
    };
    let offset: i64 = number.parse::<i64>().unwrap() * scale;
    if sign == "-" {
        AS_OF - offset
    } else {
        AS_OF + offset
    }
}

fn pair(word: &str) -> (&str, &str) {
    word.split_once('=').unwrap_or((word, ""))
}

fn customer(words: &[&str]) -> Customer {
    let mut customer = Customer {
        id: format!("cus_{}", words[0]),
        ..Customer::default()
    };
    for word in &words[1..] {
        match pair(word) {
            ("user", user) => {
                customer
                    .metadata
                    .insert("user_id".to_owned(), user.to_owned());
            }
            ("email", email) => customer.email = Some(email.to_owned()),
            ("deleted", _) => customer.deleted = true,
            other => panic!("{other:?}"),
        }
    }
    customer
}

/// `STATUS PRICE[*QUANTITY][+PRICE…] [id=] [trial=] [period=] [end=] [cancel_at=] [at_period_end]
/// [ended=] [pause=] [age=] [test] [half] [free] [failed=] [unpaid=]`; `unpaid` makes open invoices.
fn subscription(customer: &str, number: usize, words: &[&str]) -> Subscription {
    let items: Vec<String> = words[1]
        .split('+')
        .map(|item| {
            let (price, quantity) = item.split_once('*').unwrap_or((item, "1"));
            format!(r#"{{"price":{{"id":"price_{price}"}},"quantity":{quantity}}}"#)
        })
        .collect();
    let (mut id, mut created, mut more, mut fields) = (None, AS_OF - 1_000, false, String::new());
    for word in &words[2..] {
        let (name, value) = pair(word);
        let field = match name {
            "id" => {
                id = Some(value);
                continue;
            }
            "unpaid" => continue,
            "age" => {
                created = AS_OF - value.parse::<i64>().unwrap();
                continue;
            }
            "half" => {
                more = true;
                continue;
            }
            "trial" => format!(r#""trial_end":{}"#, time(value)),
            "period" => format!(r#""current_period_start":{}"#, time(value)),
            "end" => format!(r#""current_period_end":{}"#, time(value)),
            "ended" => format!(r#""ended_at":{}"#, time(value)),
            "cancel_at" => format!(r#""cancel_at":{}"#, time(value)),
            "at_period_end" => r#""cancel_at_period_end":true"#.to_owned(),
            "pause" => format!(r#""pause_collection":{{"behavior":"{value}"}}"#),
            "test" => r#""livemode":false"#.to_owned(),
            "free" => r#""discounts":[{"source":{"coupon":{"percent_off":100.0}}}]"#.to_owned(),
            "failed" => {
                format!(
                    r#""latest_invoice":{{"status":"open","created":{}}}"#,
                    time(value)
                )
            }
            other => panic!("{other}"),
        };
        write!(fields, ",{field}").unwrap();
    }
    let id = id.map_or(format!("{customer}{number}"), str::to_owned);
    let text = format!(
        r#"{{"id":"sub_{id}","customer":"cus_{customer}","status":"{}","created":{created},
            "items":{{"data":[{}],"has_more":{more}}}{fields}}}"#,
        words[0],
        items.join(",")
    );
    serde_json::from_str(&text).unwrap()
}

/// The open invoices that the words of a subscription name.
fn invoices<'a>(subscription: &'a str, words: &'a [&str]) -> impl Iterator<Item = Invoice> + 'a {
    let times = words.iter().skip(2).map(|word| pair(word));
    let times = times.filter(|(name, _)| *name == "unpaid");
    times.map(|(_, at)| Invoice {
        subscription: Some(subscription.to_owned()),
        created: Some(time(at)),
        status: Some("open".to_owned()),
        ..Invoice::default()
    })
}

fn row(words: &[&str]) -> AppRow {
    let id = words[0];
    let mut cells = vec![
        Cell::Text("free".to_owned()),
        Cell::Bool(false),
        Cell::Null,
        Cell::Int(1),
        Cell::List(Vec::new()),
        Cell::Null,
        Cell::Null,
        Cell::Text(format!("{id}@example.com")),
    ];
    let list = |text: &str| {
        Cell::List(
            text.split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    };
    for word in &words[1..] {
        let (place, cell) = match pair(word) {
            ("basic", "") => {
                cells[4] = list("export");
                (0, Cell::Text("basic".to_owned()))
            }
            ("pro", "") => {
                cells[4] = list("export,sso");
                (0, Cell::Text("pro".to_owned()))
            }
            ("on", "") => (1, Cell::Bool(true)),
            ("plan", "null") => (0, Cell::Null),
            ("plan", name) => (0, Cell::Text(name.to_owned())),
            ("trial", at) => (2, Cell::Time(Timestamp::from_secs(time(at)))),
            ("seats", count) => (3, Cell::Int(count.parse().unwrap())),
            ("features", names) => (4, list(names)),
            ("comped", until) => (5, Cell::Time(Timestamp::from_secs(time(until)))),
            ("link", id) => (6, Cell::Text(format!("cus_{id}"))),
            ("email", email) => (7, Cell::Text(email.to_owned())),
            other => panic!("{other:?}"),
        };
        cells[place] = cell;
    }
    AppRow {
        key: Cell::Text(id.to_owned()),
        cells,
    }
}

#[derive(Clone, Default)]
struct World {
    text: String,
    customers: Vec<Customer>,
    subscriptions: Vec<Subscription>,
    invoices: Vec<Invoice>,
    rows: Vec<AppRow>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl World {
    fn of(text: &str) -> Self {
        let mut world = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut parts = line
                .split('|')
                .map(|part| part.split_whitespace().collect::<Vec<_>>());
            let head = parts.next().unwrap();
            match head[0] {
                "cus" => world.customers.push(customer(&head[1..])),
                "subs" => {}
                "row" => world.rows.push(row(&head[1..])),
                other => panic!("{other}"),
            }
            for (number, words) in parts.enumerate() {
                let subscription = subscription(head[1], number, &words);
                world.invoices.extend(invoices(&subscription.id, &words));
                world.subscriptions.push(subscription);
            }
        }
        world
    }

    fn run(&self, artifact: &Artifact) -> Outcome {
        let as_of = Timestamp::from_secs(AS_OF);
        let mut scan = Scan::new(artifact, &catalog(), as_of, true);
        for customer in &self.customers {
            scan.customer(customer);
        }
        for subscription in &self.subscriptions {
            scan.subscription(subscription);
        }
        for invoice in &self.invoices {
            scan.invoice(invoice);
        }
        let mut join = scan.seal();
        for row in &self.rows {
            join.row(row);
        }
        join.finish()
    }

    /// Writes every change that is proposed.
    fn repaired(&self, artifact: &Artifact, findings: &[Finding]) -> Self {
        let mut world = self.clone();
        let columns = artifact.table().columns;
        for finding in findings {
            let Some(row) = world
                .rows
                .iter_mut()
                .find(|row| Some(&row.key) == finding.row.as_ref())
            else {
                continue;
            };
            for change in &finding.changes {
                let place = columns
                    .iter()
                    .position(|name| *name == change.column)
                    .unwrap();
                assert_eq!(row.cells[place], change.before, "{finding:?}");
                row.cells[place] = change.after.clone();
            }
        }
        world
    }
}

fn short(findings: &[Finding]) -> String {
    let one = |finding: &Finding| format!("{} {}", finding.kind.name(), finding.subject);
    findings.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn check_with(rules: &str, world: &str, expected: &str) -> Vec<Finding> {
    let outcome = World::of(world).run(&artifact(rules));
    assert_eq!(
        short(&outcome.findings),
        expected,
        "{world}\n{:#?}",
        outcome.findings
    );
    outcome.findings
}

fn check(world: &str, expected: &str) -> Vec<Finding> {
    check_with("", world, expected)
}

/// One user with these subscriptions; the row says that she has pro.
fn pro(subscriptions: &str, expected: &str) {
    pro_with("", subscriptions, expected);
}

fn pro_with(rules: &str, subscriptions: &str, expected: &str) {
    let world = format!("cus a user=1 | {subscriptions}\nrow 1 pro on");
    check_with(rules, &world, expected);
    // The same promise against a row without access must say the opposite.
    let opposite = match expected {
        "" => "paid_no_access 1",
        "access_without_payment 1" => "",
        other => other,
    };
    let world = format!("cus a user=1 | {subscriptions}\nrow 1");
    check_with(rules, &world, opposite);
}
