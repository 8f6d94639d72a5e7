-- A lender of blocks beside this store has a row like a sidecar's, and a holder's in each account that it is lent
-- a block of; see docs/decisions/0012-blocks.md.

-- lender: the lender that is lent blocks; all zero: none.
ALTER TABLE root ADD COLUMN lender uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';

ALTER TABLE sidecars DROP CONSTRAINT sidecars_state_check;
ALTER TABLE sidecars ADD CONSTRAINT sidecars_state_check
    CHECK (state IN ('open', 'closed', 'quarantined', 'written_off', 'lender', 'burned'));

-- borrowed: what of granted came out of blocks, in all.
ALTER TABLE holders        ADD COLUMN borrowed bigint NOT NULL DEFAULT 0 CHECK (borrowed >= 0);
ALTER TABLE member_holders ADD COLUMN borrowed bigint NOT NULL DEFAULT 0 CHECK (borrowed >= 0);
