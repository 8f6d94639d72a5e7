-- A store that may have forgotten lends nothing until those are heard that it may have lent to.

-- hears_until: nothing is lent before this. put: the newest change that put a new subscription after such a loss.
ALTER TABLE root ADD COLUMN hears_until timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00Z';
ALTER TABLE root ADD COLUMN put bigint NOT NULL DEFAULT 0;

-- unknown: its last sync named a subscription that was not here; the first change that may have put it since.
ALTER TABLE sidecars ADD COLUMN unknown bigint NOT NULL DEFAULT 0;
