"""Shell commands as the terminal's verifier reads them: pure functions over text and effects."""
