"""The notifier: tells those who asked what became of credentials and institutions, at home and abroad.

I hear registrations, changes of status, accreditations and their withdrawals of every nation. I say nothing on the bus.
What I hear becomes one delivery for each subscription that it concerns, in the transaction in which I heard it; a delivery
is a webhook (Standard Webhooks 1.0), tried until it is taken or its schedule has ended.

Promise: at least once, always under the same `webhook-id`, so that a receiver which remembers ids is told exactly once.

Read in this order: domain, commands, repository, views, handlers, channels/webhook, delivery, api, consumer, settings, app.
"""
