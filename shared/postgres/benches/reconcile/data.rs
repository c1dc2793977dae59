//! A shop of any size whose differences are known: Stripe's objects as files, the app's table as CSV.
//!
//! The same number of accounts gives the same bytes. Objects have the fields, and about the size, of
//! those that Stripe's API documents. Nine kinds of differences are put into 2 % of the accounts,
//! one each; the other accounts hold what a comparison may stumble over: old subscriptions beside
//! new ones, two plans at once, mixed-case addresses, missing links, users without Stripe.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::{Value, json};

/// The time at which the data is drawn: 2026-11-23 00:00 UTC.
pub(crate) const AS_OF: i64 = 1_795_392_000;

const SCHEMA: &str = "DROP TABLE IF EXISTS app_users;
CREATE TABLE app_users (id uuid PRIMARY KEY, email text NOT NULL, stripe_customer_id text,
  plan text NOT NULL, premium boolean NOT NULL, trial_ends_at timestamptz, seats int NOT NULL,
  features text[] NOT NULL);
\\copy app_users FROM 'app_users.csv' WITH (FORMAT csv, HEADER)
CREATE INDEX ON app_users (stripe_customer_id);
ANALYZE app_users;
";

/// Name, price in minor units, features.
const PLANS: [(&str, i64, &[&str]); 4] = [
    ("starter", 900, &["api_access"]),
    ("pro", 2_900, &["api_access", "export_csv", "webhooks"]),
    (
        "team",
        1_500,
        &["api_access", "audit_log", "export_csv", "webhooks"],
    ),
    (
        "enterprise",
        9_900,
        &["api_access", "audit_log", "export_csv", "sso", "webhooks"],
    ),
];
const ADDON: (&str, i64, &str) = ("addon", 500, "priority_support");

const DRIFT: [&str; 9] = [
    "paid_no_access",
    "access_without_payment",
    "wrong_plan",
    "wrong_trial_end",
    "wrong_seats",
    "wrong_features",
    "missing_user_row",
    "orphan_customer",
    "duplicate_customer",
];

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// `length` letters and digits.
    fn id(&mut self, prefix: &str, length: usize) -> String {
        const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut id = prefix.to_owned();
        for _ in 0..length {
            let place = usize::try_from(self.below(62)).unwrap();
            id.push(char::from(ALPHABET.get(place).copied().unwrap()));
        }
        id
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }
}

/// A subscription as far as its story matters.
struct Bought {
    id: String,
    customer: String,
    status: &'static str,
    created: i64,
    trial_end: Option<i64>,
    plan: usize,
    seats: u32,
    addon: bool,
}

/// A row of the app.
#[derive(Clone)]
struct Row {
    plan: &'static str,
    trial: Option<i64>,
    seats: u32,
    features: Vec<&'static str>,
}

struct Files {
    customers: BufWriter<File>,
    subscriptions: BufWriter<File>,
    rows: BufWriter<File>,
    findings: Vec<Value>,
    ids: Ids,
    draw: Draw,
}

/// Products and prices: one of each plan, and of the add-on.
struct Ids {
    products: Vec<String>,
    prices: Vec<String>,
}

/// Writes the data into `folder`, unless it is there already.
pub(crate) fn write(folder: &Path, accounts: u64) {
    let last = folder.join("truth.json");
    if last.exists() {
        return;
    }
    eprintln!("drawing {accounts} accounts");
    std::fs::create_dir_all(folder).unwrap();
    let file = |name: &str| BufWriter::new(File::create(folder.join(name)).unwrap());
    let mut draw = Draw(accounts);
    let mut ids = |prefix: &str| (0..=PLANS.len()).map(|_| draw.id(prefix, 24)).collect();
    let ids = Ids {
        products: ids("prod_"),
        prices: ids("price_"),
    };
    std::fs::write(folder.join("schema.sql"), SCHEMA).unwrap();
    catalog(folder, &ids);
    let mut files = Files {
        customers: file("customers.ndjson"),
        subscriptions: file("subscriptions.ndjson"),
        rows: file("app_users.csv"),
        findings: Vec::new(),
        ids,
        draw,
    };
    files
        .rows
        .write_all(b"id,email,stripe_customer_id,plan,premium,trial_ends_at,seats,features\n")
        .unwrap();
    for number in 0..accounts {
        // Every 50th account differs, and the kinds take turns.
        let place = usize::try_from(number / 50).unwrap() % DRIFT.len();
        let drift = (number % 50 == 7).then(|| DRIFT.get(place).copied().unwrap());
        files.account(number, drift);
    }
    for mut file in [files.customers, files.subscriptions, files.rows] {
        file.flush().unwrap();
    }
    let truth = json!({ "findings": files.findings });
    std::fs::write(last, truth.to_string()).unwrap();
}

fn catalog(folder: &Path, ids: &Ids) {
    let sold = PLANS
        .iter()
        .map(|(name, amount, _)| (*name, *amount))
        .chain([(ADDON.0, ADDON.1)]);
    let (mut prices, mut products, mut features) = (vec![], vec![], serde_json::Map::new());
    for (place, (name, amount)) in sold.enumerate() {
        let (price, product) = (&ids.prices[place], &ids.products[place]);
        prices.push(
            json!({"id": price, "object": "price", "product": product, "currency": "usd",
            "unit_amount": amount, "active": true, "livemode": true, "type": "recurring",
            "billing_scheme": "per_unit", "metadata": {}, "lookup_key": format!("{name}_monthly"),
            "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"}}),
        );
        let (key, value) = if name == ADDON.0 {
            ("kind", "addon")
        } else {
            ("plan", name)
        };
        products.push(
            json!({"id": product, "object": "product", "active": true, "livemode": true,
            "name": name, "metadata": {key: value}}),
        );
        let names = PLANS
            .get(place)
            .map_or(vec![ADDON.2], |plan| plan.2.to_vec());
        let list = |name: &&str| {
            json!({"id": format!("prodft_{name}"), "object": "product_feature",
            "entitlement_feature": {"id": format!("feat_{name}"), "lookup_key": name, "active": true}})
        };
        let page = json!({"object": "list", "has_more": false,
            "data": names.iter().map(list).collect::<Vec<_>>()});
        features.insert(product.clone(), page);
    }
    let list = |data: Vec<Value>| json!({"object": "list", "has_more": false, "data": data});
    let put =
        |name: &str, value: Value| std::fs::write(folder.join(name), value.to_string()).unwrap();
    put("prices.json", list(prices));
    put("products.json", list(products));
    put("product_features.json", Value::Object(features));
}

impl Files {
    fn account(&mut self, number: u64, drift: Option<&'static str>) {
        let user = self.draw.uuid();
        let mail = format!("u{number}.{}@example{}.com", &user[..4], number % 97);
        if drift.is_none() && self.draw.percent(11) {
            return self.row(&user, &mail, None, &free());
        }
        let customer = self.draw.id("cus_", 14);
        let plan = match drift {
            Some("wrong_seats") => 2,
            _ => usize::try_from(self.draw.below(4)).unwrap(),
        };
        let status = match drift {
            Some("wrong_trial_end") => "trialing",
            Some("access_without_payment") => "canceled",
            Some(_) => "active",
            None => match self.draw.below(100) {
                0..=79 => "active",
                80..=86 => "trialing",
                87..=91 => "past_due",
                _ => "canceled",
            },
        };
        let bought = self.bought(&customer, status, plan);
        let owed = if status == "canceled" {
            free()
        } else {
            promised(&bought)
        };
        let mut row = owed.clone();
        let mut others = Vec::new();
        if drift.is_none() && self.draw.percent(3) {
            others.push(self.bought(&customer, "canceled", 3));
        }
        if drift.is_none() && status == "active" && plan > 0 && self.draw.percent(2) {
            let mut lower = self.bought(&customer, "active", plan - 1);
            lower.addon = false;
            others.push(lower);
        }
        let orphan = drift == Some("orphan_customer");
        // Most customers name the user; the rest are found by link, and a few by address alone.
        let named = !orphan && (drift.is_some() || self.draw.percent(92));
        let linked = !named || self.draw.percent(95);
        let address = match number % 10 {
            3 => mail.to_uppercase(),
            _ => mail.clone(),
        };
        match drift {
            Some("paid_no_access") => row = free(),
            Some("access_without_payment") => row = promised(&bought),
            Some("wrong_plan") => row.plan = PLANS[(plan + 1) % 4].0,
            Some("wrong_trial_end") => row.trial = row.trial.map(|end| end + 3 * 86_400),
            Some("wrong_seats") => row.seats += 1,
            Some("wrong_features") => drop(row.features.pop()),
            Some("duplicate_customer") => {
                let second = self.draw.id("cus_", 14);
                let mut again = self.bought(&second, "active", plan);
                (again.seats, again.addon) = (bought.seats, bought.addon);
                self.customer(&second, &address, Some(&user));
                others.push(again);
            }
            _ => {}
        }
        if !matches!(drift, Some("missing_user_row" | "orphan_customer")) {
            self.row(&user, &mail, linked.then_some(customer.as_str()), &row);
        }
        self.customer(&customer, &address, named.then_some(user.as_str()));
        for subscription in std::iter::once(bought).chain(others) {
            self.subscription(&subscription);
        }
        if let Some(kind) = drift {
            let known = json!({"kind": kind, "user_id": user, "customer_ids": [customer]});
            self.findings.push(known);
        }
    }

    fn bought(&mut self, customer: &str, status: &'static str, plan: usize) -> Bought {
        let created = AS_OF - 86_400 - i64::try_from(self.draw.below(500 * 86_400)).unwrap();
        let trial = i64::try_from(self.draw.below(14 * 86_400)).unwrap() + 3_600;
        Bought {
            id: self.draw.id("sub_", 24),
            customer: customer.to_owned(),
            status,
            created,
            trial_end: (status == "trialing").then_some(AS_OF + trial),
            plan,
            seats: if plan == 2 {
                u32::try_from(2 + self.draw.below(30)).unwrap()
            } else {
                1
            },
            addon: self.draw.percent(10),
        }
    }

    fn row(&mut self, user: &str, mail: &str, link: Option<&str>, row: &Row) {
        let trial = row.trial.map(|at| format!("@{at}")).unwrap_or_default();
        let trial = trial.strip_prefix('@').map_or_else(String::new, |at| {
            counterfoil_core::time::Timestamp::from_secs(at.parse().unwrap()).to_string()
        });
        let features = row.features.join(",");
        writeln!(
            self.rows,
            "{user},{mail},{},{},{},{trial},{},\"{{{features}}}\"",
            link.unwrap_or_default(),
            row.plan,
            row.plan != "free",
            row.seats
        )
        .unwrap();
    }

    fn customer(&mut self, id: &str, mail: &str, user: Option<&str>) {
        let user = user.map_or_else(String::new, |user| format!("\"user_id\":\"{user}\","));
        writeln!(self.customers, "{{\"id\":\"{id}\",\"object\":\"customer\",\"address\":{{\"city\":\"Boston\",\"country\":\"US\",\"line1\":\"2709 Main Street\",\"line2\":null,\"postal_code\":\"22501\",\"state\":null}},\"balance\":0,\"created\":1792593701,\"currency\":\"usd\",\"default_source\":null,\"delinquent\":false,\"description\":null,\"discount\":null,\"email\":\"{mail}\",\"invoice_prefix\":\"57E54ACC\",\"invoice_settings\":{{\"custom_fields\":null,\"default_payment_method\":\"pm_13lWckDk2QuQb4iDRqRcmKGn\",\"footer\":null,\"rendering_options\":null}},\"livemode\":true,\"metadata\":{{{user}\"source\":\"checkout\"}},\"name\":\"Account {id}\",\"next_invoice_sequence\":3,\"phone\":null,\"preferred_locales\":[\"en-US\"],\"shipping\":null,\"tax_exempt\":\"none\",\"test_clock\":null}}").unwrap();
    }

    fn subscription(&mut self, it: &Bought) {
        let mut items = String::new();
        let sold = [(it.plan, it.seats)]
            .into_iter()
            .chain(it.addon.then_some((PLANS.len(), 1)));
        for (number, (place, quantity)) in sold.enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let (price, product) = (&self.ids.prices[place], &self.ids.products[place]);
            let amount = PLANS.get(place).map_or(ADDON.1, |plan| plan.1);
            let of = &it.id[4..18];
            write!(items, "{comma}{{\"id\":\"si_{of}\",\"object\":\"subscription_item\",\"billing_thresholds\":null,\"created\":{created},\"current_period_end\":{end},\"current_period_start\":{created},\"discounts\":[],\"metadata\":{{}},\"plan\":{{\"id\":\"{price}\",\"object\":\"plan\",\"active\":true,\"amount\":{amount},\"amount_decimal\":\"{amount}\",\"billing_scheme\":\"per_unit\",\"created\":1717632000,\"currency\":\"usd\",\"interval\":\"month\",\"interval_count\":1,\"livemode\":true,\"metadata\":{{}},\"meter\":null,\"nickname\":null,\"product\":\"{product}\",\"tiers_mode\":null,\"transform_usage\":null,\"trial_period_days\":null,\"usage_type\":\"licensed\"}},\"price\":{{\"id\":\"{price}\",\"object\":\"price\",\"active\":true,\"billing_scheme\":\"per_unit\",\"created\":1717632000,\"currency\":\"usd\",\"custom_unit_amount\":null,\"livemode\":true,\"lookup_key\":null,\"metadata\":{{}},\"nickname\":null,\"product\":\"{product}\",\"recurring\":{{\"interval\":\"month\",\"interval_count\":1,\"meter\":null,\"trial_period_days\":null,\"usage_type\":\"licensed\"}},\"tax_behavior\":\"exclusive\",\"tiers_mode\":null,\"transform_quantity\":null,\"type\":\"recurring\",\"unit_amount\":{amount},\"unit_amount_decimal\":\"{amount}\"}},\"quantity\":{quantity},\"subscription\":\"{id}\",\"tax_rates\":[]}}", created = it.created, end = AS_OF + 1_000_000, id = it.id).unwrap();
        }
        let time = |time: Option<i64>| time.map_or_else(|| "null".to_owned(), |at| at.to_string());
        let ended = time((it.status == "canceled").then_some(it.created + 80_000));
        writeln!(self.subscriptions, "{{\"id\":\"{id}\",\"object\":\"subscription\",\"application\":null,\"application_fee_percent\":null,\"automatic_tax\":{{\"disabled_reason\":null,\"enabled\":true,\"liability\":{{\"type\":\"self\"}}}},\"billing_cycle_anchor\":{created},\"billing_cycle_anchor_config\":null,\"billing_mode\":{{\"type\":\"classic\"}},\"billing_thresholds\":null,\"cancel_at\":null,\"cancel_at_period_end\":false,\"canceled_at\":{ended},\"cancellation_details\":{{\"comment\":null,\"feedback\":null,\"reason\":null}},\"collection_method\":\"charge_automatically\",\"created\":{created},\"currency\":\"usd\",\"customer\":\"{customer}\",\"days_until_due\":null,\"default_payment_method\":\"pm_1CnGwBRJ1Fr6ETBbwRA1JYiF\",\"default_source\":null,\"default_tax_rates\":[],\"description\":null,\"discounts\":[],\"ended_at\":{ended},\"invoice_settings\":{{\"account_tax_ids\":null,\"issuer\":{{\"type\":\"self\"}}}},\"items\":{{\"object\":\"list\",\"data\":[{items}],\"has_more\":false,\"total_count\":1,\"url\":\"/v1/subscription_items?subscription={id}\"}},\"latest_invoice\":\"in_1kTZIuDrwAzHevOhY8SwKB87\",\"livemode\":true,\"metadata\":{{}},\"next_pending_invoice_item_invoice\":null,\"on_behalf_of\":null,\"pause_collection\":null,\"payment_settings\":{{\"payment_method_options\":null,\"payment_method_types\":null,\"save_default_payment_method\":\"off\"}},\"pending_invoice_item_interval\":null,\"pending_setup_intent\":null,\"pending_update\":null,\"schedule\":null,\"start_date\":{created},\"status\":\"{status}\",\"test_clock\":null,\"transfer_data\":null,\"trial_end\":{trial},\"trial_settings\":{{\"end_behavior\":{{\"missing_payment_method\":\"create_invoice\"}}}},\"trial_start\":null}}", id = it.id, created = it.created, customer = it.customer, status = it.status, trial = time(it.trial_end)).unwrap();
    }
}

fn free() -> Row {
    Row {
        plan: "free",
        trial: None,
        seats: 1,
        features: Vec::new(),
    }
}

fn promised(it: &Bought) -> Row {
    let (plan, _, features) = PLANS[it.plan];
    let mut features = features.to_vec();
    if it.addon {
        features.push(ADDON.2);
        features.sort_unstable();
    }
    Row {
        plan,
        trial: it.trial_end,
        seats: it.seats,
        features,
    }
}
