"""The notifier sends webhooks about what became of credentials and institutions, of all nodes, to those who subscribed.

It receives registrations, changes of status, accreditations and their withdrawals of every node, and emits nothing. An event
becomes one delivery for each subscription that it concerns, in the transaction in which it is received. A delivery is a
webhook (Standard Webhooks 1.0), tried until its receiver takes it or its schedule has ended.

Promise: at least once, always under the same `webhook-id`, so that a receiver that remembers ids takes each exactly once.

Read in this order: `domain`, `commands`, `records` (what is stored), `repository`, `views`, `handlers`, `channels`
(webhooks), `delivery` (the loop that sends), `settings`, `context`, `api`, `consumer`, `app`.
"""
