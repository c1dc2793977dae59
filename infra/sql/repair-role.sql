-- The role that Counterfoil repairs with: SELECT on the mapped columns of a row, UPDATE on the named columns only.
--
--   COUNTERFOIL_ROLE_PASSWORD=... psql "$ADMIN_URL" -v role=counterfoil_repair \
--     -v schema=public -v table=users -v columns=id,stripe_customer_id,plan -v update_columns=plan -f repair-role.sql
--
-- Not needed for checks: without it the project is read-only. Run it once per mapped table; running it again changes
-- nothing. `columns` are the key and every column that is compared or changed, because a repair compares the row with
-- what was approved before it writes; `update_columns` are those it may change. Names exactly as in the catalog,
-- separated by commas. The password comes from the environment so that it is in no process list and no history.

\set ON_ERROR_STOP on
\set QUIET on
\set password `printf %s "$COUNTERFOIL_ROLE_PASSWORD"`

BEGIN;

SELECT format('CREATE ROLE %I', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

ALTER ROLE :"role" LOGIN PASSWORD :'password'
  NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5;

ALTER ROLE :"role" SET statement_timeout = '30s';
ALTER ROLE :"role" SET lock_timeout = '10s';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '30s';

GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";

SELECT format('GRANT SELECT (%s) ON %I.%I TO %I',
  string_agg(quote_ident(trim(name)), ', '), :'schema', :'table', :'role')
FROM unnest(string_to_array(:'columns', ',')) AS name \gexec

SELECT format('GRANT UPDATE (%s) ON %I.%I TO %I',
  string_agg(quote_ident(trim(name)), ', '), :'schema', :'table', :'role')
FROM unnest(string_to_array(:'update_columns', ',')) AS name \gexec

COMMIT;
