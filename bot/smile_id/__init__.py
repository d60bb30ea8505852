"""Smile ID's v1 server-to-server API, as far as Biometric KYC needs it.

`client` makes the calls, `package` the zip, `signature` signs and checks, `wire` reads what comes in,
`refusals` knows the documented error codes. What a result *means* is the domain's business.
"""
