"""The verifier: answers "is this true?" from what this node holds of every nation's log.

I hear the trust, status and registrations streams of all nations, my own included. I say nothing on the bus. A question is
answered from my replica: no network call, nothing written, nobody told; how many were asked is a metric and nothing more.

Read in this order: domain (facts that touch many credentials at once), commands (a question), repository (facts as they are
stored), replica (what is known of one origin, in one reading), handlers, views, api, consumer, settings, app.
"""
