"""Where documents live. Read `port` (what a store promises) and `queries` (what every adapter asks of a question), then
`open` (from a URL to a store), then an adapter: the folder `sqlite` or `mongo`. `walk`
reads a whole collection, a page at a time; `copy` carries a store into another; `compare` says whether two hold the same.
"""
