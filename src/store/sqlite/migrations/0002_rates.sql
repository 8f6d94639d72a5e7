-- rates: the version of the rate card that priced it, or that prices a hold's settle; 16 hexadecimal digits.
ALTER TABLE ledger ADD COLUMN rates TEXT;
ALTER TABLE holds  ADD COLUMN rates TEXT;
