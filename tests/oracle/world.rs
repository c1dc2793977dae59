//! Small worlds of few names, so that keys collide, disagree and dangle often.

use counterfoil_core::billing::{
    Customer, Discount, Invoice, Item, Page, PauseCollection, Subscription,
};
use counterfoil_core::cell::Cell;
use counterfoil_core::money::Money;
use counterfoil_core::time::Timestamp;

use crate::random::Random;
use crate::shop::{SOLD, price};

/// The moment of every world: 2026-11-23T00:00:00Z.
pub(crate) const AS_OF: i64 = 1_795_392_000;
const DAY: i64 = 86_400;

const UUID: &str = "0b5d1c3e-58a9-4e6f-9a63-b6e8a2d4f001";
const LOUD_UUID: &str = "0B5D1C3E-58A9-4E6F-9A63-B6E8A2D4F001";

/// A row of the app by column name; the key stands apart.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) key: Cell,
    pub(crate) cells: std::collections::BTreeMap<&'static str, Cell>,
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) customers: Vec<Customer>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) invoices: Vec<Invoice>,
    pub(crate) rows: Vec<Row>,
    /// Mode of the account.
    pub(crate) livemode: Option<bool>,
}

const CUSTOMERS: [&str; 6] = ["cus_a", "cus_b", "cus_c", "cus_D", "odd customer", "cus_e"];

impl World {
    pub(crate) fn random(random: &mut Random) -> Self {
        let mut world = Self {
            customers: Vec::new(),
            subscriptions: Vec::new(),
            invoices: Vec::new(),
            rows: Vec::new(),
            livemode: *random.pick(&[Some(true), Some(true), Some(true), Some(false), None]),
        };
        let mut ids = CUSTOMERS;
        random.shuffle(&mut ids);
        let customers = 1 + random.below(4);
        for id in ids.iter().take(customers) {
            // Some are named by subscriptions only.
            if !random.one_in(25) {
                world.customers.push(customer(id, random));
            }
            for _ in 0..*random.pick(&[0, 1, 1, 1, 2, 3]) {
                let number = world.subscriptions.len();
                let subscription = subscription(id, number, random);
                invoices(&subscription, random, &mut world.invoices);
                world.subscriptions.push(subscription);
            }
        }
        let mut keys = ["1", "2", "3", "4", UUID];
        random.shuffle(&mut keys);
        let rows = 1 + random.below(4);
        for key in keys.iter().take(rows) {
            world.rows.push(row(key, random));
        }
        world
    }
}

fn user(random: &mut Random) -> String {
    (*random.pick(&["1", "2", "3", "4", "1", "2", "gone", "", LOUD_UUID, UUID])).to_owned()
}

fn email(random: &mut Random) -> String {
    (*random.pick(&[
        "1@x.io",
        "2@x.io",
        "2@X.IO",
        "3@x.io",
        "É@x.io",
        "é@x.io",
        "gone@x.io",
        "",
    ]))
    .to_owned()
}

fn mode(random: &mut Random) -> Option<bool> {
    *random.pick(&[
        None,
        None,
        None,
        None,
        Some(true),
        Some(true),
        Some(true),
        Some(true),
        Some(false),
    ])
}

fn customer(id: &str, random: &mut Random) -> Customer {
    let mut customer = Customer {
        id: id.to_owned(),
        created: AS_OF - DAY,
        deleted: random.one_in(10),
        livemode: if random.one_in(10) {
            Some(false)
        } else {
            *random.pick(&[None, Some(true)])
        },
        email: (!random.one_in(3)).then(|| email(random)),
        metadata: std::collections::BTreeMap::new(),
    };
    if !random.one_in(3) {
        customer.metadata.insert("user_id".to_owned(), user(random));
    }
    if random.one_in(4) {
        customer
            .metadata
            .insert("org".to_owned(), (*random.pick(&["o1", "o2"])).to_owned());
    }
    if customer.deleted && !random.one_in(4) {
        customer.metadata.clear();
        customer.email = None;
    }
    customer
}

/// A time around the borders that rules have.
fn time(random: &mut Random) -> i64 {
    let border = *random.pick(&[
        0,
        0,
        -3_600,
        -DAY,
        -3 * DAY,
        -14 * DAY,
        5 * DAY,
        40 * DAY,
        -40 * DAY,
    ]);
    AS_OF + border + *random.pick(&[-1, 0, 1, 60, -60])
}

fn maybe_time(one_in: usize, random: &mut Random) -> Option<i64> {
    random.one_in(one_in).then(|| time(random))
}

fn subscription(customer: &str, number: usize, random: &mut Random) -> Subscription {
    const STATES: [&str; 14] = [
        "active",
        "active",
        "active",
        "active",
        "active",
        "trialing",
        "trialing",
        "past_due",
        "past_due",
        "canceled",
        "unpaid",
        "paused",
        "incomplete",
        "incomplete_expired",
    ];
    let status = if random.one_in(25) {
        "hibernating"
    } else {
        *random.pick(&STATES)
    };
    let items = *random.pick(&[1, 1, 1, 2, 3]);
    let on_items = !random.one_in(4);
    let period = |on: bool, random: &mut Random| if on { maybe_time(2, random) } else { None };
    let data: Vec<Item> = (0..items)
        .map(|place| Item {
            id: format!("si_{number}{place}"),
            price: price(random.pick(&SOLD)),
            quantity: *random.pick(&[
                None,
                Some(0),
                Some(1),
                Some(1),
                Some(1),
                Some(2),
                Some(5),
                Some(11),
            ]),
            current_period_start: period(on_items, random),
            current_period_end: period(on_items, random),
        })
        .collect();
    let currency = random.one_in(2).then(|| data[0].price.currency.clone());
    let id = *random.pick(&["sub_", "sub_", "sub_", "sub_Z", "odd "]);
    let behavior = *random.pick(&[
        "void",
        "keep_as_draft",
        "mark_uncollectible",
        "something_new",
    ]);
    let mut subscription = Subscription {
        id: format!("{id}{number}"),
        customer: customer.to_owned(),
        status: status.into(),
        created: AS_OF - *random.pick(&[100, 100, 5_000, 9_000]),
        trial_end: maybe_time(if status == "trialing" { 1 } else { 4 }, random),
        ended_at: maybe_time(3, random),
        cancel_at: maybe_time(8, random),
        cancel_at_period_end: random.one_in(6),
        canceled_at: None,
        current_period_start: period(!on_items, random),
        current_period_end: period(!on_items, random),
        items: Page {
            data,
            has_more: random.one_in(30),
        },
        pause_collection: random.one_in(8).then(|| PauseCollection {
            behavior: behavior.to_owned(),
        }),
        latest_invoice: None,
        livemode: mode(random),
        currency: if random.one_in(15) {
            Some("eur".to_owned())
        } else {
            currency
        },
        discounts: Vec::new(),
        discount: None,
    };
    for _ in 0..*random.pick(&[0, 0, 0, 1, 2]) {
        subscription.discounts.push(discount(random));
    }
    subscription.discount = random.one_in(12).then(|| discount(random));
    if random.one_in(6) {
        subscription.latest_invoice = Some(invoice(None, random));
    }
    subscription
}

fn discount(random: &mut Random) -> Discount {
    Discount {
        percent_ppm: *random.pick(&[0, 1_000_000, 125_000, 333_333]),
        amount_off: random.one_in(2).then(|| {
            Money::new(
                *random.pick(&[1, 500, 99_999]),
                *random.pick(&["usd", "eur"]),
            )
        }),
        end: maybe_time(3, random),
    }
}

fn invoice(subscription: Option<&str>, random: &mut Random) -> Invoice {
    Invoice {
        id: format!("in_{}", random.next()),
        subscription: subscription.map(str::to_owned),
        customer: String::new(),
        created: (!random.one_in(12)).then(|| time(random)),
        due_date: maybe_time(5, random),
        status: Some(
            (*random.pick(&[
                "open",
                "open",
                "open",
                "uncollectible",
                "paid",
                "void",
                "draft",
            ]))
            .to_owned(),
        ),
    }
}

fn invoices(subscription: &Subscription, random: &mut Random, invoices: &mut Vec<Invoice>) {
    for _ in 0..*random.pick(&[0, 0, 1, 2]) {
        let of = (!random.one_in(10)).then_some(subscription.id.as_str());
        invoices.push(invoice(of, random));
    }
}

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

fn row(key: &str, random: &mut Random) -> Row {
    let plan = match random.below(9) {
        0 => Cell::Null,
        1 => text("gold"),
        2 | 3 => text("free"),
        4 => text("hobby"),
        5 => text("basic"),
        6 => text("team"),
        7 => text("giant"),
        _ => text("pro"),
    };
    let premium = random
        .pick(&[
            Cell::Bool(true),
            Cell::Bool(true),
            Cell::Bool(false),
            Cell::Null,
        ])
        .clone();
    let list = |names: &[&str]| Cell::List(names.iter().map(|name| (*name).to_owned()).collect());
    let features = match random.below(9) {
        0 => list(&[]),
        1 => list(&["export"]),
        2 | 3 => list(&["sso", "export"]),
        4 => list(&["export", "beta"]),
        5 => text("export, sso"),
        6 => text(r#"["export","sso","export"]"#),
        7 => list(&["export", "seats"]),
        _ => Cell::Null,
    };
    let comp = match random.below(20) {
        0 => Cell::Bool(true),
        1 => Cell::Time(Timestamp::from_secs(AS_OF)),
        2 => Cell::Time(Timestamp::from_secs(AS_OF + 1)),
        3 => text("founder's friend"),
        4 => text(""),
        5 => Cell::Int(0),
        6 => Cell::Bool(false),
        _ => Cell::Null,
    };
    let trial = maybe_time(3, random).map_or(Cell::Null, |at| Cell::Time(Timestamp::from_secs(at)));
    let seats = random
        .pick(&[
            Cell::Int(1),
            Cell::Int(1),
            Cell::Int(2),
            Cell::Int(11),
            Cell::Int(0),
            Cell::Null,
        ])
        .clone();
    let link = match random.below(4) {
        0 => Cell::Null,
        1 => text(["", "cus_gone"][random.below(2)]),
        _ => text(CUSTOMERS[random.below(CUSTOMERS.len())]),
    };
    let org = random
        .pick(&[Cell::Null, Cell::Null, text("o1"), text("o2")])
        .clone();
    let email = if random.one_in(3) {
        Cell::Null
    } else {
        text(&email(random))
    };
    let number = key.parse().ok().filter(|_| random.one_in(2));
    Row {
        key: number.map_or_else(|| text(key), Cell::Int),
        cells: [
            ("plan", plan),
            ("premium", premium),
            ("features", features),
            ("comp", comp),
            ("trial", trial),
            ("seats", seats),
            ("link", link),
            ("org", org),
            ("email", email),
        ]
        .into(),
    }
}
