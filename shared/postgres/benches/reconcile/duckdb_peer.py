"""The comparison of the benchmark in DuckDB: FOLDER DATABASE_URL OUT.tsv.

Written for speed, not for every rule of the product: the rule of the benchmark's data is that
active, trialing and past_due grant, that the subscription of the highest plan, then the newest,
then the greatest id decides, and that a customer is matched by metadata.user_id, then by the id
that the app stores, then by e-mail address without case.
"""
import json
import pathlib
import resource
import sys

import duckdb
import duckdb_extension_postgres_scanner as scanner

folder, url, out = sys.argv[1:4]


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


extension = pathlib.Path(scanner.__file__).parent / "extensions" / f"v{duckdb.__version__}"
db = duckdb.connect()
db.execute(f"LOAD {quoted(extension / 'postgres_scanner.duckdb_extension')}")
db.execute(f"ATTACH {quoted(url)} AS app_db (TYPE postgres, READ_ONLY)")
db.execute("SET threads = 2; SET preserve_insertion_order = false")

products = json.loads(pathlib.Path(folder, "products.json").read_text())["data"]
features = json.loads(pathlib.Path(folder, "product_features.json").read_text())
ranks = {"starter": 1, "pro": 2, "team": 3, "enterprise": 4}
db.execute("CREATE TABLE product (id VARCHAR, plan VARCHAR, rank INT)")
for product in products:
    plan = product["metadata"].get("plan")
    db.execute("INSERT INTO product VALUES (?, ?, ?)", [product["id"], plan, ranks.get(plan)])
db.execute("CREATE TABLE brings (product VARCHAR, feature VARCHAR)")
for product, page in features.items():
    for feature in page["data"]:
        key = feature["entitlement_feature"]["lookup_key"]
        db.execute("INSERT INTO brings VALUES (?, ?)", [product, key])

db.execute(f"""
CREATE TABLE app AS
  SELECT * FROM postgres_query('app_db', 'SELECT id, lower(email) AS email, stripe_customer_id AS link,
    plan, premium, extract(epoch FROM trial_ends_at)::bigint AS trial, seats,
    array_to_string(features, ''|'') AS features FROM app_users');

CREATE TABLE granting AS
  SELECT id, customer, created, CASE WHEN status = 'trialing' THEN trial_end END AS trial,
         items.data AS items, list_sort(list_transform(items.data, lambda i: i.price.product)) AS basket
  FROM read_json({quoted(folder + '/subscriptions.ndjson')}, format = 'newline_delimited', columns = {{
    id: 'VARCHAR', customer: 'VARCHAR', status: 'VARCHAR', created: 'BIGINT', trial_end: 'BIGINT',
    items: 'STRUCT(data STRUCT(quantity INT, price STRUCT(product VARCHAR))[])'}})
  WHERE status IN ('active', 'trialing', 'past_due');

CREATE TABLE basket AS
  SELECT basket, (SELECT string_agg(DISTINCT feature, '|' ORDER BY feature) FROM brings
                  WHERE list_contains(basket, product)) AS features
  FROM (SELECT DISTINCT basket FROM granting);

CREATE TABLE promise AS
  SELECT g.id, g.customer, g.created, g.trial, p.plan, p.rank, g.item.quantity AS seats, b.features
  FROM (SELECT id, customer, created, trial, basket, unnest(items) AS item FROM granting) g
  JOIN product p ON p.id = g.item.price.product AND p.plan IS NOT NULL
  JOIN basket b ON b.basket = g.basket;

CREATE TABLE customer AS
  SELECT id, lower(email) AS email, try_cast(metadata.user_id AS UUID) AS named
  FROM read_json({quoted(folder + '/customers.ndjson')}, format = 'newline_delimited', columns = {{
    id: 'VARCHAR', email: 'VARCHAR', metadata: 'STRUCT(user_id VARCHAR)'}});

CREATE TABLE matched AS
  SELECT c.id, c.named, coalesce(by_id.id, by_link.id, by_mail.id) AS row_id
  FROM customer c
  LEFT JOIN app by_id ON by_id.id = c.named
  LEFT JOIN app by_link ON by_link.link = c.id
  LEFT JOIN app by_mail ON by_mail.email = c.email;

CREATE TABLE owed AS
  SELECT m.row_id, arg_max(p, (p.rank, p.created, p.id)) AS best
  FROM promise p JOIN matched m ON m.id = p.customer
  WHERE m.row_id IS NOT NULL GROUP BY m.row_id;

COPY (
  SELECT DISTINCT CASE WHEN m.named IS NULL THEN 'orphan_customer' ELSE 'missing_user_row' END, m.id::VARCHAR
    FROM matched m JOIN promise p ON p.customer = m.id WHERE m.row_id IS NULL
  UNION ALL
  SELECT 'duplicate_customer', row_id::VARCHAR FROM matched
    WHERE row_id IS NOT NULL GROUP BY row_id HAVING count(*) > 1
  UNION ALL
  SELECT unnest(CASE
      WHEN pays AND NOT premium THEN ['paid_no_access']
      WHEN premium AND NOT pays THEN ['access_without_payment']
      ELSE list_filter([
        CASE WHEN plan <> owed_plan THEN 'wrong_plan' END,
        CASE WHEN trial IS DISTINCT FROM owed_trial THEN 'wrong_trial_end' END,
        CASE WHEN seats <> owed_seats THEN 'wrong_seats' END,
        CASE WHEN features <> owed_features THEN 'wrong_features' END], lambda it: it IS NOT NULL)
    END), id::VARCHAR
  FROM (SELECT app.*, best IS NOT NULL AS pays, coalesce(best.plan, 'free') AS owed_plan,
          best.trial AS owed_trial, coalesce(best.seats, 1) AS owed_seats,
          coalesce(best.features, '') AS owed_features
        FROM app LEFT JOIN owed ON owed.row_id = app.id)
) TO {quoted(out)} (FORMAT csv, HEADER false, DELIMITER '\t');
""")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(f"peak {peak} customers 0")
