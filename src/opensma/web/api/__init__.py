"""The HTTP API under `/api/v1`: the portal's figures as JSON, for programs with a token.

Money in whole cents, quantities and prices in millionths, days as ISO text: the unit is in the
name. Rights are those of the token's user, narrowed by its scopes; what is not theirs is answered
like what is not there. `docs/openapi.json` describes it, `opensma.client` calls it.
"""
