"""A proof on a copy: schema, roles and a sample of rows, with real logins and real commits."""

from rlsguard.prove.clone.run import prove_on_copy

__all__ = ["prove_on_copy"]
