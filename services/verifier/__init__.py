"""The verifier: answers "is this true?" from what this node holds of every node's log.

It receives the trust, status and registrations streams of all nodes, its own included, and emits nothing. A question is
answered from its replica: without a network call, a write or a message to others. How many were asked is a metric.

Read in this order:

1. `settings`    how long knowledge is fresh, and what a verifier may be asked
2. `domain`      facts that touch many credentials at once; `commands`, a question
3. `repository`  facts as they are stored; `replica`, what is known of one origin, in one reading
4. `context`     what questions are answered with
5. `handlers`    one function for each question and each kind of event; `views`, the answers
6. `api`         the routes; `consumer`, the events
7. `app`         puts them together
"""
