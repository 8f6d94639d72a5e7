-- Credits are whole micro-credits (1 credit = 1 000 000), times are milliseconds since 1970, both INTEGER.
-- See docs/store-sqlite.md for what to ask of these tables.

CREATE TABLE sidecar (
    only        INTEGER PRIMARY KEY CHECK (only = 1),
    id          TEXT    NOT NULL,
    incarnation INTEGER NOT NULL,
    nonce       TEXT    NOT NULL,
    last        INTEGER NOT NULL
) STRICT;

CREATE TABLE subscriptions (
    id                TEXT    NOT NULL PRIMARY KEY,
    owner             TEXT    NOT NULL UNIQUE,
    plan              TEXT    NOT NULL,
    status            TEXT    NOT NULL CHECK (status IN ('active', 'canceled')),
    seats             INTEGER NOT NULL CHECK (seats >= 0),
    credits_per_seat  INTEGER NOT NULL CHECK (credits_per_seat >= 0),
    anchor            INTEGER NOT NULL,
    rollover_cap      INTEGER,
    rollover_windows  INTEGER NOT NULL CHECK (rollover_windows >= 0),
    private_workflows INTEGER NOT NULL,
    save_history      INTEGER NOT NULL,
    model_whitelist   INTEGER NOT NULL,
    team              TEXT,
    next_grant        INTEGER NOT NULL,
    epoch             INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    subscription TEXT    NOT NULL REFERENCES subscriptions (id),
    number       INTEGER NOT NULL,
    kind         TEXT    NOT NULL CHECK (kind IN ('rollover', 'monthly', 'purchased')),
    purchase     TEXT    NOT NULL,
    origin       INTEGER NOT NULL,
    credits      INTEGER NOT NULL CHECK (credits >= 0),
    burned       INTEGER NOT NULL CHECK (burned BETWEEN 0 AND credits),
    opened       INTEGER NOT NULL CHECK (opened >= 0),
    expires_at   INTEGER,
    PRIMARY KEY (subscription, number)
) STRICT, WITHOUT ROWID;

-- burns: what it has burned of which grant, oldest burn first, as JSON [[number, micro-credits], ...].
CREATE TABLE accounts (
    subscription TEXT    NOT NULL REFERENCES subscriptions (id),
    window_start INTEGER NOT NULL,
    window_end   INTEGER NOT NULL CHECK (window_end > window_start),
    granted      INTEGER NOT NULL CHECK (granted >= 0),
    spent        INTEGER NOT NULL CHECK (spent >= 0),
    refunded     INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND spent),
    returned     INTEGER NOT NULL CHECK (returned BETWEEN 0 AND granted),
    held         INTEGER NOT NULL CHECK (held >= 0),
    until        INTEGER NOT NULL,
    burns        TEXT    NOT NULL,
    PRIMARY KEY (subscription, window_start)
) STRICT, WITHOUT ROWID;

CREATE TABLE purchases (
    subscription TEXT    NOT NULL REFERENCES subscriptions (id),
    id           TEXT    NOT NULL,
    credits      INTEGER NOT NULL CHECK (credits >= 0),
    expires_at   INTEGER,
    PRIMARY KEY (subscription, id)
) STRICT, WITHOUT ROWID;

-- whitelist_models: a JSON array of names.
CREATE TABLE teams (
    id                TEXT    NOT NULL PRIMARY KEY,
    name              TEXT    NOT NULL,
    owner             TEXT    NOT NULL,
    subscription      TEXT,
    whitelist_enabled INTEGER NOT NULL,
    whitelist_models  TEXT    NOT NULL,
    seats_taken       INTEGER NOT NULL CHECK (seats_taken >= 0),
    members           INTEGER NOT NULL CHECK (members >= 0),
    epoch             INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- draw_limit: the most that the member may draw in one window; NULL: no limit.
CREATE TABLE members (
    team       TEXT    NOT NULL REFERENCES teams (id),
    user       TEXT    NOT NULL,
    role       TEXT    NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    access     TEXT    NOT NULL CHECK (access IN ('seat', 'credits', 'personal')),
    opted_out  INTEGER NOT NULL,
    draw_limit INTEGER,
    removed    INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    PRIMARY KEY (team, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_user ON members (user);

-- The window comes first, so that a start reads only the last ones.
CREATE TABLE draws (
    window_start INTEGER NOT NULL,
    team         TEXT    NOT NULL,
    member       TEXT    NOT NULL,
    spent        INTEGER NOT NULL CHECK (spent >= 0),
    refunded     INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND spent),
    held         INTEGER NOT NULL CHECK (held >= 0),
    PRIMARY KEY (window_start, team, member)
) STRICT, WITHOUT ROWID;

-- scope: 'team:ID' or 'user:ID', within which the hold's id is unique.
CREATE TABLE holds (
    scope        TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    team         TEXT,
    member       TEXT    NOT NULL,
    payer        TEXT    NOT NULL CHECK (payer IN ('pool', 'wallet')),
    subscription TEXT    NOT NULL,
    window_start INTEGER NOT NULL,
    credits      INTEGER NOT NULL CHECK (credits >= 0),
    expires_at   INTEGER NOT NULL,
    model        TEXT,
    content      INTEGER NOT NULL,
    held_at      INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
    position     INTEGER PRIMARY KEY AUTOINCREMENT,
    at           INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    team         TEXT,
    member       TEXT,
    payer        TEXT,
    subscription TEXT,
    id           TEXT,
    credits      INTEGER,
    window_start INTEGER,
    spent        INTEGER,
    refunded     INTEGER,
    held         INTEGER,
    unheld       INTEGER,
    unheld_until INTEGER,
    above_window INTEGER,
    above        INTEGER,
    expires_at   INTEGER,
    returned     INTEGER,
    debt         INTEGER,
    late         INTEGER,
    refers_to    TEXT,
    model        TEXT,
    grant_number INTEGER,
    actor        TEXT,
    incarnation  INTEGER,
    seq          INTEGER,
    detail       TEXT
) STRICT;

-- Every index also orders by position, which is the row's number.
CREATE INDEX ledger_team ON ledger (team);
CREATE INDEX ledger_member ON ledger (team, member);
CREATE INDEX ledger_subscription ON ledger (subscription);
CREATE INDEX ledger_id ON ledger (id) WHERE id IS NOT NULL;
CREATE UNIQUE INDEX ledger_seq ON ledger (seq) WHERE seq IS NOT NULL;
