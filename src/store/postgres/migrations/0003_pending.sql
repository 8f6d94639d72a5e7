-- What a sidecar has yet to enter because of what another one entered: a draw of its own to undo (void), or
-- the end of one that another sidecar was asked for. The row goes when its owner has said what came of it.
-- owner: all zeros while nobody is known to have entered the operation. heard: then, as JSON
-- [[SIDECAR, INCARNATION, BEAT], ...], who might yet tell that it did. by_sidecar, by_seq: the entry that
-- brought it about. scope: 'team:ID' or 'user:ID'.
CREATE TABLE pending (
    owner      uuid             NOT NULL,
    by_sidecar uuid             NOT NULL,
    by_seq     bigint           NOT NULL,
    scope      text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    what       text             NOT NULL CHECK (what IN ('void', 'settle', 'release', 'extend', 'refund')),
    reused     boolean          NOT NULL,
    credits    bigint           CHECK (credits >= 0),
    expires_at timestamptz,
    refund     text COLLATE "C",
    at         timestamptz      NOT NULL,
    heard      json             NOT NULL,
    PRIMARY KEY (owner, by_sidecar, by_seq)
);
