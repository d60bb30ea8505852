"""Makes every object, starts, stops and watches it: factory, workers, clock, metrics, backups, doctor."""
