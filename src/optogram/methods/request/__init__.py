"""What every method is asked, and what it answers from."""
