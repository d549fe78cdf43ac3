"""The parts of the search verifier: words, addresses, what an action asks, queries, answers."""
