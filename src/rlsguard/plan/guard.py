"""The guard's own fixed SQL files, and what each of them makes."""

from __future__ import annotations

from rlsguard.plan.model import GuardFile


def _table(*names: str) -> tuple[str, ...]:
    return tuple(o for name in names for o in (f"relation rlsguard.{name}", f"policy rlsguard.{name} guard"))


def _functions(*signatures: str) -> tuple[str, ...]:
    return tuple(f"function rlsguard.{signature}" for signature in signatures)


_LOG = ("log_epoch", "log_seal", "log_leaf", "log_node", "log_checkpoint")

GUARD_FILES = (
    GuardFile(
        "020_schema.sql",
        ("schema rlsguard", "schema rlsguard_views", *_functions("take_back(IN names name[])")),
    ),
    GuardFile("030_map.sql", _table("subject", "purpose", "role_purpose", "exemption")),
    GuardFile(
        "040_current_purpose.sql",
        (
            "relation rlsguard.current_purpose",
            *_functions("current_purposes()", "unknown(purpose text)", "this_transaction()"),
        ),
    ),
    GuardFile(
        "050_sight.sql",
        (
            *(f"relation {name}" for name in ("rlsguard.guard_only", "rlsguard.hop_like", "rlsguard_views.sight")),
            *_functions("refuse_blind()"),
        ),
    ),
    GuardFile(
        "055_expect.sql",
        _functions(
            "expect_policies(IN of_table regclass, IN row_security boolean, IN forced boolean, IN policies name[],"
            " IN let_past name)",
            "ending(purposes text[], subjects jsonb)",
            "reads_same(kind text, key_type text)",
            "same_people(of_table oid, key_number smallint, wanted text)",
            "expect_kept(IN purposes text[], IN subjects jsonb)",
        ),
    ),
    GuardFile(
        "060_ledger.sql",
        (
            *_table("opt_out_event", "erasure"),
            "sequence rlsguard.opt_out_event_id_seq",
            "sequence rlsguard.erasure_id_seq",
            "trigger rlsguard.opt_out_event append_only",
            "trigger rlsguard.opt_out_event erase_only",
            "trigger rlsguard.erasure append_only",
            *_functions("refuse_change()", "erase_only()", "erase_content_only()"),
        ),
    ),
    GuardFile(
        "070_opt_out.sql",
        _functions(
            "committed(salt bytea, field text, value text)",
            "event_payload(event rlsguard.opt_out_event)",
            "require_subject_kind(subject_kind text)",
            "require_purposes(purposes text[])",
            "record_events(action text, subject_kind text, keys text[], purposes text[], actors text[], "
            "reasons text[], contexts jsonb[], requested timestamp with time zone[])",
            "record_one(action text, subject_kind text, key text, purposes text[], actor text, reason text, "
            "context jsonb, requested_at timestamp with time zone)",
            "opt_out(subject_kind text, key text, purposes text[], actor text, reason text, context jsonb, "
            "requested_at timestamp with time zone)",
            "opt_in(subject_kind text, key text, purposes text[], actor text, reason text, context jsonb, "
            "requested_at timestamp with time zone)",
            "record_batch(action text, subject_kind text, keys text[], purposes text[], actors text[], "
            "reasons text[], contexts jsonb[], requested timestamp with time zone[])",
            "check_batch(subject_kind text, keys text[], purposes text[])",
            "order_batch(subject_kind text, keys text[], purposes text[])",
            "history(subject_kind text, key text)",
            "refusable_purposes()",
        ),
    ),
    GuardFile(
        "080_change_event.sql",
        (
            *_table("change_entry", "secret"),
            "sequence rlsguard.change_entry_id_seq",
            "trigger rlsguard.change_entry append_only",
            "trigger rlsguard.change_entry erase_only",
            "trigger rlsguard.secret append_only",
            "relation rlsguard.change_event",
            "relation rlsguard.own_rows",
            *_functions(
                "withhold(changed text, redact text[], hash text[])",
                "readable(said text)",
                "change_content(changed text)",
                "change_payload(id bigint, schema_name name, table_name name, table_oid oid, operation text, "
                "lines bigint, redacted text, hashed text, salt bytea, content text)",
                "hand_over_role()",
                "as_json(old_row anyelement, new_row anyelement)",
                "next_rows(of_cursor refcursor, OUT said text, OUT lines bigint)",
                "audit_change()",
                "audit_rows()",
            ),
        ),
    ),
    GuardFile(
        "082_erase.sql",
        _functions(
            "restate(entry bigint, without bigint[], erasure bigint)",
            "erase(subject_kind text, key text, with_key boolean, reason text, changes bigint[], lines bigint[], "
            "OUT entries integer, OUT changed_rows integer)",
        ),
    ),
    GuardFile(
        "083_retention.sql",
        (
            *_table("retention"),
            "sequence rlsguard.retention_id_seq",
            "trigger rlsguard.retention append_only",
            "trigger rlsguard.change_entry retired_only",
            *_functions("retired_only()", "retire(before timestamp with time zone, reason text, most integer)"),
        ),
    ),
    GuardFile(
        "085_log.sql",
        (
            *(o for name in _LOG for o in (*_table(name), f"trigger rlsguard.{name} append_only")),
            *_functions(
                "here()",
                "subtree_hash(hashes bytea[])",
                "open_epoch(reason text, published bytea)",
                "seal(OUT epoch integer, OUT size bigint, OUT sealed bigint)",
                "keep_checkpoint(epoch integer, size bigint, note bytea)",
            ),
        ),
    ),
    GuardFile(
        "090_manifest.sql",
        (
            *_table("manifest"),
            *_functions(
                "expect_found(IN made jsonb)",
                "forget(IN gone jsonb)",
                "note(IN made jsonb)",
                "lock_table(VARIADIC relations regclass[])",
            ),
        ),
    ),
)
