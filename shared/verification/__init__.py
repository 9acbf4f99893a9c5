"""Is this true? The eleven steps that answer it, the same for the issuer who rehearses and the verifier who answers.

Everything here is pure: what is known is handed in, nothing is fetched, nothing is written, nobody is called. Read in
this order:

1. `verdict`    the vocabulary: outcomes, the eleven step names, and the table from reasons to verdicts, as data
2. `policy`     what an institution may set: how old knowledge may be, which warnings count harder
3. `presented`  step 0's work: bytes to a token and what it says
4. `context`    what is known about the origin, and the case that the steps look at
5. `steps`      the steps, a file for each group of them
6. `verify`     all of them, in order, to a `Report` (`report`); and the issuer's rehearsal

`sealed` is the same question about a sealed Europass file, which another exchange vouches for.
"""
