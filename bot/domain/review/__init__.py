"""Reviews: who may decide, what two people must agree on, and when a reminder is due."""
