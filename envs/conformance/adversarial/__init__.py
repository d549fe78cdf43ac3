"""Adversarial search: expert actions changed by rule, to find what verifiers wrongly accept and wrongly reject."""
