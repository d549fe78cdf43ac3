"""A search engine over a corpus: the index, the world, and the tasks of the project's own corpus."""
