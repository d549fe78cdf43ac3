"""What a text says, as far as a rule can read it: facts, speech acts, wording. Verdicts: `verifiers.message_rule`."""
