//! What is sold in every world, and the mappings under which worlds are looked at.

use std::collections::BTreeMap;

use counterfoil_core::billing::{Catalog, Price, Product, Recurring, TransformQuantity};

use crate::random::Random;

/// A price. What its currency is called is all that is known of a currency here.
#[derive(Debug)]
pub(crate) struct Sold {
    pub(crate) id: &'static str,
    pub(crate) product: &'static str,
    pub(crate) key: Option<&'static str>,
    pub(crate) unit: Option<i64>,
    pub(crate) currency: &'static str,
    /// Times a year; `None` for a one-time price.
    pub(crate) a_year: Option<(i64, i64)>,
    pub(crate) metered: bool,
    /// Units in a package, and whether a part of one costs a whole one.
    pub(crate) package: Option<(i64, bool)>,
    pub(crate) active: Option<bool>,
    /// In the catalogue, not only in subscriptions.
    pub(crate) listed: bool,
}

const fn sold(id: &'static str, product: &'static str, unit: i64) -> Sold {
    Sold {
        id,
        product,
        key: None,
        unit: Some(unit),
        currency: "usd",
        a_year: Some((12, 1)),
        metered: false,
        package: None,
        active: None,
        listed: true,
    }
}

macro_rules! sold {
    ($id:literal, $product:literal, $unit:literal $(, $field:ident: $value:expr)*) => {
        Sold { $($field: $value,)* ..sold($id, $product, $unit) }
    };
}

pub(crate) static SOLD: [Sold; 22] = [
    sold!("price_hobby", "prod_hobby", 300),
    sold!("price_basic", "prod_basic", 1_000),
    sold!("price_basic_free", "prod_basic", 0),
    sold!("price_basic_eur", "prod_basic", 900, currency: "eur"),
    sold!("price_basic_secret", "prod_basic", 700, listed: false),
    sold!("price_pro", "prod_other", 3_000, key: Some("pro_monthly")),
    sold!("price_pro_year", "prod_pro", 30_001, a_year: Some((1, 1))),
    sold!("price_pro_week", "prod_pro", 701, a_year: Some((52, 1))),
    sold!("price_pro_2days", "prod_pro", 99, a_year: Some((365, 2))),
    sold!("price_pro_old", "prod_pro", 2_000, active: Some(false)),
    sold!("price_pro_eur", "prod_pro", 2_500, currency: "eur"),
    sold!("price_pro_jpy", "prod_pro", 4_400, currency: "jpy"),
    sold!("price_pro_zzz", "prod_pro", 77, currency: "zzz"),
    sold!("price_pro_use", "prod_pro", 5, metered: true),
    sold!("price_pro_once", "prod_pro", 50_000, a_year: None),
    sold!("price_team", "prod_team", 1_500),
    sold!("price_team_pack", "prod_team", 4_000, package: Some((5, true))),
    sold!("price_team_full", "prod_team", 4_000, package: Some((3, false))),
    sold!("price_giant", "prod_giant", 1, unit: None),
    sold!("price_audit", "prod_audit", 500),
    sold!("price_audit_eur", "prod_audit", 400, currency: "eur", active: Some(true)),
    sold!("price_mystery", "prod_mystery", 9_900, listed: false),
];

/// A plan (with its rank and whether it is paid access) or an add-on.
pub(crate) struct Offered {
    pub(crate) name: &'static str,
    pub(crate) plan: Option<(u32, bool)>,
    pub(crate) features: &'static [&'static str],
}

/// What a price sells, as the mapping below says.
pub(crate) fn offered(price: &Sold) -> Option<&'static Offered> {
    static HOBBY: Offered = Offered {
        name: "hobby",
        plan: Some((5, false)),
        features: &[],
    };
    static BASIC: Offered = Offered {
        name: "basic",
        plan: Some((10, true)),
        features: &["export"],
    };
    static PRO: Offered = Offered {
        name: "pro",
        plan: Some((20, true)),
        features: &["export", "sso"],
    };
    static TEAM: Offered = Offered {
        name: "team",
        plan: Some((30, true)),
        features: &["export", "seats"],
    };
    static GIANT: Offered = Offered {
        name: "giant",
        plan: Some((40, true)),
        features: &["export", "sso", "vpc"],
    };
    static AUDIT: Offered = Offered {
        name: "audit",
        plan: None,
        features: &["audit"],
    };
    match (price.key, price.product) {
        (Some("pro_monthly"), _) | (_, "prod_pro") => Some(&PRO),
        (_, "prod_hobby") => Some(&HOBBY),
        (_, "prod_basic") => Some(&BASIC),
        (_, "prod_team") => Some(&TEAM),
        (_, "prod_giant") => Some(&GIANT),
        (_, "prod_audit") => Some(&AUDIT),
        _ => None,
    }
}

/// Every plan with its rank, and whether it is paid access.
pub(crate) const PLANS: [(&str, u32, bool); 5] = [
    ("hobby", 5, false),
    ("basic", 10, true),
    ("pro", 20, true),
    ("team", 30, true),
    ("giant", 40, true),
];

pub(crate) fn is_paid(plan: &str) -> bool {
    PLANS.iter().any(|(name, _, paid)| *name == plan && *paid)
}

pub(crate) const FEATURES: [&str; 5] = ["audit", "export", "seats", "sso", "vpc"];

const OFFERS: &str = r#"
[[plans]]
name = "hobby"
rank = 5
premium = false
match = { product = ["prod_hobby"] }
[[plans]]
name = "team"
rank = 30
match = { product = ["prod_team"] }
features = ["seats", "export"]
[[plans]]
name = "basic"
rank = 10
match = { product = ["prod_basic"] }
features = ["export"]
[[plans]]
name = "pro"
rank = 20
match = { lookup_key = ["pro_monthly"], product = ["prod_pro"] }
features = ["export", "sso"]
[[plans]]
name = "giant"
rank = 40
match = { price = ["price_giant"] }
features = "stripe"
[[addons]]
name = "audit"
match = { product_metadata = { kind = "audit" } }
features = ["audit"]
"#;

/// The price object that Stripe would send.
pub(crate) fn price(sold: &Sold) -> Price {
    let recurring = sold.a_year.map(|(times, over)| Recurring {
        interval: match times {
            365 => "day",
            52 => "week",
            12 => "month",
            _ => "year",
        }
        .to_owned(),
        interval_count: u32::try_from(over).unwrap(),
        usage_type: Some(if sold.metered { "metered" } else { "licensed" }.to_owned()),
    });
    Price {
        id: sold.id.to_owned(),
        product: sold.product.to_owned(),
        lookup_key: sold.key.map(str::to_owned),
        unit_amount: sold.unit,
        currency: sold.currency.to_owned(),
        recurring,
        transform_quantity: sold.package.map(|(units, up)| TransformQuantity {
            divide_by: u32::try_from(units).unwrap(),
            round: if up { "up" } else { "down" }.to_owned(),
        }),
        active: sold.active,
        livemode: None,
    }
}

pub(crate) fn catalog() -> Catalog {
    let product = |id: &str| {
        let mut product = Product {
            id: id.to_owned(),
            ..Product::default()
        };
        if id == "prod_audit" {
            product
                .metadata
                .insert("kind".to_owned(), "audit".to_owned());
        }
        product
    };
    let prices = SOLD.iter().filter(|sold| sold.listed).map(price);
    let mut catalog = Catalog::new(prices, SOLD.iter().map(|sold| product(sold.product)));
    let vpc = ["export", "sso", "vpc"].map(str::to_owned);
    catalog
        .features
        .insert("prod_giant".to_owned(), vpc.to_vec());
    catalog
}

/// Where a value that identifies a customer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    User,
    Org,
    Id,
    Email,
}

/// A mapping, as plain as it can be said.
#[derive(Debug, Clone)]
pub(crate) struct Knobs {
    /// With the column, and whether a hit only reports.
    pub(crate) keys: Vec<(Source, &'static str, bool)>,
    /// Seconds; `None` is for ever.
    pub(crate) grace: Option<i64>,
    pub(crate) highest: bool,
    /// What grants: `void`, `keep_as_draft`, `mark_uncollectible`.
    pub(crate) pause: [bool; 3],
    pub(crate) paused: bool,
    pub(crate) unpaid: bool,
    /// Columns by role, and whether a repair may write them. An absent role has no column.
    pub(crate) columns: BTreeMap<&'static str, bool>,
    pub(crate) tolerance: i64,
    pub(crate) no_seats: i64,
}

impl Knobs {
    pub(crate) fn random(random: &mut Random) -> Self {
        use Source::{Email, Id, Org, User};
        let mut keys = random
            .pick(&[
                vec![
                    (User, "id", false),
                    (Id, "link", false),
                    (Email, "email", true),
                ],
                vec![
                    (User, "id", false),
                    (Id, "link", false),
                    (Email, "email", true),
                ],
                vec![(Id, "link", false), (User, "id", false)],
                vec![(Id, "link", false)],
                vec![(User, "id", false)],
                vec![
                    (Org, "org", false),
                    (User, "id", false),
                    (Id, "link", false),
                    (Email, "email", true),
                ],
                vec![
                    (Id, "link", false),
                    (Email, "email", true),
                    (User, "id", true),
                ],
                vec![(Email, "email", true)],
            ])
            .clone();
        if random.one_in(12) {
            for key in &mut keys {
                key.2 = true;
            }
        }
        let mut columns = BTreeMap::new();
        for role in ["plan", "premium", "trial", "seats", "features", "comp"] {
            if !random.one_in(7) {
                columns.insert(role, !random.one_in(7));
            }
        }
        if !columns.contains_key("premium") {
            columns.entry("plan").or_insert(true);
        }
        let days = 86_400;
        Self {
            keys,
            grace: *random.pick(&[
                Some(14 * days),
                Some(14 * days),
                Some(0),
                Some(3 * days),
                None,
            ]),
            highest: random.one_in(3),
            pause: *random.pick(&[
                [true; 3],
                [true; 3],
                [false; 3],
                [false, true, true],
                [true, false, true],
                [true, true, false],
            ]),
            paused: random.one_in(4),
            unpaid: random.one_in(4),
            columns,
            tolerance: *random.pick(&[3_600, 3_600, 0, 86_400]),
            no_seats: *random.pick(&[1, 0, 3]),
        }
    }

    /// The document that people would write.
    pub(crate) fn toml(&self) -> String {
        let keys: Vec<String> = self
            .keys
            .iter()
            .map(|(source, column, report)| {
                let source = match source {
                    Source::User => "customer.metadata.user_id",
                    Source::Org => "customer.metadata.org",
                    Source::Id => "customer.id",
                    Source::Email => "customer.email",
                };
                format!(r#"{{ stripe = "{source}", column = "{column}", report_only = {report} }}"#)
            })
            .collect();
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(role, repairable)| {
                let more = match *role {
                    "plan" => format!(r#", none = "free", repairable = {repairable}"#),
                    "trial" => format!(
                        r#", tolerance = "{}s", repairable = {repairable}"#,
                        self.tolerance
                    ),
                    "seats" => format!(", none = {}, repairable = {repairable}", self.no_seats),
                    "comp" => String::new(),
                    _ => format!(", repairable = {repairable}"),
                };
                format!(r#"{role} = {{ column = "{role}"{more} }}"#)
            })
            .collect();
        let verdict = |grants: bool| if grants { "grant" } else { "revoke" };
        let [void, draft, uncollectible] = self.pause.map(verdict);
        format!(
            "[match]\ntable = \"public.users\"\nprimary_key = \"id\"\nkeys = [{}]\n[access]\n{}\n{OFFERS}\n\
             [rules]\npast_due_grace = \"{}\"\nfeatures_from = \"{}\"\npaused = \"{}\"\nunpaid = \"{}\"\n\
             pause_collection = {{ void = \"{void}\", keep_as_draft = \"{draft}\", mark_uncollectible = \"{uncollectible}\" }}\n",
            keys.join(", "),
            columns.join("\n"),
            self.grace
                .map_or("forever".to_owned(), |grace| format!("{grace}s")),
            if self.highest { "highest" } else { "all" },
            verdict(self.paused),
            verdict(self.unpaid),
        )
    }
}
