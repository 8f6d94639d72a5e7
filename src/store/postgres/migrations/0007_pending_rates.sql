-- rates: the version of the rate card that priced a settle that another sidecar was asked for; its `settled` entry names it.
ALTER TABLE pending ADD COLUMN rates text;
