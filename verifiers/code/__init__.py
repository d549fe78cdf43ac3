"""Actions of coding agents and what they do to files: pure functions over text and effects."""
