"""Migrations read before they are run: which of their statements would weaken the guard. Needs no database.

What reads SQL (pglast, GPLv3) is an extra, imported in this package only and by nothing that other commands use.
"""
