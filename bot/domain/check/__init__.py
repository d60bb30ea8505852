"""The check itself: its states and moves, what a request must hold, its photos, what of it may be displayed."""
