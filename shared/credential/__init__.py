"""What a micro-credential is: its words, its parts, its eleven mandatory elements, and what makes them agree.

Everything here is pure: no store, no bus, no clock. Read in this order:

1. `vocabulary`      countries, languages, fields of education, national levels, controlled lists: facts with their source
2. `text`            the kinds of text a credential holds, and their limits
3. `parts`           holder, awarding body, workload, level, assessment, ...
4. `model`           `MicroCredential`, made of those parts
5. `levels`          a national level or a Bologna cycle as an EQF level; `duration` ISO 8601 durations
6. `completeness`    which of the sixteen elements are there
7. `coherence`       whether what is there agrees with itself, by a policy
8. `written`         from a file that a person wrote to a draft; `shorthand` what a person may leave out of it
9. `draft`           from a draft to a `MicroCredential`, or every fault at once, in the words of `faults`
10. `offer`          what is said before anybody has earned it; `offering` reads one, and drafts a credential from it
11. `stack`          what a larger credential says of its parts, and their rule; `stacking` what they are worth together
"""
