"""Tab completion: what is offered for each parameter, and the scripts for the shells."""
