-- The ledger: one row per entry, a partition per month of `at`. See docs/store-postgres.md.

CREATE SEQUENCE ledger_position AS bigint;

CREATE TABLE ledger (
    position     bigint           NOT NULL DEFAULT nextval('ledger_position'),
    at           timestamptz      NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    team         text COLLATE "C",
    member       text COLLATE "C",
    payer        text COLLATE "C",
    subscription text COLLATE "C",
    id           text COLLATE "C",
    credits      bigint,
    window_start timestamptz,
    spent        bigint,
    refunded     bigint,
    held         bigint,
    unheld       bigint,
    unheld_until timestamptz,
    above_window timestamptz,
    above        bigint,
    expires_at   timestamptz,
    returned     bigint,
    debt         bigint,
    late         boolean          NOT NULL,
    refers_to    text COLLATE "C",
    model        text COLLATE "C",
    grant_number bigint,
    actor        text,
    sidecar      uuid,
    incarnation  bigint,
    seq          bigint,
    detail       json,
    PRIMARY KEY (position, at)
) PARTITION BY RANGE (at);

-- What falls into no month that has been made; empty while all is well.
CREATE TABLE ledger_rest PARTITION OF ledger DEFAULT;

-- Texts alone, without the position: equal ones are kept once, which is small and quick to add to.
CREATE INDEX ledger_team ON ledger (team);
CREATE INDEX ledger_subscription ON ledger (subscription);
CREATE INDEX ledger_id ON ledger (id);
CREATE INDEX ledger_member ON ledger (member) WHERE team IS NULL;

-- Makes the partition of a month where it is missing, and moves there what fell into the rest. Whether it
-- is there is asked of the tables, as they are after the lock, and not of what the session remembers.
CREATE FUNCTION ledger_month(month timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first timestamptz := date_trunc('month', month, 'UTC');
    next  timestamptz := date_trunc('month', first + interval '40 days', 'UTC');
    part  text := 'ledger_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(1886745203, 1);
    PERFORM FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'ledger'::regclass AND relname = part;
    IF FOUND THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE ledger INCLUDING DEFAULTS)', part);
    LOCK TABLE ledger_rest IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('WITH moved AS (DELETE FROM ledger_rest WHERE at >= %L AND at < %L RETURNING *) '
                   'INSERT INTO %I SELECT * FROM moved', first, next, part);
    EXECUTE format('ALTER TABLE ledger ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, first, next);
END $$;

-- Makes the partitions of the month of `at` and of the next one; answers when that ends.
CREATE FUNCTION ledger_months(at timestamptz) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    next timestamptz := date_trunc('month', date_trunc('month', at, 'UTC') + interval '40 days', 'UTC');
BEGIN
    PERFORM ledger_month(at);
    PERFORM ledger_month(next);
    RETURN date_trunc('month', next + interval '40 days', 'UTC');
END $$;

-- The last position that was drawn, 0 at first.
CREATE FUNCTION ledger_drawn() RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM ledger_position';

-- Called before the first entry of a transaction: shows, until the transaction has ended, that it may
-- draw positions above the last one drawn now. Nobody waits for this lock.
CREATE FUNCTION ledger_begin() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1886745204, ledger_drawn()::bit(32)::int);
END $$;

-- Up to which position every entry is there for good: no transaction that may still add one at or below
-- is under way. First the last position drawn, then who is under way; read the ledger in a later
-- statement. The difference is taken modulo 2^32, because a lock's name has 32 bits.
CREATE FUNCTION ledger_horizon() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    drawn  bigint := ledger_drawn();
    oldest bigint;
BEGIN
    SELECT max(CASE WHEN ahead >= 2147483648 THEN ahead - 4294967296 ELSE ahead END) INTO oldest
    FROM (SELECT (drawn - objid::bigint) & 4294967295 AS ahead FROM pg_locks
          WHERE locktype = 'advisory' AND classid = 1886745204 AND objsubid = 2
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS under_way;
    RETURN drawn - greatest(coalesce(oldest, 0), 0);
END $$;

-- The next entries after a cursor, in one statement and without ever skipping one: for readers that
-- follow the ledger.
CREATE FUNCTION ledger_after(cursor bigint, entries bigint) RETURNS SETOF ledger LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    horizon bigint := ledger_horizon();
BEGIN
    RETURN QUERY SELECT * FROM ledger WHERE position > cursor AND position <= horizon ORDER BY position LIMIT entries;
END $$;

-- The ledger with credits in credits.
CREATE VIEW entries AS
SELECT position, at, kind, team, member, payer, subscription, id,
       credits * 0.000001 AS credits, window_start, spent * 0.000001 AS spent, refunded * 0.000001 AS refunded,
       held * 0.000001 AS held, unheld * 0.000001 AS unheld, unheld_until, above_window, above * 0.000001 AS above,
       expires_at, returned * 0.000001 AS returned, debt * 0.000001 AS debt, late, refers_to, model, grant_number,
       actor, sidecar, incarnation, seq, detail
FROM ledger;
