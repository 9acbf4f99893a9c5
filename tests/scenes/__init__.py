"""What tests share: whole nodes, brokers and situations, set up once and told in the words of the tests. No test is here."""
