//! From the document to the artifact. Every rule is checked; everything that is wrong is reported.

use std::collections::{BTreeMap, BTreeSet};

use super::artifact::{Artifact, VERSION};
use super::compiled::{
    Access, Addon, Compiled, Grants, Limits, MatchKey, MatchSource, PauseRules, PlainColumn, Plan,
    PlanColumn, Rules, SeatsColumn, Selector, SwitchColumn, TrialColumn,
};
use super::document::{
    AccessDoc, FeaturesDoc, LimitsDoc, Mapping, Matching, PauseDoc, RulesDoc, SelectorDoc,
};
use super::error::{MappingError, MappingErrors};
use super::names;
use super::units::Span;

/// The delay limit of the queue that carries the second look.
const MAX_RACE_GRACE_S: u64 = 900;
/// Longest tolerance, grace or name that makes sense.
const MAX_SPAN_S: u64 = 400 * 86_400;
/// The engine keeps one bit per key.
const MAX_KEYS: usize = 8;
const MAX_NAME_BYTES: usize = 100;

/// Compiles a mapping.
///
/// # Errors
/// All rules that the document breaks, in its order.
pub fn compile(mapping: &Mapping) -> Result<Artifact, MappingErrors> {
    let mut check = Check::default();
    let (schema, table) = check.table(&mapping.matching.table);
    check.column("match.primary_key", &mapping.matching.primary_key);
    let keys = check.keys(&mapping.matching);
    let access = check.access(&mapping.access);
    check.overlaps(&mapping.matching, &mapping.access);
    let (plans, addons) = check.offers(mapping);
    let rules = check.rules(&mapping.rules);
    let limits = check.limits(&mapping.limits);
    MappingErrors::check(check.errors)?;
    let compiled = Compiled {
        version: VERSION,
        subject: mapping.matching.subject,
        schema,
        table,
        primary_key: mapping.matching.primary_key.clone(),
        keys,
        access,
        plans,
        addons,
        rules,
        limits,
    };
    Artifact::new(compiled).map_err(|_| {
        MappingError::new("limits.max_amount_at_risk", "is beyond 2^53", "lower it").into()
    })
}

#[derive(Default)]
struct Check {
    errors: Vec<MappingError>,
}

impl Check {
    fn error(&mut self, field: &str, rule: &str, fix: &str) {
        self.errors.push(MappingError::new(field, rule, fix));
    }

    fn column(&mut self, field: &str, name: &str) {
        self.errors.extend(names::check_column(field, name));
    }

    fn table(&mut self, name: &str) -> (String, String) {
        let Some((schema, table)) = name.split_once('.') else {
            let fix = format!("write `public.{name}` if that is its schema");
            self.error("match.table", "a table is named with its schema", &fix);
            return (String::new(), name.to_owned());
        };
        self.errors.extend(names::check("match.table", schema));
        self.errors.extend(names::check("match.table", table));
        (schema.to_owned(), table.to_owned())
    }

    fn keys(&mut self, matching: &Matching) -> Vec<MatchKey> {
        if matching.keys.is_empty() {
            self.error(
                "match.keys",
                "at least one key is needed",
                "add { stripe = \"customer.id\", column = \"...\" }",
            );
        }
        if matching.keys.len() > MAX_KEYS {
            self.error(
                "match.keys",
                "at most 8 keys",
                "keep those that really identify",
            );
        }
        let reporting = matching.keys.iter().skip_while(|key| !key.report_only);
        if reporting.into_iter().any(|key| !key.report_only) {
            self.error(
                "match.keys",
                "keys that only report come last, or they would hide better ones",
                "move them to the end",
            );
        }
        let mut keys = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, key) in matching.keys.iter().enumerate() {
            let field = format!("match.keys[{index}]");
            self.column(&format!("{field}.column"), &key.column);
            match key.stripe.parse::<MatchSource>() {
                Err(rule) => self.error(
                    &format!("{field}.stripe"),
                    &format!("a key {rule}"),
                    &near_source(&key.stripe),
                ),
                Ok(source) => {
                    if source == MatchSource::Email && !key.report_only {
                        self.error(
                            &format!("{field}.report_only"),
                            "a match by e-mail only reports, it never repairs",
                            "add report_only = true",
                        );
                    }
                    if !seen.insert(source.clone()) {
                        self.error(&field, "the same value is used twice", "remove one of them");
                    }
                    let (column, report_only) = (key.column.clone(), key.report_only);
                    keys.push(MatchKey {
                        source,
                        column,
                        report_only,
                    });
                }
            }
        }
        keys
    }

    fn access(&mut self, access: &AccessDoc) -> Access {
        if access.plan.is_none() && access.premium.is_none() {
            self.error(
                "access",
                "a column must say whether a customer has access",
                "add access.plan or access.premium",
            );
        }
        for (role, column, _) in columns(access) {
            self.column(&format!("access.{role}.column"), column);
        }
        if access
            .plan
            .as_ref()
            .is_some_and(|plan| plan.none.is_empty())
        {
            self.error(
                "access.plan.none",
                "the plan of those who pay nothing needs a name",
                "write what the column says for them; NULL means the same",
            );
        }
        if access.seats.as_ref().is_some_and(|seats| seats.none < 0) {
            self.error(
                "access.seats.none",
                "seats are not negative",
                "write 0 or more",
            );
        }
        Access {
            plan: access.plan.as_ref().map(|it| PlanColumn {
                column: it.column.clone(),
                repairable: it.repairable,
                none: it.none.clone(),
            }),
            premium: access.premium.as_ref().map(|it| SwitchColumn {
                column: it.column.clone(),
                repairable: it.repairable,
            }),
            trial: access.trial.as_ref().map(|it| TrialColumn {
                column: it.column.clone(),
                repairable: it.repairable,
                tolerance_s: self.span("access.trial.tolerance", &it.tolerance, MAX_SPAN_S),
            }),
            seats: access.seats.as_ref().map(|it| SeatsColumn {
                column: it.column.clone(),
                repairable: it.repairable,
                none: it.none,
            }),
            features: access.features.as_ref().map(|it| SwitchColumn {
                column: it.column.clone(),
                repairable: it.repairable,
            }),
            comp: access.comp.as_ref().map(|it| PlainColumn {
                column: it.column.clone(),
            }),
        }
    }

    /// One column has one meaning, and what identifies a row is never written.
    fn overlaps(&mut self, matching: &Matching, access: &AccessDoc) {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (role, column, repairable) in columns(access) {
            if let Some(other) = seen.insert(column, role) {
                self.error(
                    &format!("access.{role}.column"),
                    &format!("`{column}` already is access.{other}"),
                    "use a column of its own",
                );
            }
            let identifies = column == matching.primary_key
                || matching.keys.iter().any(|key| key.column == column);
            if repairable && identifies {
                self.error(
                    &format!("access.{role}.column"),
                    "a column that says who a row belongs to is never written",
                    "use another column, or repairable = false",
                );
            }
        }
    }

    fn offers(&mut self, mapping: &Mapping) -> (Vec<Plan>, Vec<Addon>) {
        if mapping.plans.is_empty() {
            self.error(
                "plans",
                "at least one plan is needed",
                "add a [[plans]] block",
            );
        }
        let mut names = BTreeSet::new();
        let mut selected = BTreeMap::new();
        let none = mapping.access.plan.as_ref().map(|plan| plan.none.as_str());
        let plans = mapping.plans.iter().enumerate().map(|(index, plan)| {
            let field = format!("plans[{index}]");
            self.name(&field, &plan.name, &mut names);
            if none == Some(plan.name.as_str()) && plan.premium {
                self.error(
                    &format!("{field}.premium"),
                    "the plan of access.plan.none is no paid access",
                    "add premium = false",
                );
            }
            Plan {
                name: plan.name.clone(),
                rank: plan.rank,
                premium: plan.premium,
                selector: self.selector(&field, &plan.matching, &mut selected),
                features: self.grants(&field, &plan.features),
            }
        });
        let plans = plans.collect();
        let addons = mapping.addons.iter().enumerate().map(|(index, addon)| {
            let field = format!("addons[{index}]");
            self.name(&field, &addon.name, &mut names);
            Addon {
                name: addon.name.clone(),
                selector: self.selector(&field, &addon.matching, &mut selected),
                features: self.grants(&field, &addon.features),
            }
        });
        (plans, addons.collect())
    }

    fn name<'a>(&mut self, field: &str, name: &'a str, names: &mut BTreeSet<&'a str>) {
        let field = format!("{field}.name");
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            self.error(
                &field,
                &format!("a name has 1 to {MAX_NAME_BYTES} printable bytes"),
                "write the name that the app uses",
            );
        }
        if !names.insert(name) {
            self.error(
                &field,
                "the name is used twice",
                "merge the two, or rename one",
            );
        }
    }

    fn selector(
        &mut self,
        field: &str,
        doc: &SelectorDoc,
        selected: &mut BTreeMap<String, String>,
    ) -> Selector {
        let lists = [
            ("price", &doc.price),
            ("lookup_key", &doc.lookup_key),
            ("product", &doc.product),
        ];
        for (kind, values) in lists {
            for value in values {
                self.select(&format!("{field}.match.{kind}"), kind, value, selected);
            }
        }
        if !doc.product_metadata.is_empty() {
            let pairs: Vec<String> = doc
                .product_metadata
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            let field = format!("{field}.match.product_metadata");
            self.select(&field, "product_metadata", &pairs.join(","), selected);
        } else if lists.iter().all(|(_, values)| values.is_empty()) {
            self.error(
                &format!("{field}.match"),
                "something must be sold under this name",
                "add price, lookup_key, product or product_metadata",
            );
        }
        Selector {
            prices: sorted(&doc.price),
            lookup_keys: sorted(&doc.lookup_key),
            products: sorted(&doc.product),
            product_metadata: doc.product_metadata.clone(),
        }
    }

    fn select(
        &mut self,
        field: &str,
        kind: &str,
        value: &str,
        selected: &mut BTreeMap<String, String>,
    ) {
        if value.is_empty() {
            self.error(field, "the value is empty", "remove it");
        }
        if let Some(other) = selected.insert(format!("{kind} {value}"), field.to_owned()) {
            self.error(
                field,
                &format!("`{value}` already stands in {other}"),
                "keep it in one place",
            );
        }
    }

    fn grants(&mut self, field: &str, doc: &FeaturesDoc) -> Grants {
        let field = format!("{field}.features");
        match doc {
            FeaturesDoc::Named(name) if name == "stripe" => Grants::Stripe,
            FeaturesDoc::Named(_) => {
                self.error(
                    &field,
                    "features are a list of names or \"stripe\"",
                    "write a list",
                );
                Grants::Listed(Vec::new())
            }
            FeaturesDoc::Listed(names) => {
                if names.iter().any(String::is_empty) {
                    self.error(&field, "a feature has a name", "remove the empty one");
                }
                Grants::Listed(sorted(names))
            }
        }
    }

    fn rules(&mut self, rules: &RulesDoc) -> Rules {
        let race_grace_s = self.span("rules.race_grace", &rules.race_grace, MAX_RACE_GRACE_S);
        let past_due_grace_s = (rules.past_due_grace.0 != "forever")
            .then(|| self.span("rules.past_due_grace", &rules.past_due_grace, MAX_SPAN_S));
        let pause_collection = match rules.pause_collection {
            PauseDoc::All(verdict) => PauseRules {
                void: verdict,
                keep_as_draft: verdict,
                mark_uncollectible: verdict,
            },
            PauseDoc::Each(each) => PauseRules {
                void: each.void,
                keep_as_draft: each.keep_as_draft,
                mark_uncollectible: each.mark_uncollectible,
            },
        };
        Rules {
            past_due_grace_s,
            features_from: rules.features_from,
            pause_collection,
            paused: rules.paused,
            unpaid: rules.unpaid,
            race_grace_s,
        }
    }

    fn limits(&mut self, limits: &LimitsDoc) -> Limits {
        let permille = limits.max_drift_percent.permille();
        if permille.is_none() {
            self.error(
                "limits.max_drift_percent",
                "a percentage is 0 to 100 with at most one decimal",
                "write 5 or 2.5",
            );
        }
        if let Some(amount) = &limits.max_amount_at_risk {
            let letters = amount
                .currency
                .bytes()
                .all(|byte| byte.is_ascii_lowercase());
            if amount.currency.len() != 3 || !letters {
                self.error(
                    "limits.max_amount_at_risk.currency",
                    "a currency is written as Stripe writes it",
                    "write three lower-case letters such as usd",
                );
            }
            if amount.minor < 0 {
                self.error(
                    "limits.max_amount_at_risk.minor",
                    "an amount at risk is not negative",
                    "write 0 or more minor units",
                );
            }
        }
        Limits {
            max_repairs_per_run: limits.max_repairs_per_run,
            max_drift_permille: permille.unwrap_or_default(),
            max_amount_at_risk: limits.max_amount_at_risk.clone(),
        }
    }

    fn span(&mut self, field: &str, span: &Span, most: u64) -> u64 {
        let Some(seconds) = span.seconds() else {
            self.error(
                field,
                "a duration is a whole number and s, m, h or d",
                "write 30s, 10m or 14d",
            );
            return 0;
        };
        if seconds > most {
            let (amount, unit) = if most < 86_400 {
                (most / 60, "minutes")
            } else {
                (most / 86_400, "days")
            };
            self.error(
                field,
                &format!("at most {amount} {unit}"),
                "write a shorter duration",
            );
        }
        seconds
    }
}

fn near_source(text: &str) -> String {
    let known = ["customer.id", "customer.email", "customer.metadata."];
    names::closest(text, known.into_iter()).map_or_else(
        || "use one of them".to_owned(),
        |near| format!("did you mean `{near}`?"),
    )
}

fn columns(access: &AccessDoc) -> impl Iterator<Item = (&'static str, &str, bool)> {
    [
        access
            .plan
            .as_ref()
            .map(|it| ("plan", it.column.as_str(), it.repairable)),
        access
            .premium
            .as_ref()
            .map(|it| ("premium", it.column.as_str(), it.repairable)),
        access
            .trial
            .as_ref()
            .map(|it| ("trial", it.column.as_str(), it.repairable)),
        access
            .seats
            .as_ref()
            .map(|it| ("seats", it.column.as_str(), it.repairable)),
        access
            .features
            .as_ref()
            .map(|it| ("features", it.column.as_str(), it.repairable)),
        access
            .comp
            .as_ref()
            .map(|it| ("comp", it.column.as_str(), false)),
    ]
    .into_iter()
    .flatten()
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    names
}
