"""Smile ID. `interface` is all that the rest of the bot imports; the composition root makes `v1`, which implements it.

Behind it: `client` makes the calls, `package` the zip, `signature` signs and checks, `wire` reads what comes in,
`refusals` knows the documented error codes.
"""
