"""Who read what: the server's log with pgaudit's lines in it, read into evidence."""
