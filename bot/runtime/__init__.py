"""Makes every object, starts, stops and watches it: factory, workers, clock, health, metrics, backups, doctor."""
