"""The bus on Kafka. Read in this order:

1. `url`           a cluster's address, read into what the client libraries want to know
2. `bus`           what fulfils the port: its `producer` (appending), its `consumer` (places and order) over a
                   `reader` (fetching)
3. `connection`    one client that opens with the first question and heals by itself; `errors` says what went wrong in
                   our words
4. `cluster`       what is asked of the cluster about topics and groups
5. `admin`         setting a cluster up: topics, settings, access control; `mirror_maker` writes the mirror's
                   configuration
"""
