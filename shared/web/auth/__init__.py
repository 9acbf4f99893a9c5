"""Who may do what. Read `bearer` (a token, a scope for each verb, a bucket for each caller), `scopes` (what a token
may allow), then `authorities` (whose access tokens are taken) and `keysets` (by which keys).
"""
