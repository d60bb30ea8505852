"""Smile ID's word becomes the state of a check: `callbacks` and `polling` receive it, `settlement` rules on it."""
