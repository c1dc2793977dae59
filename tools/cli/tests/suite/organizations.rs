//! A mapping of organizations: the customer and the plan stand in their table.

use counterfoil_testkit::stripe::{Drift, Sample};

use crate::support::{NOW, Stage, expected, now};

/// The sample's rows as organizations: a numeric key would do as well, the metadata names this one.
const TABLES: &str = "\
CREATE TABLE app_users (
  id uuid PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, stripe_customer_id text UNIQUE,
  plan text NOT NULL, premium boolean NOT NULL, trial_ends_at timestamptz, seats integer NOT NULL,
  features text[] NOT NULL, comped_until timestamptz);
CREATE TABLE organizations (
  org_id uuid PRIMARY KEY, slug text NOT NULL, billing_customer varchar(64) UNIQUE, tier varchar(20) NOT NULL,
  seat_limit smallint NOT NULL, gifted boolean NOT NULL DEFAULT false);
CREATE TABLE members (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, org_id uuid NOT NULL REFERENCES organizations, email text);";

const FILL: &str = "\
INSERT INTO organizations SELECT id, name, stripe_customer_id, plan, seats, comped_until IS NOT NULL
  FROM app_users;
INSERT INTO members (org_id, email) SELECT id, email FROM app_users;
INSERT INTO members (org_id, email) SELECT id, 'second-' || email FROM app_users;";

const MAPPING: &str = r#"
[match]
subject = "organization"
table = "public.organizations"
primary_key = "org_id"
keys = [
  { stripe = "customer.metadata.user_id", column = "org_id" },
  { stripe = "customer.id", column = "billing_customer" },
]
[access]
plan = { column = "tier", repairable = true, none = "free" }
seats = { column = "seat_limit", repairable = true, none = 1 }
comp = { column = "gifted" }
[[plans]]
name = "starter"
rank = 10
match = { product = ["prod_SampleStarter"] }
[[plans]]
name = "pro"
rank = 20
match = { product = ["prod_SamplePro"] }
[[plans]]
name = "team"
rank = 30
match = { product = ["prod_SampleTeam"] }
[[plans]]
name = "enterprise"
rank = 40
match = { product = ["prod_SampleEnterprise"] }
"#;

#[tokio::test]
async fn what_was_put_wrong_into_organizations_is_found_and_called_by_its_name() {
    let mut sample = Sample::new(11, 120, now());
    for drift in [
        Drift::PaidNoAccess,
        Drift::AccessWithoutPayment,
        Drift::WrongPlan,
        Drift::WrongSeats,
        Drift::MissingUserRow,
        Drift::DuplicateCustomer,
    ] {
        assert_eq!(sample.inject(drift, 2).len(), 2, "{drift:?}");
    }
    let stage = Stage::new("organizations", TABLES, sample.shop.clone()).await;
    stage.insert(&sample);
    stage.sql(FILL);
    stage.write("counterfoil.toml", MAPPING);
    let words = ["check", "--as-of", NOW, "--findings", "findings.ndjson"];
    let answer = stage.run_with_database(&words).await;
    assert_eq!(answer.status, 1, "{answer:?}");
    assert_eq!(stage.findings("findings.ndjson"), expected(&sample));
    for words in [
        "rows of public.organizations",
        "customers and organizations differ",
        "paying customer names an organization that is not there",
        "several Stripe customers for one organization",
    ] {
        assert!(answer.out.contains(words), "{words}: {}", answer.out);
    }
    assert!(!answer.out.contains("user"), "{}", answer.out);
    let sides = ["note: database role: ", "note: Stripe key: "];
    let about_a_side = |line: &str| sides.iter().any(|side| line.starts_with(side));
    // Progress, where the machine is slow.
    let mut lines = answer.err.lines();
    let told = lines.all(|it| about_a_side(it) || it.ends_with(" looked at again"));
    assert!(told, "{}", answer.err);
    let json = stage
        .run_with_database(&["check", "--as-of", NOW, "--json"])
        .await;
    assert_eq!(json.json()["subject"], "organization");
}

#[tokio::test]
async fn a_mapping_that_does_not_fit_is_refused_with_the_nearest_names() {
    let sample = Sample::new(12, 20, now());
    let stage = Stage::new("organizations_wrong", TABLES, sample.shop.clone()).await;
    let wrong = MAPPING
        .replace("\"tier\"", "\"teir\"")
        .replace("\"seat_limit\"", "\"slug\"");
    stage.write("counterfoil.toml", &wrong);
    let answer = stage.run_with_database(&["check", "--as-of", NOW]).await;
    assert_eq!(answer.status, 2, "{answer:?}");
    for error in [
        "access.plan.column: no column `teir`; did you mean `tier`?",
        "access.seats.column: `slug` is text, not a whole number",
    ] {
        assert!(answer.err.contains(error), "{error}: {}", answer.err);
    }
    stage.write(
        "counterfoil.toml",
        &MAPPING.replace("public.organizations", "public.organisations"),
    );
    let answer = stage.run_with_database(&["check", "--as-of", NOW]).await;
    assert!(
        answer.err.contains("did you mean `public.organizations`?"),
        "{}",
        answer.err
    );
    stage.write(
        "counterfoil.toml",
        &MAPPING.replace("prod_SamplePro", "prod_SampelPro"),
    );
    let answer = stage.run_with_database(&["check", "--as-of", NOW]).await;
    assert!(
        answer.err.contains("note: plans[1].match.product: Stripe shows no product `prod_SampelPro`; did you mean `prod_SamplePro`?"),
        "{}",
        answer.err
    );
}
