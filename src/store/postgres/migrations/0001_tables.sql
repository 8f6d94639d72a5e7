-- Credits are whole micro-credits (1 credit = 1 000 000) in bigint, times are timestamptz of whole
-- milliseconds. Ids compare byte by byte (COLLATE "C"), as purser orders them. See docs/store-postgres.md.

-- Which store this is, and whether it may have forgotten what it lent. One row.
CREATE TABLE root (
    one        boolean NOT NULL PRIMARY KEY CHECK (one),
    generation bigint  NOT NULL,
    identity   text    NOT NULL,
    evidence   boolean NOT NULL,
    config     bigint  NOT NULL,
    limited    bigint  NOT NULL
);

-- last: the last entry of its journal that the ledger has.
CREATE TABLE sidecars (
    id          uuid        NOT NULL PRIMARY KEY,
    incarnation bigint      NOT NULL,
    nonce       uuid        NOT NULL,
    before      uuid        NOT NULL,
    last        bigint      NOT NULL CHECK (last >= 0),
    host        text        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('open', 'closed', 'quarantined', 'written_off')),
    generation  bigint      NOT NULL,
    beat        bigint      NOT NULL,
    config      bigint      NOT NULL,
    synced_at   timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE subscriptions (
    id                text COLLATE "C" NOT NULL PRIMARY KEY,
    owner             text COLLATE "C" NOT NULL UNIQUE,
    plan              text             NOT NULL,
    status            text             NOT NULL CHECK (status IN ('active', 'canceled')),
    seats             bigint           NOT NULL CHECK (seats >= 0),
    credits_per_seat  bigint           NOT NULL CHECK (credits_per_seat >= 0),
    anchor            timestamptz      NOT NULL,
    rollover_cap      bigint,
    rollover_windows  bigint           NOT NULL CHECK (rollover_windows >= 0),
    private_workflows boolean          NOT NULL,
    save_history      boolean          NOT NULL,
    model_whitelist   boolean          NOT NULL,
    team              text COLLATE "C",
    next_grant        bigint           NOT NULL,
    epoch             bigint           NOT NULL,
    changed_by        bigint           NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX subscriptions_changed_by ON subscriptions (changed_by);

CREATE TABLE grants (
    subscription text COLLATE "C" NOT NULL REFERENCES subscriptions (id),
    number       bigint           NOT NULL,
    kind         text             NOT NULL CHECK (kind IN ('rollover', 'monthly', 'purchased')),
    purchase     text             NOT NULL,
    origin       timestamptz      NOT NULL,
    credits      bigint           NOT NULL CHECK (credits >= 0),
    burned       bigint           NOT NULL CHECK (burned BETWEEN 0 AND credits),
    opened       bigint           NOT NULL CHECK (opened >= 0),
    expires_at   timestamptz,
    PRIMARY KEY (subscription, number)
) WITH (fillfactor = 70);

-- burns: what it has burned of which grant, oldest burn first, as JSON [[number, micro-credits], ...].
CREATE TABLE accounts (
    subscription text COLLATE "C" NOT NULL REFERENCES subscriptions (id),
    window_start timestamptz      NOT NULL,
    window_end   timestamptz      NOT NULL CHECK (window_end > window_start),
    short_at     timestamptz      NOT NULL,
    burns        json             NOT NULL,
    PRIMARY KEY (subscription, window_start)
) WITH (fillfactor = 70);

-- What each sidecar was lent of an account and what came of it. All cumulative but held.
CREATE TABLE holders (
    subscription text COLLATE "C" NOT NULL,
    window_start timestamptz      NOT NULL,
    sidecar      uuid             NOT NULL,
    granted      bigint           NOT NULL CHECK (granted >= 0),
    spent        bigint           NOT NULL CHECK (spent >= 0),
    refunded     bigint           NOT NULL CHECK (refunded BETWEEN 0 AND spent),
    returned     bigint           NOT NULL CHECK (returned BETWEEN 0 AND granted),
    lost         bigint           NOT NULL CHECK (lost >= 0),
    forgiven     bigint           NOT NULL CHECK (forgiven BETWEEN 0 AND lost),
    owed         bigint           NOT NULL CHECK (owed >= 0),
    held         bigint           NOT NULL CHECK (held >= 0),
    until        timestamptz      NOT NULL,
    asked_at     timestamptz      NOT NULL,
    step         bigint           NOT NULL CHECK (step >= 0),
    PRIMARY KEY (subscription, window_start, sidecar)
) WITH (fillfactor = 70);

CREATE TABLE purchases (
    subscription text COLLATE "C" NOT NULL REFERENCES subscriptions (id),
    id           text COLLATE "C" NOT NULL,
    credits      bigint           NOT NULL CHECK (credits >= 0),
    expires_at   timestamptz,
    PRIMARY KEY (subscription, id)
);

-- whitelist_models: a JSON array of names.
CREATE TABLE teams (
    id                text COLLATE "C" NOT NULL PRIMARY KEY,
    name              text             NOT NULL,
    owner             text COLLATE "C" NOT NULL,
    subscription      text COLLATE "C",
    whitelist_enabled boolean          NOT NULL,
    whitelist_models  json             NOT NULL,
    seats_taken       bigint           NOT NULL CHECK (seats_taken >= 0),
    members           bigint           NOT NULL CHECK (members >= 0),
    epoch             bigint           NOT NULL,
    changed_by        bigint           NOT NULL
);

CREATE INDEX teams_changed_by ON teams (changed_by);

-- draw_limit: the most that the member may draw in one window; NULL: no limit.
CREATE TABLE members (
    team       text COLLATE "C" NOT NULL REFERENCES teams (id),
    member     text COLLATE "C" NOT NULL,
    role       text             NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    access     text             NOT NULL CHECK (access IN ('seat', 'credits', 'personal')),
    opted_out  boolean          NOT NULL,
    draw_limit bigint,
    removed    boolean          NOT NULL,
    epoch      bigint           NOT NULL,
    changed_by bigint           NOT NULL,
    PRIMARY KEY (team, member)
);

CREATE INDEX members_member ON members (member);
CREATE INDEX members_changed_by ON members (changed_by);

-- Members' limits as accounts. limited_since: the change of control that gave the limit.
CREATE TABLE member_funds (
    team          text COLLATE "C" NOT NULL,
    member        text COLLATE "C" NOT NULL,
    limited_since bigint           NOT NULL,
    PRIMARY KEY (team, member)
);

CREATE TABLE member_accounts (
    team         text COLLATE "C" NOT NULL,
    member       text COLLATE "C" NOT NULL,
    window_start timestamptz      NOT NULL,
    window_end   timestamptz      NOT NULL CHECK (window_end > window_start),
    short_at     timestamptz      NOT NULL,
    PRIMARY KEY (team, member, window_start)
);

-- What each sidecar was lent of a limit, and what the member drew through it.
CREATE TABLE member_holders (
    team         text COLLATE "C" NOT NULL,
    member       text COLLATE "C" NOT NULL,
    window_start timestamptz      NOT NULL,
    sidecar      uuid             NOT NULL,
    granted      bigint           NOT NULL CHECK (granted >= 0),
    spent        bigint           NOT NULL CHECK (spent >= 0),
    refunded     bigint           NOT NULL CHECK (refunded BETWEEN 0 AND spent),
    returned     bigint           NOT NULL CHECK (returned BETWEEN 0 AND granted),
    lost         bigint           NOT NULL CHECK (lost >= 0),
    forgiven     bigint           NOT NULL CHECK (forgiven BETWEEN 0 AND lost),
    owed         bigint           NOT NULL CHECK (owed >= 0),
    held         bigint           NOT NULL CHECK (held >= 0),
    until        timestamptz      NOT NULL,
    asked_at     timestamptz      NOT NULL,
    step         bigint           NOT NULL CHECK (step >= 0),
    PRIMARY KEY (team, member, window_start, sidecar)
) WITH (fillfactor = 70);

-- scope: 'team:ID' or 'user:ID', within which the hold's id is unique at its sidecar.
CREATE TABLE holds (
    sidecar      uuid             NOT NULL,
    scope        text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    team         text COLLATE "C",
    member       text COLLATE "C" NOT NULL,
    payer        text             NOT NULL CHECK (payer IN ('pool', 'wallet')),
    subscription text COLLATE "C" NOT NULL,
    window_start timestamptz      NOT NULL,
    credits      bigint           NOT NULL CHECK (credits >= 0),
    expires_at   timestamptz      NOT NULL,
    model        text COLLATE "C",
    content      bigint           NOT NULL,
    held_at      timestamptz      NOT NULL,
    PRIMARY KEY (sidecar, scope, id)
);
