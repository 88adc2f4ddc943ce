"""The data map: YAML in, a frozen `DataMap` out, every error with file, line and column."""

from rlsguard.datamap.document import json_schema
from rlsguard.datamap.load import digest, load
from rlsguard.datamap.model import DataMap

__all__ = ["DataMap", "digest", "json_schema", "load"]
