-- Each index begins with the stretch of 4096 positions that an entry is in, so that what is appended comes into the few pages
-- of the newest stretch, however many teams, members and ids there are.
DROP INDEX ledger_team;
DROP INDEX ledger_member;
DROP INDEX ledger_subscription;
DROP INDEX ledger_id;
CREATE INDEX ledger_team ON ledger (position >> 12, team, member);
CREATE INDEX ledger_subscription ON ledger (position >> 12, subscription);
CREATE INDEX ledger_id ON ledger (position >> 12, id) WHERE id IS NOT NULL;
