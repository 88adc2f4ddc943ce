"""The live database as plain frozen data, read in one round trip per kind of object."""

from rlsguard.catalog.load import load

__all__ = ["load"]
