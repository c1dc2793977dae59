//! The decision table and the matching, world by world.
//!
//! A world is written in lines: `cus ID [user=U] [email=E] [deleted] | subscription | …` and
//! `row ID [PLAN] [on] [name=value …]`. Times are relative to the run: `+3d`, `-20d`.

use std::fmt::Write as _;

use super::{Finding, NotRepairable, Outcome, Scan, Symbol, findings};
use crate::billing::{Catalog, Customer, Price, Product, Recurring, Subscription};
use crate::cell::{AppRow, Cell};
use crate::mapping::{Artifact, Mapping, compile};
use crate::money::Money;
use crate::time::Timestamp;

mod properties;

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
/// [ended=] [pause=] [age=] [test] [half] [free]`
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
            let subscriptions = parts.enumerate();
            world
                .subscriptions
                .extend(subscriptions.map(|(number, words)| subscription(head[1], number, &words)));
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

const LEAK: &str = "access_without_payment 1";

#[test]
fn active_grants() {
    pro("active pro", "");
    pro("active pro at_period_end end=+1d", "");
    pro("active pro cancel_at=+1h", "");
    pro("active pro at_period_end", "");
}

#[test]
fn an_agreed_end_that_has_passed_revokes() {
    pro("active pro at_period_end end=-1d", LEAK);
    pro("active pro cancel_at=-1h", LEAK);
}

#[test]
fn a_trial_grants_until_it_ends() {
    let on_trial = "cus a user=1 | trialing pro trial=+3d\nrow 1 pro on trial=+3d";
    check(on_trial, "");
    pro("trialing pro trial=-2h", LEAK);
    // Stripe needs up to an hour to move on.
    check(
        "cus a user=1 | trialing pro trial=-30s\nrow 1 pro on trial=-30s",
        "",
    );
    pro("active pro trial=-9d", "");
}

#[test]
fn past_due_grants_during_grace() {
    pro("past_due pro period=-13d", "");
    pro("past_due pro period=-14d", LEAK);
    pro("past_due pro", "");
    pro("past_due pro period=-20d failed=-2d", "");
    pro_with(
        "past_due_grace = \"forever\"",
        "past_due pro period=-400d",
        "",
    );
    pro_with("past_due_grace = \"0s\"", "past_due pro period=-1s", LEAK);
}

#[test]
fn ended_states_revoke() {
    pro("canceled pro ended=-1d", LEAK);
    pro("canceled pro", LEAK);
    pro("canceled pro ended=+1d", "");
    pro("incomplete pro", LEAK);
    pro("incomplete_expired pro", LEAK);
}

#[test]
fn unpaid_and_paused_follow_their_knobs() {
    pro("unpaid pro", LEAK);
    pro_with("unpaid = \"grant\"", "unpaid pro", "");
    pro("paused pro", LEAK);
    pro_with("paused = \"grant\"", "paused pro", "");
}

#[test]
fn pause_collection_follows_its_knob() {
    pro("active pro pause=void", "");
    pro_with(
        "pause_collection = \"revoke\"",
        "active pro pause=void",
        LEAK,
    );
    let by_behavior = "pause_collection = { void = \"revoke\" }";
    pro_with(by_behavior, "active pro pause=void", LEAK);
    pro_with(by_behavior, "active pro pause=keep_as_draft", "");
    pro_with(by_behavior, "active pro pause=something_new", LEAK);
}

#[test]
fn an_unknown_state_is_reported_and_never_concluded_from() {
    let found = check(
        "cus a user=1 | hibernating pro\nrow 1 pro on",
        "unknown_state 1",
    );
    assert_eq!(found[0].not_repairable, Some(NotRepairable::UnknownState));
    assert_eq!(found[0].foreign, ["hibernating"]);
    check("cus a user=1 | hibernating pro\nrow 1", "unknown_state 1");
    let mixed = "cus a user=1 | hibernating basic | active pro\nrow 1";
    let found = check(mixed, "paid_no_access 1, unknown_state 1");
    assert!(found.iter().all(|finding| finding.not_repairable.is_some()));
    check("cus a | hibernating pro", "unknown_state cus_a");
}

#[test]
fn an_unmapped_price_never_means_free() {
    let found = check(
        "cus a user=1 | active mystery\nrow 1 pro on",
        "unmapped_price 1",
    );
    assert_eq!(found[0].prices, ["price_mystery"]);
    assert_eq!(found[0].not_repairable, Some(NotRepairable::UnmappedPrice));
    check(
        "cus a user=1 | active pro+mystery\nrow 1",
        "paid_no_access 1, unmapped_price 1",
    );
    check(
        "cus a user=1 | active pro+mystery\nrow 1 basic on",
        "unmapped_price 1",
    );
    pro("canceled mystery", LEAK);
}

#[test]
fn a_subscription_that_was_not_read_whole_says_nothing() {
    check("cus a user=1 | active pro half\nrow 1", "");
    check("cus a user=1 | active pro half\nrow 1 pro on", "");
    pro("canceled pro half", LEAK);
}

#[test]
fn several_subscriptions_are_a_union_and_the_highest_rank_leads() {
    pro("active basic age=1 | active pro age=999", "");
    pro("canceled pro age=1 | active pro age=999", "");
    pro("active pro | active basic*7", "");
    let equal = "cus a user=1 | active pro*2 age=5 | active pro*3 age=4\nrow 1 pro on seats=3";
    check(equal, "");
    let by_id = "cus a user=1 | active pro*2 id=x | active pro*3 id=b\nrow 1 pro on seats=2";
    check(by_id, "");
    let union = "cus a user=1 | active basic | active pro+audit age=2000\nrow 1 pro on \
                 features=audit,export,sso";
    check(union, "");
    let add_on_alone = "cus a user=1 | active pro | active audit\nrow 1 pro on \
                        features=sso,audit,export";
    check(add_on_alone, "");
    check_with(
        "features_from = \"highest\"",
        add_on_alone,
        "wrong_features 1",
    );
}

#[test]
fn each_column_is_compared_where_access_agrees() {
    check(
        "cus a user=1 | active pro\nrow 1 basic on",
        "wrong_features 1, wrong_plan 1",
    );
    check(
        "cus a user=1 | active pro*3\nrow 1 pro on seats=2",
        "wrong_seats 1",
    );
    check(
        "cus a user=1 | active pro\nrow 1 pro on features=sso",
        "wrong_features 1",
    );
    check(
        "cus a user=1 | active pro\nrow 1 pro on features=sso,export",
        "",
    );
    check(
        "cus a user=1 | trialing pro trial=+3d\nrow 1 pro on",
        "wrong_trial_end 1",
    );
    check(
        "cus a user=1 | active pro\nrow 1 pro on trial=+3d",
        "wrong_trial_end 1",
    );
    check("cus a user=1 | active pro\nrow 1 pro on trial=-3d", "");
    check("row 1 plan=pro", "wrong_plan 1");
    check("row 1 plan=null", "");
    check("row 1 seats=4", "wrong_seats 1");
}

#[test]
fn access_findings_mask_the_columns() {
    check(
        "cus a user=1 | active pro*9\nrow 1 basic seats=4",
        "paid_no_access 1",
    );
    check("row 1 pro on seats=9 trial=+3d", "access_without_payment 1");
}

#[test]
fn a_comp_marker_covers_what_is_more_than_promised() {
    check("row 1 pro on comped=+9d", "");
    check("row 1 pro on comped=-9d", "access_without_payment 1");
    check("cus a user=1 | canceled pro\nrow 1 pro on comped=+9d", "");
    check(
        "cus a user=1 | active basic\nrow 1 pro on comped=+9d seats=5",
        "",
    );
    check(
        "cus a user=1 | active pro*9\nrow 1 pro on comped=+9d seats=5",
        "wrong_seats 1",
    );
    check(
        "cus a user=1 | active pro\nrow 1 comped=+9d",
        "paid_no_access 1",
    );
}

#[test]
fn the_first_key_that_hits_wins() {
    check(
        "cus a user=1 email=2@example.com | active pro\nrow 1 pro on\nrow 2",
        "",
    );
    check("cus a | active pro\nrow 1 pro on link=a", "");
    check("cus a email=1@EXAMPLE.com | active pro\nrow 1 pro on", "");
    // A user id that does not resolve falls through to the link, then to the e-mail.
    check("cus a user=gone | active pro\nrow 1 pro on link=a", "");
    check(
        "cus a user=gone email=1@example.com | active pro\nrow 1 pro on",
        "",
    );
    // The link beats the e-mail, whichever row comes first.
    check(
        "cus a email=1@example.com | active pro\nrow 1\nrow 2 pro on link=a",
        "",
    );
    check(
        "cus a email=2@example.com | active pro\nrow 1 pro on link=a\nrow 2",
        "",
    );
}

#[test]
fn an_email_match_only_reports() {
    let found = check(
        "cus a email=1@example.com | active pro\nrow 1",
        "paid_no_access 1",
    );
    assert_eq!(
        found[0].not_repairable,
        Some(NotRepairable::ReportOnlyMatch)
    );
    assert!(found[0].changes.is_empty());
    // A further customer by e-mail who promises nothing casts no doubt.
    let world = "cus a user=1 | active pro\ncus b email=1@example.com\nrow 1";
    let found = check(world, "duplicate_customer 1, paid_no_access 1");
    assert_eq!(found[1].not_repairable, None);
}

#[test]
fn two_rows_with_one_key_are_ambiguous() {
    let world = "cus a | active pro\nrow 1 pro on link=a\nrow 2 link=a\nrow 3 link=a";
    let found = check(world, "ambiguous_customer cus_a");
    assert_eq!(
        found[0].not_repairable,
        Some(NotRepairable::UncertainIdentity)
    );
    let shared = "cus a email=x@y.z | active pro\nrow 1 email=x@y.z\nrow 2 email=X@Y.Z";
    check(shared, "ambiguous_customer cus_a");
    // Somebody who promises nothing is in nobody's way.
    let nobody = "cus a email=x@y.z | canceled pro\nrow 1 email=x@y.z\nrow 2 pro on email=x@y.z";
    check(nobody, "access_without_payment 2");
    // A better key settles it.
    check(
        "cus a user=2 | active pro\nrow 1 link=a\nrow 3 link=a\nrow 2 pro on",
        "mapping_conflict cus_a",
    );
}

#[test]
fn keys_that_disagree_are_a_conflict_and_nothing_is_repaired() {
    for world in [
        "cus a user=1 | active pro\nrow 1\nrow 2 pro on link=a",
        "cus a user=1 | active pro\nrow 2 pro on link=a\nrow 1",
    ] {
        let expected = "access_without_payment 2, mapping_conflict cus_a, paid_no_access 1";
        let found = check(world, expected);
        assert!(
            found.iter().all(|finding| finding.not_repairable.is_some()),
            "{found:#?}"
        );
    }
    // An e-mail that somebody else uses too is no conflict.
    check(
        "cus a user=1 email=2@example.com | active pro\nrow 1 pro on\nrow 2",
        "",
    );
}

#[test]
fn several_customers_of_one_row_are_duplicates() {
    check(
        "cus a user=1 | active pro\ncus b user=1\nrow 1 pro on",
        "duplicate_customer 1",
    );
    check(
        "cus a user=1 | active pro\ncus b user=1 deleted\nrow 1 pro on",
        "",
    );
    let twice =
        "cus a user=1 | active pro\ncus b email=1@example.com | active basic*2\nrow 1 pro on";
    let found = check(twice, "duplicate_customer 1");
    assert_eq!(found[0].at_risk, Some(Money::new(2_000, "usd")));
}

#[test]
fn a_deleted_customer_has_nothing() {
    check(
        "cus a user=1 deleted | active pro\nrow 1 pro on",
        "access_without_payment 1",
    );
    check("cus a user=9 deleted | active pro", "");
}

#[test]
fn paying_customers_without_a_row_are_reported() {
    check("cus a user=9 | active pro\nrow 1", "missing_user_row cus_a");
    check(
        "cus a email=z@example.com | past_due pro\nrow 1",
        "orphan_customer cus_a",
    );
    check("cus a user=9 | canceled pro\ncus b\nrow 1", "");
    let found = check(
        "cus a | active mystery",
        "orphan_customer cus_a, unmapped_price cus_a",
    );
    assert_eq!(found[0].expected, Symbol::name("access"));
}

#[test]
fn a_subscription_of_a_customer_who_was_not_read_is_counted_only() {
    let world = World::of("subs a | active pro\nrow 1");
    let outcome = world.run(&artifact(""));
    assert_eq!(
        (short(&outcome.findings), outcome.unread_customers),
        (String::new(), 1)
    );
    // By the stored id it is matched all the same.
    check("subs a | active pro\nrow 1 pro on link=a", "");
}

#[test]
fn a_test_subscription_backs_no_live_access() {
    let found = check(
        "cus a user=1 | active pro test\nrow 1 pro on",
        "test_mode_backing 1",
    );
    assert_eq!(found[0].not_repairable, Some(NotRepairable::WrongMode));
    check("cus a user=1 | active pro test\nrow 1", "");
    check(
        "cus a user=1 | active pro test | active pro\nrow 1 pro on",
        "",
    );
}

#[test]
fn what_the_mapping_does_not_know_is_not_taken_away() {
    let found = check("row 1 plan=gold on", "access_without_payment 1");
    assert_eq!(found[0].not_repairable, Some(NotRepairable::UnmappedValue));
    let found = check(
        "cus a user=1 | active pro\nrow 1 plan=gold on features=export,sso",
        "wrong_plan 1",
    );
    assert_eq!(
        (&found[0].actual, found[0].foreign[0].as_str()),
        (&Symbol::name("unmapped"), "gold")
    );
    let beta = "cus a user=1 | active pro\nrow 1 pro on features=beta,export,sso";
    let found = check(beta, "wrong_features 1");
    assert_eq!(found[0].not_repairable, Some(NotRepairable::UnmappedValue));
}

#[test]
fn a_repair_writes_every_column_that_differs() {
    let found = check(
        "cus a user=1 | trialing pro*2 trial=+3d\nrow 1",
        "paid_no_access 1",
    );
    let columns: Vec<&str> = found[0]
        .changes
        .iter()
        .map(|it| it.column.as_str())
        .collect();
    assert_eq!(
        columns,
        ["features", "plan", "premium", "seats", "trial_ends_at"]
    );
    let found = check("cus a user=1 | active pro\nrow 1 pro", "paid_no_access 1");
    assert_eq!(found[0].changes.len(), 1);
}

#[test]
fn only_repairable_columns_are_written() {
    let text = MAPPING.replace(
        "premium = { column = \"premium\", repairable = true }",
        "premium = { column = \"premium\" }",
    );
    let artifact = compile(&Mapping::from_toml(&text).unwrap()).unwrap();
    let outcome = World::of("cus a user=1 | active pro\nrow 1").run(&artifact);
    let finding = &outcome.findings[0];
    assert_eq!(finding.not_repairable, Some(NotRepairable::ReadOnlyColumn));
    assert!(finding.changes.is_empty());
}

#[test]
fn without_a_premium_column_the_plan_says_who_has_access() {
    let premium = "premium = { column = \"premium\", repairable = true }\n";
    let artifact = compile(&Mapping::from_toml(&MAPPING.replace(premium, "")).unwrap()).unwrap();
    let run = |world: &str| {
        let mut world = World::of(world);
        for row in &mut world.rows {
            row.cells.remove(1);
        }
        short(&world.run(&artifact).findings)
    };
    assert_eq!(run("cus a user=1 | active pro\nrow 1 pro"), "");
    assert_eq!(run("cus a user=1 | active pro\nrow 1"), "paid_no_access 1");
    assert_eq!(
        run("cus a user=1 | active pro\nrow 1 plan=null"),
        "paid_no_access 1"
    );
    assert_eq!(run("row 1 pro"), "access_without_payment 1");
    assert_eq!(
        run("cus a user=1 | active pro\nrow 1 basic"),
        "wrong_features 1, wrong_plan 1"
    );
}

fn risk(world: &str) -> Option<i64> {
    World::of(world).run(&artifact("")).findings[0]
        .at_risk
        .as_ref()
        .map(|money| money.minor)
}

#[test]
fn money_at_risk_is_per_month() {
    assert_eq!(risk("cus a user=1 | active pro*2\nrow 1"), Some(6_000));
    assert_eq!(risk("cus a user=1 | active pro_year\nrow 1"), Some(2_500));
    assert_eq!(risk("cus a user=1 | active pro free\nrow 1"), Some(0));
    assert_eq!(
        risk("cus a user=1 | canceled pro*4\nrow 1 pro on"),
        Some(12_000)
    );
    assert_eq!(risk("row 1 basic on"), Some(1_000));
    assert_eq!(risk("row 1 pro on"), Some(2_500));
    assert_eq!(risk("row 1 on"), Some(1_000));
    assert_eq!(
        risk("cus a user=1 | active basic\nrow 1 plan=pro on features=export"),
        Some(1_500)
    );
    assert_eq!(
        risk("cus a user=1 | active pro*2\nrow 1 pro on seats=5"),
        Some(9_000)
    );
    assert_eq!(risk("cus a | active pro | active basic"), Some(4_000));
}

#[test]
fn rules_name_the_row_of_the_table() {
    let rule = |world: &str| World::of(world).run(&artifact("")).findings[0].rule.name();
    assert_eq!(
        rule("cus a user=1 | canceled pro\nrow 1 pro on"),
        "canceled"
    );
    assert_eq!(
        rule("cus a user=1 | past_due pro period=-20d\nrow 1 pro on"),
        "past_due_over"
    );
    assert_eq!(
        rule("cus a user=1 | past_due pro period=-2d\nrow 1"),
        "past_due_grace"
    );
    assert_eq!(rule("cus a user=1\nrow 1 pro on"), "no_subscription");
    assert_eq!(rule("row 1 pro on"), "no_customer");
    assert_eq!(rule("row 1 pro on link=gone"), "link_unknown");
    assert_eq!(
        rule("cus a user=1 deleted | active pro\nrow 1 pro on"),
        "customer_deleted"
    );
}

#[test]
fn uuids_match_in_any_case_and_numbers_as_text() {
    let upper = "cus a user=0B5D1C3E-58A9-4E6F-9A63-B6E8A2D4F001 | active pro\n\
                 row 0b5d1c3e-58a9-4e6f-9a63-b6e8a2d4f001 pro on";
    check(upper, "");
    let mut world = World::of("cus a user=42 | active pro\nrow x pro on");
    world.rows[0].key = Cell::Int(42);
    assert_eq!(short(&world.run(&artifact("")).findings), "");
}

#[test]
fn evidence_lines_hold_no_personal_data() {
    let world = "cus a email=secret@example.com | active pro\n\
                 row 1 plan=gold on email=secret@example.com trial=+3d link=gone\n\
                 cus b user=9 | active pro";
    let outcome = World::of(world).run(&artifact(""));
    let key = [7; 32];
    let bytes = findings::lines(&outcome.findings, &key).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for word in ["secret", "cus_", "sub_", "gold", "2026"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    let subject = findings::pseudonym(&key, "1");
    assert_eq!(subject.len(), 64);
    assert!(text.contains(&subject));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.is_sorted_by_key(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        (value["kind"].to_string(), value["subject"].to_string())
    }));
}

#[test]
fn a_finding_reads_back_as_itself() {
    let outcome =
        World::of("cus a user=1 | trialing pro trial=+3d\nrow 1 pro on").run(&artifact(""));
    let text = serde_json::to_string(&outcome).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
    let value: serde_json::Value = serde_json::to_value(&outcome.findings[0]).unwrap();
    assert_eq!(value["expected"], "2026-11-26T00:00:00Z");
    assert_eq!(value["actual"], serde_json::Value::Null);
}

#[test]
fn drift_is_counted_in_subjects_per_thousand_customers() {
    let world =
        "cus a user=1 | active pro\ncus b user=2 | active pro\ncus c\nrow 1 basic on\nrow 2 pro on";
    let outcome = World::of(world).run(&artifact(""));
    assert_eq!((outcome.findings.len(), outcome.differing()), (2, 1));
    assert_eq!(outcome.drift_permille(), 334);
}

#[test]
fn escapes_nulls_and_foreign_prices_are_read_from_json_too() {
    let artifact = artifact("");
    let mut scan = Scan::new(&artifact, &catalog(), Timestamp::from_secs(AS_OF), None);
    for customer in [
        r#"{"id":"cus_a","email":null,"metadata":{"user_id":"\u0031","x":"y\n"},"deleted":null}"#,
        r#"{"id":"cus_b","email":"2\u0040EXAMPLE.com","metadata":null}"#,
    ] {
        scan.customer_json(customer.as_bytes()).unwrap();
    }
    for subscription in [
        r#"{"id":"sub_a","customer":{"id":"cus_a"},"status":"active","items":{"data":[
            {"price":{"id":"price_new","product":"prod_basic","unit_amount":5,"currency":"usd"}}]}}"#,
        r#"{"id":"sub_b","customer":"cus_b","status":"active","items":{"data":[
            {"price":{"id":"price_pro"},"quantity":1}],"has_more":null},"discount":null}"#,
    ] {
        scan.subscription_json(subscription.as_bytes()).unwrap();
    }
    assert!(scan.customer_json(b"{}").is_err());
    assert!(scan.subscription_json(b"[]").is_err());
    let mut join = scan.seal();
    join.row(&row(&["1", "basic", "on"]));
    join.row(&row(&["2", "pro", "on"]));
    assert_eq!(short(&join.finish().findings), "");
}
