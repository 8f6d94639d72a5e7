-- The ledger's entries of a team, a user or a subscription are found by runs instead of an index each; an id by a
-- hash, which takes a third of a tree's work. See docs/decisions/0018-runs.md.

LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE;

-- Where entries of a scope are: 'team:ID', 'user:ID' of entries of no team, 'subscription:ID'. One row per scope and
-- transaction: all its entries of that scope are at positions from first to last, and decided from since to until.
-- Two runs of a scope never overlap.
CREATE TABLE ledger_runs (
    scope text COLLATE "C" NOT NULL,
    first bigint           NOT NULL,
    last  bigint           NOT NULL CHECK (last >= first),
    since timestamptz      NOT NULL,
    until timestamptz      NOT NULL,
    PRIMARY KEY (scope, first)
);

-- Entries of before are told in runs of ten thousand positions.
INSERT INTO ledger_runs
SELECT scope, min(position), max(position), min(at), max(at)
FROM ledger, unnest(ARRAY['team:' || team, CASE WHEN team IS NULL THEN 'user:' || member END,
                          'subscription:' || subscription]) AS scope
WHERE scope IS NOT NULL
GROUP BY scope, position / 10000;

DROP INDEX ledger_team, ledger_subscription, ledger_id, ledger_member;
CREATE INDEX ledger_id ON ledger USING hash (id);

-- Positions are drawn by ledger_begin only: the entries of one transaction follow each other.
ALTER TABLE ledger ALTER COLUMN position DROP DEFAULT;

DROP FUNCTION ledger_begin();

-- What versions before this one call. Theirs would not be found by runs.
CREATE FUNCTION ledger_begin() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the tables are of a newer version; nothing is lost: run the newer purser' USING ERRCODE = 'F0000';
END $$;

-- Called before the first entry of a transaction: shows, until the transaction has ended, that it fills positions above
-- the last one drawn before, which nobody waits for; and draws as many positions as it has entries. Answers the first
-- of them, and the partition for entries that were decided from since to until: that of their month, or the ledger.
CREATE FUNCTION ledger_begin(entries bigint, since timestamptz, until timestamptz, OUT first bigint, OUT part text)
LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz := date_trunc('month', since, 'UTC');
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1886745204, ledger_drawn()::bit(32)::int);
    -- Between the two calls nobody else draws. Whatever breaks off here lets go of the lock.
    BEGIN
        PERFORM pg_advisory_lock(1886745203, 2);
        first := nextval('ledger_position');
        PERFORM setval('ledger_position', first + entries - 1);
        PERFORM pg_advisory_unlock(1886745203, 2);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(1886745203, 2);
        RAISE;
    END;
    SELECT relname INTO part FROM pg_inherits JOIN pg_class ON oid = inhrelid
    WHERE inhparent = 'ledger'::regclass AND relname = 'ledger_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM')
      AND date_trunc('month', until, 'UTC') = month;
    part := coalesce(part, 'ledger');
END $$;
