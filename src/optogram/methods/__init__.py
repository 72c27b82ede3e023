"""The methods: one a file, one function each, named after its paper."""
