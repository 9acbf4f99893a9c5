"""Cohorts: many learners of one course, from one file, issued as one job.

A cohort is one file of learners and a template, the draft that all of them share. It is checked whole, and refused whole
where any row has a fault: nothing is half-issued. What is accepted is stored encrypted, each row under the key that becomes
its credential's, so erasing reaches it before and after; then a worker issues it in chunks.

Read `columns` (what a column may name), `tables` and `sheets` (the kinds of files), `reading` (a file to rows), `template`
(a row to a draft), then domain, commands, repository, `checking`, handlers, worker, api.
"""
