"""Bad maps without a database: the exact words, and the place, of everything that is wrong."""

# Messages stay whole, so that they can be searched for.
# ruff: noqa: E501

from __future__ import annotations

from pathlib import Path

import pytest

from rlsguard import datamap
from rlsguard.problems import MapError, RlsguardError

# The start of a good map, which ends in line 9; what a case is about then begins in line 10.
HEAD = """\
version: 1
subjects:
  client: {table: bank.client, key: client_id}
purposes:
  marketing: {}
  servicing: {opt_out: false}
roles:
  campaign_app: [marketing]
tables:
"""

# What is not YAML at all.
NOT_YAML = {
    "a tab for indentation": (
        "version: 1\npurposes:\n\tmarketing: {}\n",
        ["3:1: this is not YAML: while scanning for the next token, found character '\\t' that cannot start any token"],
    ),
    "a mapping that does not end": (
        """\
version: 1
purposes: {marketing: {}
""",
        ["3:1: this is not YAML: while parsing a flow mapping, expected ',' or '}', but got '<stream end>'"],
    ),
    "a list that does not end": (
        """\
version: 1
roles:
  a: [marketing
exempt: {}
""",
        ["4:7: this is not YAML: while parsing a flow sequence, expected ',' or ']', but got ':'"],
    ),
    "indented by one instead of two": (
        """\
version: 1
purposes:
  marketing: {}
 analytics: {}
""",
        ["4:2: this is not YAML: this does not fit the lines above it; is it indented as they are?"],
    ),
    "a quoted text that does not end": (
        """\
version: 1
purposes:
  marketing: {description: "x}
""",
        ["4:1: this is not YAML: while scanning a quoted scalar, found unexpected end of stream"],
    ),
    "two colons in a line": (
        """\
version: 1
purposes:
  marketing: {description: a: b}
""",
        ["3:29: this is not YAML: while parsing a flow mapping, expected ',' or '}', but got ':'"],
    ),
    "text that begins with @": (
        """\
version: 1
purposes: @x
""",
        ["2:11: this is not YAML: while scanning for the next token, found character '@' that cannot start any token"],
    ),
    "an alias of nothing": (
        """\
version: 1
purposes: *nowhere
""",
        ["2:11: this is not YAML: found undefined alias 'nowhere'"],
    ),
    "a tag with an unknown handle": (
        """\
version: 1
purposes:
  marketing: !e!x {}
""",
        ["3:14: this is not YAML: while parsing a node, found undefined tag handle '!e!'"],
    ),
    "a version of YAML that there is not": (
        """\
%YAML 3.0
---
version: 1
""",
        ["1:1: this is not YAML: found incompatible YAML document (version 1.* is required)"],
    ),
    "a zero byte": (
        "version: 1\npurposes:\n  marketing: {description: a\u0000b}\n",
        ["3:29: this is not YAML: it has the character U+0000"],
    ),
    "a control character": (
        "version: 1\npurposes:\n  marketing: {description: a\u0007b}\n",
        ["3:29: this is not YAML: it has the character U+0007"],
    ),
    "nested three thousand deep": (
        f"""\
version: 1
roles: {"[" * 3000 + "]" * 3000}
""",
        ["1:1: this is not a data map: it is nested too deeply"],
    ),
}

# What is YAML, but no data map.
NOT_A_MAP = {
    "empty": (
        "",
        ["1:1: the file is empty"],
    ),
    "only a comment": (
        "# nothing\n",
        ["1:1: the file is empty"],
    ),
    "only null": (
        "~\n",
        ["1:1: the file is empty"],
    ),
    "only ---": (
        "---\n",
        ["1:1: the file is empty"],
    ),
    "a list": (
        "- version: 1\n",
        ["1:1: a data map is a mapping that begins with version: 1"],
    ),
    "a text": (
        "hello\n",
        ["1:1: a data map is a mapping that begins with version: 1"],
    ),
    "a number": (
        "1\n",
        ["1:1: a data map is a mapping that begins with version: 1"],
    ),
    "two documents": (
        """\
version: 1
---
version: 1
""",
        ["3:1: one YAML document a file, please: here begins another"],
    ),
}

# What YAML has and data maps do not.
NOT_READ = {
    "a section twice": (
        """\
version: 1
purposes:
  marketing: {}
version: 1
""",
        ["4:1: version: the key version is here twice; the first is in line 1"],
    ),
    "an entry twice": (
        """\
version: 1
purposes:
  marketing: {}
  analytics: {}
  marketing: {opt_out: false}
""",
        ["5:3: purposes.marketing: the key marketing is here twice; the first is in line 3"],
    ),
    "a key twice in braces": (
        """\
version: 1
purposes: {marketing: {opt_out: true, opt_out: false}}
""",
        ["2:39: purposes.marketing.opt_out: the key opt_out is here twice; the first is in line 2"],
    ),
    "an anchor": (
        """\
version: 1
purposes:
  marketing: &m {}
""",
        ["3:14: purposes.marketing: YAML anchors are not read: write the value out where it is needed"],
    ),
    "an alias": (
        """\
version: 1
purposes:
  marketing: &m {}
  analytics: *m
""",
        [
            "3:14: purposes.analytics: YAML aliases are not read: write the value out where it is needed",
            "3:14: purposes.marketing: YAML anchors are not read: write the value out where it is needed",
            "4:3: purposes.analytics: this must be a mapping of names to values, not nothing",
        ],
    ),
    "an alias inside its own anchor": (
        """\
version: 1
roles:
  a: &a [*a]
""",
        [
            "3:6: roles.a.0: YAML aliases are not read: write the value out where it is needed",
            "3:6: roles.a: YAML anchors are not read: write the value out where it is needed",
            "3:6: roles.a.0: this must be text, not nothing",
        ],
    ),
    "an anchor on a key": (
        """\
version: 1
purposes:
  &k marketing: {}
""",
        ["3:3: purposes: YAML anchors are not read: write the value out where it is needed"],
    ),
    "a merge key": (
        """\
version: 1
purposes:
  marketing: {<<: {opt_out: false}}
""",
        ["3:15: purposes.marketing: YAML merge keys (<<) are not read: write the value out where it is needed"],
    ),
    "a tag that would make an object": (
        """\
version: 1
purposes: !!python/object:os.system {}
""",
        ["2:11: purposes: YAML tags are not read: !!python/object:os.system"],
    ),
    "a tag that would run a command": (
        """\
version: 1
purposes:
  marketing: {description: !!python/object/apply:os.system [ls]}
""",
        [
            "3:15: purposes.marketing.description: this must be text, not a list",
            "3:28: purposes.marketing.description: YAML tags are not read: !!python/object/apply:os.system",
        ],
    ),
    "tags of plain types": (
        """\
version: !!int "1"
purposes:
  marketing: {description: !!str 12}
""",
        [
            "1:1: version: this must be the number 1: no other version of the format is known",
            "1:10: version: YAML tags are not read: !!int",
            "3:28: purposes.marketing.description: YAML tags are not read: !!str",
        ],
    ),
    "a tag on a key": (
        """\
version: 1
purposes:
  !secret marketing: {}
""",
        ["3:3: purposes: YAML tags are not read: !secret"],
    ),
    "binary": (
        """\
version: 1
purposes:
  marketing: {description: !!binary aGk=}
""",
        ["3:28: purposes.marketing.description: YAML tags are not read: !!binary"],
    ),
    "a zero byte written as an escape": (
        """\
version: 1
purposes:
  marketing: {description: "a\\0b"}
""",
        [
            "3:15: purposes.marketing.description: this must be text, not nothing",
            "3:28: purposes.marketing.description: text cannot have the character U+0000",
        ],
    ),
    "a zero byte in a role": (
        """\
version: 1
roles:
  "a\\0b": [m]
""",
        ["3:3: roles: text cannot have the character U+0000"],
    ),
    "a lone surrogate": (
        """\
version: 1
purposes:
  marketing: {description: "\\ud800"}
""",
        [
            "3:15: purposes.marketing.description: this must be text, not nothing",
            "3:28: purposes.marketing.description: text cannot have the character U+D800",
        ],
    ),
    "a lone surrogate in a role": (
        """\
version: 1
roles:
  "\\ud800": [m]
""",
        ["3:3: roles: text cannot have the character U+D800"],
    ),
    "a lone surrogate in a path": (
        HEAD + '  \'bank.client\': {holds: [personal], subject: {client: "\\"\\ud800\\""}}\n',
        [
            "10:48: tables.bank.client.subject.client: a path is a column, or a list of hops that ends in a column",
            "10:56: tables.bank.client.subject.client: text cannot have the character U+D800",
        ],
    ),
    "a list as a key": (
        """\
version: 1
roles:
  [a, b]: [m]
""",
        ["3:3: roles: a key must be plain text"],
    ),
    "nothing as a key": (
        """\
version: 1
roles:
  : [m]
""",
        ["3:3: roles.: a role's name has 1 to 63 bytes", "3:6: roles..0: there is no purpose m"],
    ),
}

# The version.
VERSIONS = {
    "no version": (
        "purposes: {}\n",
        ["1:1: the key version is missing"],
    ),
    "version 2": (
        "version: 2\n",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
    "version as text": (
        "version: '1'\n",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
    "version 1.0": (
        "version: 1.0\n",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
    "version true": (
        "version: true\n",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
    "version nothing": (
        "version:\n",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
    "version with fifty digits": (
        f"""\
version: {"9" * 50}
""",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
    "version with five thousand digits": (
        f"""\
version: {"9" * 5000}
""",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
    "version in hexadecimal": (
        "version: 0x1\n",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
    "version as a list": (
        "version: [1]\n",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
    "version infinity": (
        "version: .inf\n",
        ["1:1: version: this must be the number 1: no other version of the format is known"],
    ),
}

# Unknown and missing keys.
KEYS = {
    "an unknown section, nearly right": (
        """\
version: 1
subject: {}
""",
        ["2:1: subject: there is no key subject here; did you mean subjects?"],
    ),
    "an unknown section": (
        """\
version: 1
zones: {}
""",
        [
            "2:1: zones: there is no key zones here; keys: version, subjects, purposes, roles, exempt, tables, waivers, guard"
        ],
    ),
    "an unknown key of a subject": (
        """\
version: 1
subjects:
  client: {tabel: bank.client, key: client_id}
""",
        [
            "3:3: subjects.client: the key table is missing",
            "3:12: subjects.client.tabel: there is no key tabel here; did you mean table?",
        ],
    ),
    "an unknown key of a purpose": (
        """\
version: 1
purposes:
  marketing: {optout: false}
""",
        ["3:15: purposes.marketing.optout: there is no key optout here; did you mean opt_out?"],
    ),
    "an unknown key of a purpose that is called audit": (
        """\
version: 1
purposes:
  audit: {optout: false}
""",
        ["3:11: purposes.audit.optout: there is no key optout here; did you mean opt_out?"],
    ),
    "an unknown key of an exemption": (
        """\
version: 1
exempt:
  sox: {reason: law, untill: 2027-06-30}
""",
        ["3:22: exempt.sox.untill: there is no key untill here; did you mean until?"],
    ),
    "an unknown key of a table": (
        HEAD + "  bank.client: {holds: [personal], subjects: {client: client_id}}\n",
        [
            "10:3: tables.bank.client: the key subject is missing: whom are these rows about?",
            "10:36: tables.bank.client.subjects: there is no key subjects here; did you mean subject?",
        ],
    ),
    "an unknown key of the guard": (
        """\
version: 1
guard: {bypas: marker}
""",
        ["2:9: guard.bypas: there is no key bypas here; did you mean bypass?"],
    ),
    "an unknown key of an audit": (
        HEAD + "  bank.client: {holds: [personal], subject: {client: client_id}, audit: {redacted: [x]}}\n",
        ["10:74: tables.bank.client.audit.redacted: there is no key redacted here; did you mean redact?"],
    ),
    "no holds": (
        HEAD + "  bank.client: {subject: {client: client_id}}\n",
        ["10:3: tables.bank.client: the key holds is missing"],
    ),
    "no reason": (
        """\
version: 1
exempt:
  sox: {}
""",
        ["3:3: exempt.sox: the key reason is missing"],
    ),
    "yes, on and true as keys": (
        """\
version: 1
yes: 1
on: 2
true: 3
""",
        [
            "2:1: yes: there is no key yes here; keys: version, subjects, purposes, roles, exempt, tables, waivers, guard",
            "3:1: on: there is no key on here; keys: version, subjects, purposes, roles, exempt, tables, waivers, guard",
            "4:1: true: there is no key true here; keys: version, subjects, purposes, roles, exempt, tables, waivers, guard",
        ],
    ),
}

# Wrong types and wrong words.
TYPES = {
    "sections of the wrong type": (
        """\
version: 1
subjects: [client]
purposes: marketing
roles: 3
exempt: true
tables:
guard: []
""",
        [
            "2:1: subjects: this must be a mapping of names to values, not a list",
            "3:1: purposes: this must be a mapping of names to values, not marketing",
            "4:1: roles: this must be a mapping of names to values, not 3",
            "5:1: exempt: this must be a mapping of names to values, not true",
            "6:1: tables: this must be a mapping of names to values, not nothing",
            "7:1: guard: this must be a mapping of names to values, not a list",
        ],
    ),
    "entries of the wrong type": (
        """\
version: 1
subjects:
  client: bank.client
purposes:
  marketing:
roles:
  app: marketing
exempt:
  sox: [law]
tables:
  bank.client: personal
""",
        [
            "3:3: subjects.client: this must be a mapping of names to values, not bank.client",
            "5:3: purposes.marketing: this must be a mapping of names to values, not nothing",
            "7:3: roles.app: this must be a list, not marketing",
            "9:3: exempt.sox: this must be a mapping of names to values, not a list",
            "11:3: tables.bank.client: this must be a mapping of names to values, not personal",
        ],
    ),
    "values of the wrong type": (
        """\
version: 1
subjects:
  client: {table: 3, key: [client_id]}
purposes:
  marketing: {opt_out: yes, description: 12}
roles:
  app: [1, true]
exempt:
  sox: {reason: 404}
""",
        [
            "3:12: subjects.client.table: this must be text, not 3",
            "3:22: subjects.client.key: this must be text, not a list",
            "5:15: purposes.marketing.opt_out: this must be true or false, not yes",
            "5:29: purposes.marketing.description: this must be text, not 12",
            "7:9: roles.app.0: this must be text, not 1",
            "7:12: roles.app.1: this must be text, not true",
            "9:9: exempt.sox.reason: this must be text, not 404",
        ],
    ),
    "values of the wrong type in a table": (
        HEAD
        + """\
  bank.client:
    holds: personal
    subject: client_id
    joint: 1
    when_unknown: true
    existing_policies: [wake]
    columns: [birth_number]
    audit: 'yes'
""",
        [
            "11:5: tables.bank.client.holds: this must be a list, not personal",
            "12:5: tables.bank.client.subject: this must be a mapping of names to values, not client_id",
            "13:5: tables.bank.client.joint: this must be any or all, not 1",
            "14:5: tables.bank.client.when_unknown: this must be hide or show, not true",
            "15:5: tables.bank.client.existing_policies: this must be wake or keep_dormant, not a list",
            "16:5: tables.bank.client.columns: this must be a mapping of names to values, not a list",
            "17:5: tables.bank.client.audit: this must be true, false, or a mapping with redact and hash, not yes",
        ],
    ),
    "audit columns of the wrong type": (
        HEAD
        + "  bank.client: {holds: [personal], subject: {client: client_id}, audit: {redact: birth_number, hash: [1]}}\n",
        [
            "10:74: tables.bank.client.audit.redact: this must be a list, not birth_number",
            "10:103: tables.bank.client.audit.hash.0: this must be text, not 1",
        ],
    ),
    "a list of categories": (
        HEAD + "  bank.client: {holds: [personal], subject: {client: client_id}, columns: {birth_number: [user]}}\n",
        ["10:76: tables.bank.client.columns.birth_number: this must be text, not a list"],
    ),
    "no as false in YAML 1.1": (
        """\
%YAML 1.1
---
version: 1
purposes: {m: {opt_out: no}}
""",
        ["4:16: purposes.m.opt_out: this must be true or false, not no"],
    ),
    "a wrong word for joint": (
        HEAD + "  bank.client: {holds: [personal], subject: {client: client_id}, joint: some}\n",
        ["10:66: tables.bank.client.joint: this must be any or all, not some"],
    ),
    "a nearly right word for joint": (
        HEAD + "  bank.client: {holds: [personal], subject: {client: client_id}, joint: al}\n",
        ["10:66: tables.bank.client.joint: this must be any or all, not al; did you mean all?"],
    ),
    "a wrong word for when_unknown": (
        HEAD + "  bank.client: {holds: [personal], subject: {client: client_id}, when_unknown: hidden}\n",
        ["10:66: tables.bank.client.when_unknown: this must be hide or show, not hidden; did you mean hide?"],
    ),
    "a wrong word for existing_policies": (
        HEAD + "  bank.client: {holds: [personal], subject: {client: client_id}, existing_policies: keep}\n",
        ["10:66: tables.bank.client.existing_policies: this must be wake or keep_dormant, not keep"],
    ),
    "a wrong word for bypass": (
        """\
version: 1
guard: {bypass: markers}
""",
        ["2:9: guard.bypass: this must be attribute or marker, not markers; did you mean marker?"],
    ),
    "a wrong word in holds": (
        HEAD + "  bank.client: {holds: [persnal], subject: {client: client_id}}\n",
        ["10:25: tables.bank.client.holds.0: this must be personal or financial, not persnal; did you mean personal?"],
    ),
    "a date that there is not": (
        """\
version: 1
exempt:
  sox: {reason: law, until: 2027-02-30}
""",
        ["3:22: exempt.sox.until: this must be a date such as 2027-06-30, not 2027-02-30"],
    ),
    "a date in words": (
        """\
version: 1
exempt:
  sox: {reason: law, until: soon}
""",
        ["3:22: exempt.sox.until: this must be a date such as 2027-06-30, not soon"],
    ),
    "a date with a time": (
        """\
version: 1
exempt:
  sox: {reason: law, until: 2027-06-30T12:00:00Z}
""",
        ["3:22: exempt.sox.until: this must be a date such as 2027-06-30, not 2027-06-30T12:00:00Z"],
    ),
    "a date as a number": (
        """\
version: 1
exempt:
  sox: {reason: law, until: 20270630}
""",
        ["3:22: exempt.sox.until: this must be a date such as 2027-06-30, not 20270630"],
    ),
    "an empty reason": (
        """\
version: 1
exempt:
  sox: {reason: '  '}
""",
        ["3:9: exempt.sox.reason: this must not be empty"],
    ),
    "a waiver of something that is no finding": (
        """\
version: 1
waivers:
  publication feed: {reason: reviewed, owner: dba team, until: 2027-06-30}
  RG206: {reason: reviewed, owner: dba team, until: 2027-06-30}
  RG20 publication feed: {reason: reviewed, owner: dba team, until: 2027-06-30}
""",
        [
            "3:3: waivers.publication feed: publication feed is no finding that could be waived: that is its id and its object, as check prints them",
            "4:3: waivers.RG206: RG206 is no finding that could be waived: that is its id and its object, as check prints them",
            "5:3: waivers.RG20 publication feed: RG20 publication feed is no finding that could be waived: that is its id and its object, as check prints them",
        ],
    ),
    "a waiver that nobody answers for": (
        """\
version: 1
waivers:
  RG206 publication feed: {reason: reviewed, until: 2027-06-30}
  RG207 rule keep on bank.trans: {reason: '', owner: ' ', until: 2027-06-30}
""",
        [
            "3:3: waivers.RG206 publication feed: the key owner is missing",
            "4:35: waivers.RG207 rule keep on bank.trans.reason: this must not be empty",
            "4:47: waivers.RG207 rule keep on bank.trans.owner: this must not be empty",
        ],
    ),
    "a waiver without an end": (
        """\
version: 1
waivers:
  RG206 publication feed: {reason: reviewed, owner: dba team}
  RG207 rule keep on bank.trans: {reason: reviewed, owner: dba team, until: never}
""",
        [
            "3:3: waivers.RG206 publication feed: the key until is missing",
            "4:70: waivers.RG207 rule keep on bank.trans.until: this must be a date such as 2027-06-30, not never",
        ],
    ),
    "a waiver in words": (
        """\
version: 1
waivers:
  RG206 publication feed: reviewed
""",
        ["3:3: waivers.RG206 publication feed: this must be a mapping of names to values, not reviewed"],
    ),
}

# Names.
NAMES = {
    "a table without its schema": (
        HEAD + "  client: {holds: []}\n",
        ["10:3: tables.client: client lacks its schema: write public.client if it is there"],
    ),
    "a table in three parts": (
        HEAD + "  db.bank.client: {holds: []}\n",
        ["10:3: tables.db.bank.client: db.bank.client has too many parts: a table is schema.table"],
    ),
    "a table with a bare space": (
        HEAD + "  bank.my table: {holds: []}\n",
        ["10:3: tables.bank.my table: 'bank.my table' is not an SQL name; quoted, in YAML: 'bank.\"my table\"'"],
    ),
    "a table with a bare dash": (
        HEAD + "  bank.my-table: {holds: []}\n",
        ["10:3: tables.bank.my-table: 'bank.my-table' is not an SQL name; quoted, in YAML: 'bank.\"my-table\"'"],
    ),
    "a table with a quote that does not end": (
        HEAD + '  bank."order: {holds: []}\n',
        ["10:3: tables.bank.\"order: 'bank.\"order' is not an SQL name"],
    ),
    "a table with an empty part": (
        HEAD + "  bank.: {holds: []}\n",
        ["10:3: tables.bank.: 'bank.' is not an SQL name"],
    ),
    "a table with nothing in quotes": (
        HEAD + '  bank."": {holds: []}\n',
        ['10:3: tables.bank."": \'bank.""\' is not an SQL name'],
    ),
    "an empty table name": (
        HEAD + "  '': {holds: []}\n",
        ["10:3: tables.: '' is not an SQL name"],
    ),
    "a table of 64 bytes": (
        HEAD
        + f"""\
  bank.{"x" * 64}: {{holds: []}}
""",
        [f"10:3: tables.bank.{'x' * 64}: '{'x' * 64}' is longer than 63 bytes"],
    ),
    "a table of the system": (
        HEAD + "  pg_catalog.pg_class: {holds: []}\n",
        ["10:3: tables.pg_catalog.pg_class: schema pg_catalog cannot be mapped"],
    ),
    "a table of the guard": (
        HEAD + "  rlsguard.opt_out_event: {holds: []}\n",
        ["10:3: tables.rlsguard.opt_out_event: schema rlsguard cannot be mapped"],
    ),
    "a table in two spellings": (
        HEAD
        + """\
  bank.client: {holds: []}
  BANK.Client: {holds: []}
""",
        ["11:3: tables.BANK.Client: table bank.client is here twice; it is also written bank.client"],
    ),
    "a kind in upper case": (
        """\
version: 1
subjects:
  Client: {table: bank.client, key: client_id}
""",
        ["3:3: subjects.Client: Client cannot be a kind of subject: lower-case letters, digits and _, at most 30"],
    ),
    "a purpose with a space": (
        """\
version: 1
purposes:
  Cross selling: {}
""",
        [
            "3:3: purposes.Cross selling: Cross selling cannot be a purpose: lower-case letters, digits, _, - and ., at most 63"
        ],
    ),
    "roles that cannot be mapped": (
        f"""\
version: 1
purposes: {{m: {{}}}}
roles:
  public: [m]
  pg_monitor: [m]
  rlsguard_owner: [m]
  '': [m]
  {"r" * 64}: [m]
exempt:
  none: {{reason: law}}
""",
        [
            "4:3: roles.public: role public cannot be mapped: it is not one that reads for a purpose",
            "5:3: roles.pg_monitor: role pg_monitor cannot be mapped: it is not one that reads for a purpose",
            "6:3: roles.rlsguard_owner: role rlsguard_owner cannot be mapped: it is not one that reads for a purpose",
            "7:3: roles.: a role's name has 1 to 63 bytes",
            f"8:3: roles.{'r' * 64}: a role's name has 1 to 63 bytes",
            "10:3: exempt.none: role none cannot be mapped: it is not one that reads for a purpose",
        ],
    ),
    "a subject's table without, its key with a schema": (
        """\
version: 1
subjects:
  client: {table: client, key: bank.client.id}
""",
        [
            "3:12: subjects.client.table: client lacks its schema: write public.client if it is there",
            "3:27: subjects.client.key: bank.client.id has too many parts: a column of this table is meant, by its bare name",
        ],
    ),
    "bad names of columns": (
        HEAD + "  bank.client: {holds: [], columns: {birth number: user}, audit: {redact: [a.b], hash: ['']}}\n",
        [
            "10:38: tables.bank.client.columns.birth number: 'birth number' is not an SQL name; quoted, in YAML: '\"birth number\"'",
            "10:76: tables.bank.client.audit.redact.0: a.b has too many parts: a column of this table is meant, by its bare name",
            "10:89: tables.bank.client.audit.hash.0: '' is not an SQL name",
        ],
    ),
}

# Subject paths.
PATHS = {
    "an empty path": (
        HEAD + "  bank.client: {holds: [personal], subject: {client: []}}\n",
        ["10:46: tables.bank.client.subject.client: a path is a column, or a list of hops that ends in a column"],
    ),
    "a path that ends in a hop": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: [account_id = bank.disp.account_id]}}\n",
        ["10:55: tables.bank.trans.subject.client.0: a path ends in the column that holds the key"],
    ),
    "a path that is only a hop": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: account_id = bank.disp.account_id}}\n",
        ["10:46: tables.bank.trans.subject.client: a path ends in the column that holds the key: write [hop, column]"],
    ),
    "a column where a hop belongs": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: [account_id, client_id]}}\n",
        ["10:55: tables.bank.trans.subject.client.0: 'account_id' is not a hop: write `here = schema.table.there`"],
    ),
    "a hop to a table without its schema": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: [account_id = disp.account_id, client_id]}}\n",
        [
            "10:55: tables.bank.trans.subject.client.0: disp.account_id is not a column of another table: write schema.table.there"
        ],
    ),
    "a hop to a column in four parts": (
        HEAD
        + "  bank.trans: {holds: [financial], subject: {client: [account_id = db.bank.disp.account_id, client_id]}}\n",
        [
            "10:55: tables.bank.trans.subject.client.0: db.bank.disp.account_id is not a column of another table: write schema.table.there"
        ],
    ),
    "a hop with ==": (
        HEAD
        + "  bank.trans: {holds: [financial], subject: {client: [account_id == bank.disp.account_id, client_id]}}\n",
        ["10:55: tables.bank.trans.subject.client.0: '= bank.disp.account_id' is not an SQL name"],
    ),
    "a key with its table": (
        HEAD
        + "  bank.trans: {holds: [financial], subject: {client: [account_id = bank.disp.account_id, bank.disp.client_id]}}\n",
        [
            "10:90: tables.bank.trans.subject.client.1: bank.disp.client_id has too many parts: a column of this table is meant, by its bare name"
        ],
    ),
    "a path that is a number": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: 7}}\n",
        ["10:46: tables.bank.trans.subject.client: a path is a column, or a list of hops that ends in a column"],
    ),
    "a path that is nothing": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: }}\n",
        ["10:46: tables.bank.trans.subject.client: a path is a column, or a list of hops that ends in a column"],
    ),
    "a path that is a mapping": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: {path: client_id}}}\n",
        ["10:46: tables.bank.trans.subject.client: write a path, or {paths: [...]} with at least one path"],
    ),
    "no path in paths": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: {paths: []}}}\n",
        ["10:46: tables.bank.trans.subject.client: write a path, or {paths: [...]} with at least one path"],
    ),
    "two wrong paths in paths": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: {paths: [a_id, [b = bank.b.b], []]}}}\n",
        ["10:70: tables.bank.trans.subject.client.paths.1.0: a path ends in the column that holds the key"],
    ),
    "joins of one hop to two tables": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: [[a = bank.x.a, b = bank.y.b], client_id]}}\n",
        ["10:55: tables.bank.trans.subject.client.0: the joins of one hop lead to different tables: bank.x and bank.y"],
    ),
    "a hop without joins": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: [[], client_id]}}\n",
        ["10:55: tables.bank.trans.subject.client.0: a hop is `here = schema.table.there`, or a list of such"],
    ),
    "a hop with a colon": (
        HEAD
        + "  bank.trans: {holds: [financial], subject: {client: [{account_id: bank.disp.account_id}, client_id]}}\n",
        ["10:55: tables.bank.trans.subject.client.0: a hop is `here = schema.table.there`, or a list of such"],
    ),
    "a hop to the system's tables": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: [a = pg_catalog.pg_class.oid, client_id]}}\n",
        ["10:55: tables.bank.trans.subject.client.0: schema pg_catalog cannot be mapped"],
    ),
    "a key with a bare space": (
        HEAD + "  bank.trans: {holds: [financial], subject: {client: client id}}\n",
        ["10:46: tables.bank.trans.subject.client: 'client id' is not an SQL name; quoted, in YAML: '\"client id\"'"],
    ),
    "two tables that lead over each other": (
        HEAD
        + """\
  bank.a: {holds: [financial], subject: {client: [b = bank.b.b, c]}}
  bank.b: {holds: [financial], subject: {client: [a = bank.a.a, c]}}
""",
        ["10:3: tables.bank.a: the paths go in a circle: bank.a -> bank.b -> bank.a"],
    ),
    "a table that leads over itself": (
        HEAD + "  bank.a: {holds: [financial], subject: {client: [parent = bank.a.id, c]}}\n",
        ["10:3: tables.bank.a: the paths go in a circle: bank.a -> bank.a"],
    ),
}

# What one part of a map says of another.
REFERENCES = {
    "an unknown purpose, nearly right": (
        """\
version: 1
purposes: {marketing: {}, analytics: {}}
roles:
  app: [marketng]
""",
        ["4:9: roles.app.0: there is no purpose marketng; did you mean marketing?"],
    ),
    "an unknown purpose": (
        """\
version: 1
purposes: {marketing: {}, analytics: {}}
roles:
  app: [zzz]
""",
        ["4:9: roles.app.0: there is no purpose zzz; there are: marketing, analytics"],
    ),
    "an unknown purpose where there is none": (
        """\
version: 1
roles:
  app: [marketing]
""",
        ["3:9: roles.app.0: there is no purpose marketing"],
    ),
    "a purpose twice": (
        """\
version: 1
purposes: {marketing: {}}
roles:
  app: [marketing, marketing]
""",
        ["4:20: roles.app.1: purpose marketing is here twice"],
    ),
    "a role without purposes": (
        """\
version: 1
purposes: {marketing: {}}
roles:
  app: []
""",
        ["4:3: roles.app: name at least one purpose, or leave the role out: it is then held to every opt-out"],
    ),
    "no and yes are only text": (
        """\
version: 1
purposes: {m: {}}
roles:
  no: [yes]
""",
        ["4:8: roles.no.0: there is no purpose yes; there are: m"],
    ),
    "an exemption that never counts": (
        """\
version: 1
purposes: {marketing: {}}
roles:
  app: [marketing]
exempt:
  app: {reason: law}
""",
        ["6:3: exempt.app: this has no effect: app also reads for marketing, and is held to its opt-outs"],
    ),
    "an unknown kind of subject": (
        HEAD + "  bank.client: {holds: [personal], subject: {clent: client_id}}\n",
        ["10:46: tables.bank.client.subject.clent: there is no subject clent; did you mean client?"],
    ),
    "an unknown data category, nearly right": (
        HEAD
        + "  bank.client: {holds: [personal], subject: {client: client_id}, columns: {birth_number: user.demografic}}\n",
        [
            "10:76: tables.bank.client.columns.birth_number: there is no data category user.demografic; did you mean user.demographic?"
        ],
    ),
    "an unknown data category": (
        HEAD + "  bank.client: {holds: [personal], subject: {client: client_id}, columns: {birth_number: zzz}}\n",
        ["10:76: tables.bank.client.columns.birth_number: there is no data category zzz"],
    ),
    "personal data of nobody": (
        HEAD + "  bank.client: {holds: [personal]}\n",
        ["10:3: tables.bank.client: the key subject is missing: whom are these rows about?"],
    ),
    "a subject where nothing is held": (
        HEAD + "  bank.client: {holds: [], subject: {client: client_id}, joint: any}\n",
        [
            "10:28: tables.bank.client.subject: a table that holds nothing (holds: []) has no subject",
            "10:58: tables.bank.client.joint: a table that holds nothing (holds: []) has no joint",
        ],
    ),
    "no kind under subject": (
        HEAD + "  bank.client: {holds: [personal], subject: {}}\n",
        ["10:3: tables.bank.client: the key subject is missing: whom are these rows about?"],
    ),
    "many at once": (
        """\
version: 1
subjects:
  client: {table: client, key: client_id}
purposes:
  marketing: {optout: no}
roles:
  app: [marketng]
tables:
  bank.trans: {holds: [finance], subject: {clent: []}}
nonsense: 1
""",
        [
            "3:12: subjects.client.table: client lacks its schema: write public.client if it is there",
            "5:15: purposes.marketing.optout: there is no key optout here; did you mean opt_out?",
            "7:9: roles.app.0: there is no purpose marketng; did you mean marketing?",
            "9:24: tables.bank.trans.holds.0: this must be personal or financial, not finance; did you mean financial?",
            "9:44: tables.bank.trans.subject.clent: a path is a column, or a list of hops that ends in a column",
            "9:44: tables.bank.trans.subject.clent: there is no subject clent; did you mean client?",
            "10:1: nonsense: there is no key nonsense here; keys: version, subjects, purposes, roles, exempt, tables, waivers, guard",
        ],
    ),
}

BAD = {**NOT_YAML, **NOT_A_MAP, **NOT_READ, **VERSIONS, **KEYS, **TYPES, **NAMES, **PATHS, **REFERENCES}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD)
def test_a_bad_map(tmp_path: Path, text: str, expected: list[str]) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    assert complaints(file) == [f"{file}:{line}" for line in expected]


def complaints(path: Path) -> list[str]:
    """Return the lines of the error that loading *path* ends in."""
    with pytest.raises(MapError) as caught:
        datamap.load(path)
    lines = [str(problem) for problem in caught.value.problems]
    assert str(caught.value) == "\n".join(lines)
    return lines


def test_bytes_that_are_not_utf8_are_told_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_bytes("version: 1\r\n# Käse ".encode() + b"K\xe4se\n")
    assert complaints(file) == [f"{file}:2:9: this is not UTF-8: byte 0xE4"]
    file.write_bytes("version: 1\n".encode("utf-16"))
    assert complaints(file) == [f"{file}:1:1: this is not UTF-8: byte 0xFF"]


def test_files_that_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "version: 1\npurposes: {marketing: {}}\nroles:\n  app: [marketing]\nguard: {bypass: marker}\n"
    )
    (tmp_path / "b.yml").write_text(
        "version: 2\npurposes: {marketing: {}}\nroles:\n  App: [marketng]\n  app: []\nguard: {bypass: attribute}\n"
    )
    first, second = tmp_path / "a.yaml", tmp_path / "b.yml"
    assert complaints(tmp_path) == [
        f"{second}:1:1: version: this contradicts {first}:1:1",
        f"{second}:2:12: purposes.marketing: marketing is also in {first}:2:12",
        f"{second}:4:9: roles.App.0: there is no purpose marketng; did you mean marketing?",
        f"{second}:5:3: roles.app: app is also in {first}:4:3",
        f"{second}:6:1: guard: this contradicts {first}:5:1",
    ]


def test_every_file_of_a_folder_is_told_of_in_order(tmp_path: Path) -> None:
    for name, text in {
        "c.yaml": "",
        "a.yaml": "version: 1\npurposes: [\n",
        "b.yaml": "tables:\n  client: {holds: []}\n",
        "d.yaml": "tables:\n  bank.client: {holds: []}\n",
        "e.yaml": "tables:\n  Bank.Client: {holds: []}\n",
    }.items():
        (tmp_path / name).write_text(text)
    assert complaints(tmp_path) == [
        f"{tmp_path}/a.yaml:3:1: this is not YAML: while parsing a flow node, "
        "expected the node content, but found '<stream end>'",
        f"{tmp_path}/b.yaml:1:1: the key version is missing",
        f"{tmp_path}/b.yaml:2:3: tables.client: client lacks its schema: write public.client if it is there",
        f"{tmp_path}/c.yaml:1:1: the file is empty",
        f"{tmp_path}/e.yaml:2:3: tables.Bank.Client: table bank.client is here twice; it is also written bank.client",
    ]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(RlsguardError, match=r"/map\.yaml: No such file or directory$"):
        datamap.load(tmp_path / "map.yaml")
    with pytest.raises(RlsguardError, match=r": there is no \*\.yaml file in this folder$"):
        datamap.load(tmp_path)


def test_circles_are_found_at_once_among_many_tables(tmp_path: Path) -> None:
    # Each table leads over all later ones: the number of ways through them doubles with each table.
    names = [f"bank.t{number}" for number in range(60)]
    lines = [
        f"  {name}: {{holds: [personal], subject: {{client: [{', '.join(f'a = {o}.a' for o in after)}, a]}}}}\n"
        for number, name in enumerate(names)
        if (after := names[number + 1 :] or names[-2:-1])
    ]
    file = tmp_path / "map.yaml"
    file.write_text(HEAD + "".join(lines))
    assert complaints(file) == [
        f"{file}:68:3: tables.bank.t58: the paths go in a circle: bank.t58 -> bank.t59 -> bank.t58"
    ]
