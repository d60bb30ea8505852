"""How long a test waits before it says that it hangs."""

GIVE_UP_SECONDS = 120
"""No machine is so busy that anything here takes as long: a bound of no behaviour, only of waiting."""
