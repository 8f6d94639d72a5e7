-- rates: the version of the rate card that priced it, or that prices a hold's settle; 16 hexadecimal digits.
ALTER TABLE ledger ADD COLUMN rates text;
ALTER TABLE holds  ADD COLUMN rates text;

CREATE OR REPLACE VIEW entries AS
SELECT position, at, kind, team, member, payer, subscription, id,
       credits * 0.000001 AS credits, window_start, spent * 0.000001 AS spent, refunded * 0.000001 AS refunded,
       held * 0.000001 AS held, unheld * 0.000001 AS unheld, unheld_until, above_window, above * 0.000001 AS above,
       expires_at, returned * 0.000001 AS returned, debt * 0.000001 AS debt, late, refers_to, model, grant_number,
       actor, sidecar, incarnation, seq, detail, rates
FROM ledger;
