"""The HTTP floor: how a request comes in, and the only way out.

1. `app`            the factory; `service_floor` opens what an app stands on
2. `limits`         what is refused before any of our code looks; `observed` is around every request
3. `strict`         the body, read strictly; `command` is its shape; `problems` is every refusal
4. `auth`           who may; `ratelimit` how often
5. `request_transaction`  the one transaction of a request, with `idempotency`
6. `paging`         long lists; `conditional` requests
7. `health`         what operators point at; `operations` what they look at
8. `outgoing`       the only way out
9. `server`         what serves an app
"""
