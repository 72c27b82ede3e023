"""The relevance interpreter: what each step owes to what it read, by a rule per kind of step."""
