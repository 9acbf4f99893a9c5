"""Commands about a node's Kafka: its `topics`, and the `mirror` to other nodes'."""
