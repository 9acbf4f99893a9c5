"""Cohorts: many learners of one course, from one file, issued as one job.

A cohort is one file of learners and a template, the draft that all of them share. All of it is checked first, and all of it
is refused where any row has a fault: nothing is half-issued. What is accepted is stored encrypted, each row under the key
that becomes its credential's, so erasing reaches it before and after; then a worker issues it in chunks.

1. `domain`      rows, faults and states; `commands`, what is asked and answered
2. `columns`     what a column may name; `tables` and `sheets`, the kinds of files; `reading`, from a file to rows
3. `template`    from a row to a draft
4. `repository`  how cohorts are stored
5. `checking`    whether one could be issued
6. `handlers`    one function for each command; `worker`, which issues what was accepted
7. `api`         the routes
"""
