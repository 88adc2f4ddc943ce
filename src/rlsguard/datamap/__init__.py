"""The data map: YAML in, a frozen `DataMap` out, every error with file, line and column."""
