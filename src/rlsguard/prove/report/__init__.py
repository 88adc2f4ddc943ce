"""The outcome of a proof, for people and for programs."""

from rlsguard.prove.report.html import html
from rlsguard.prove.report.junit import junit
from rlsguard.prove.report.plain import plain
from rlsguard.prove.report.text import text

__all__ = ["html", "junit", "plain", "text"]
