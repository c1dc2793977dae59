-- The role that Counterfoil reads the app's database with: SELECT on the mapped columns, nothing else.
--
--   COUNTERFOIL_ROLE_PASSWORD=... psql "$ADMIN_URL" -v role=counterfoil_read \
--     -v schema=public -v table=users -v columns=id,stripe_customer_id,plan -f read-role.sql
--
-- Run it once per mapped table; running it again changes nothing. `columns` are the names exactly as in the catalog,
-- separated by commas. The password comes from the environment so that it is in no process list and no history.
--
-- Rights that every role gets through PUBLIC are not touched, because the app may rely on them. Counterfoil looks at
-- what the role can really do before each run and refuses one that can write anywhere.

\set ON_ERROR_STOP on
\set QUIET on
\set password `printf %s "$COUNTERFOIL_ROLE_PASSWORD"`

BEGIN;

SELECT format('CREATE ROLE %I', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

ALTER ROLE :"role" LOGIN PASSWORD :'password'
  NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 10;

-- A second line of defence, not a lock: a session can switch it off. The missing rights are the lock.
ALTER ROLE :"role" SET default_transaction_read_only = on;
ALTER ROLE :"role" SET statement_timeout = '5min';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '1min';

GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";

SELECT format('GRANT SELECT (%s) ON %I.%I TO %I',
  string_agg(quote_ident(trim(name)), ', '), :'schema', :'table', :'role')
FROM unnest(string_to_array(:'columns', ',')) AS name \gexec

COMMIT;
