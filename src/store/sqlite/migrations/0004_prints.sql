-- prints: of each position of a stretch of 1024, from number << 10 on, what its entry may be found by, in eight bytes: two each for
-- the team, the member, the subscription and the id. The program fills in those of entries that are there already.
DROP INDEX ledger_team;
DROP INDEX ledger_subscription;
DROP INDEX ledger_id;
CREATE TABLE stretches (
    number INTEGER PRIMARY KEY,
    prints BLOB    NOT NULL
) STRICT;
