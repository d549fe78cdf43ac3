"""The software-engineering domain."""
