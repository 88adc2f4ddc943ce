"""Small databases with data maps, made up by Hypothesis."""
