"""What the methods that change channels share."""
