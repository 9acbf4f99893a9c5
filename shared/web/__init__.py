"""The HTTP floor: how a request comes in, and the only way out.

Read in this order.
In: app.py (the factory), limits.py and observed.py (around every request), strict.py and command.py (the body), problems.py
(every refusal), auth.py with scopes.py, authorities.py and keysets.py (who may), ratelimit.py, door.py with idempotency.py
(the one transaction of a request), paging.py, conditional.py, health.py.
Out: fetch.py, with outbound.py and addresses.py.
Underneath: serve.py and wire.py.
"""
