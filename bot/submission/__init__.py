"""Submits accepted checks to Smile ID: `worker` makes the passes, the other modules are its steps."""
