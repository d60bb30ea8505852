"""ID types: which can be offered, what each needs, and the patterns of their numbers."""
