"""Every kind of finding. An id is never given again, nor to something else."""

from __future__ import annotations

from rlsguard.check.model import Kind

# The guard is not what the map asks for.
UNAPPLIED = Kind("RG101", "error", "the map asks for it, and it was never applied")
OUTDATED = Kind("RG102", "error", "the map asks for something else than was applied")
REPLACED_TABLE = Kind("RG103", "error", "a table was made anew under the name of a protected one")
ROW_SECURITY = Kind("RG104", "error", "row level security is off, or not forced")
POLICY_MISSING = Kind("RG105", "error", "a policy of the guard is gone")
POLICY_CHANGED = Kind("RG106", "error", "a policy of the guard was changed")
VIEW_MISSING = Kind("RG107", "error", "a view that policies ask is gone")
VIEW_CHANGED = Kind("RG108", "error", "a view that policies ask was changed")
FUNCTION_MISSING = Kind("RG109", "error", "a function of the guard is gone")
FUNCTION_CHANGED = Kind("RG110", "error", "a function of the guard was changed")
TRIGGER_MISSING = Kind("RG111", "error", "a trigger of the guard is gone")
TRIGGER_CHANGED = Kind("RG112", "error", "a trigger of the guard was changed or switched off")
TABLE_MISSING = Kind("RG113", "error", "a table of the guard is gone")
TABLE_CHANGED = Kind("RG114", "error", "a table of the guard was changed")
ROLE_CHANGED = Kind("RG115", "error", "a role of the guard is gone or was changed")
SCHEMA_CHANGED = Kind("RG116", "error", "a schema of the guard is gone or was changed")
RIGHT_MISSING = Kind("RG117", "error", "the guard lacks a right that it needs")
STRANGER = Kind("RG118", "error", "something in the guard's schemas, or on its tables, is not the guard's")
MAP_ROWS = Kind("RG119", "error", "the rows that the guard has of the map are others than the map's")
STATE = Kind("RG120", "error", "the state that policies ask is not what the ledger says")
NOT_IN_MAP = Kind("RG121", "warning", "a guarded table is no longer in the map")
MANIFEST = Kind("RG122", "error", "the manifest was changed along with the object that it is about")
GUARD_OWNER = Kind("RG123", "error", "something of the guard's belongs to somebody else")
PARTITION_TRIGGER = Kind("RG124", "error", "the audit of a partition is switched off")
UNFIT = Kind("RG125", "error", "the map does not fit the database")
LEDGER = Kind("RG126", "error", "entries of the ledger are not what was recorded")
BUILT_IN = Kind("RG127", "error", "a function that the server was made with was replaced")
MANIFEST_ROW = Kind("RG128", "error", "the manifest has a row that nobody asks for")
OWN_ROW = Kind("RG129", "error", "a row that the guard goes by is gone or was changed")

# Ways around the guard.
VIEW = Kind("RG201", "error", "a view reads as somebody whom no policy holds")
MATERIALISED_VIEW = Kind("RG202", "error", "a materialised view keeps copies of protected rows")
PARTITION = Kind("RG203", "error", "a partition, parent or child of a protected table leads past its policies")
POLICY_ORDER = Kind("RG204", "error", "a policy is asked before the guard's")
FOREIGN_TABLE = Kind("RG205", "error", "a foreign table leads back to a protected one")
PUBLICATION = Kind("RG206", "error", "a publication sends protected rows")
RULE = Kind("RG207", "error", "a rule reads or copies protected rows")
DEFINER = Kind("RG208", "error", "a SECURITY DEFINER function reads as somebody who is held to less")
LEAKPROOF = Kind("RG209", "error", "a function is marked LEAKPROOF")
CODE_OF_OTHERS = Kind("RG210", "error", "protected tables run code that is not their owner's")
PRIVILEGE = Kind("RG211", "error", "a right that policies do not govern")
ROLE = Kind("RG212", "error", "a role of the map is held by no policy")
EXEMPT_MEMBER = Kind("RG213", "error", "a role is exempt by membership only")
MEMBER = Kind("RG214", "error", "a role can become one that no policy holds")
PREDEFINED_ROLE = Kind("RG215", "error", "a role is a member of a predefined role that reads past policies")
AUDITOR = Kind("RG216", "error", "a role that is held to opt-outs reads the audit of changes")
ROLE_SETTING = Kind("RG217", "error", "a setting of a role or database weakens the guard")
SERVER_FUNCTION = Kind("RG218", "error", "a role may call functions that read the server's files")
STATISTICS = Kind("RG219", "error", "a role reads the planner's statistics")
PARAMETER = Kind("RG220", "error", "a role may set what switches triggers or the audit off")
PREPARED = Kind("RG221", "error", "a prepared transaction waits to change the guard")
BYPASSER = Kind("RG222", "error", "a login that no policy holds, and that the map does not exempt")
REPLICATOR = Kind("RG223", "warning", "a login may copy the whole server, and the map does not exempt it")

# Data about people outside the map.
UNMAPPED = Kind("RG301", "error", "a table leads to people, and is not in the map")

# The audit of reads.
AUDIT_OFF = Kind("RG401", "warning", "reads of protected tables are not recorded as they were set up to be")

# What could not be looked at is never a pass.
NOT_COMPARED = Kind("RG901", "warning", "definitions could not be compared independently")
NOT_LOOKED = Kind("RG902", "error", "the login may not see what would have to be looked at")

# Waivers.
WAIVER_EXPIRED = Kind("RG951", "error", "a waiver has run out")
WAIVER_UNUSED = Kind("RG952", "warning", "a waiver covers nothing")

# What a migration would do, told by `rlsguard lint` before it is run.
ROW_SECURITY_OFF = Kind("RG501", "error", "row level security would be off, or not forced")
POLICY = Kind("RG502", "error", "a policy of the guard would go or change, or another be asked before it")
PERMISSIVE = Kind("RG503", "warning", "a permissive policy would stand beside the guard's")
TRIGGER = Kind("RG504", "error", "triggers of the guard or of foreign keys would be off")
OWNER = Kind("RG505", "error", "a protected table would belong to somebody else")
BY_HAND = Kind("RG506", "error", "something of the guard's would be changed by hand")
ATTRIBUTE = Kind("RG507", "error", "a role would be held by no policy")
MEMBERSHIP = Kind("RG508", "error", "a role could become one that is held to less, or that sees past policies")
RECORDER = Kind("RG509", "note", "a role would be let into a role of the guard's")
OWNERS_VIEW = Kind("RG510", "error", "a view would read protected rows as its owner")
KEPT = Kind("RG511", "error", "a materialised view would keep copies of protected rows")
COPY = Kind("RG512", "error", "protected rows would be copied to where no policy is")
OWNERS_FUNCTION = Kind("RG513", "error", "a SECURITY DEFINER function would read protected rows as its owner")
NOT_SAID = Kind("RG514", "error", "the map does not say what a new table or column holds")
NAMED = Kind("RG515", "error", "what the map names would go, or be called otherwise")
CASCADE = Kind("RG516", "error", "CASCADE would take along what policies ask")
ASTRAY = Kind("RG517", "error", "rows could come to lead to other people, or to nobody")
EMPTIED = Kind("RG518", "error", "rows would be removed without a policy being asked")
UNGUARDED = Kind("RG519", "error", "a partition, parent or child of a protected table would be without the guard")
SENT = Kind("RG520", "error", "a publication would send protected rows")
GRANTED = Kind("RG521", "error", "a right that policies do not govern would be granted")
NEW_READER = Kind("RG522", "warning", "a role that the map does not name would get at a protected table")
MARKED_LEAKPROOF = Kind("RG523", "error", "a function would be marked LEAKPROOF")
NEW_RULE = Kind("RG524", "error", "a rule would act on protected rows")
SETTING = Kind("RG525", "error", "a setting would weaken the guard or the audit of reads")
NEW_CAST = Kind("RG526", "error", "a cast would decide how keys of opt-outs are read")
LOOP = Kind("RG527", "error", "a foreign table would lead back to a protected one")
CATALOG = Kind("RG528", "error", "the server's catalog would be written by hand")
CLAIMED = Kind("RG529", "error", "a migration would change the guard, and says that rlsguard wrote it")
NOT_READ = Kind("RG590", "note", "a statement cannot be read before it is run")

_ALL = [kind for kind in list(globals().values()) if isinstance(kind, Kind)]
# What check finds, and what lint does.
KINDS: dict[str, Kind] = {kind.id: kind for kind in _ALL if not kind.id.startswith("RG5")}
LINT: dict[str, Kind] = {kind.id: kind for kind in _ALL if kind.id.startswith("RG5")}
