"""Names of columns that look as if they held something about a person, by the taxonomy of the data map."""

from __future__ import annotations

import re
from functools import cache

from rlsguard.datamap.references import data_categories

# Leaves of the taxonomy that say nothing where they stand alone: a branch has a city, a product a language.
_VAGUE = {
    "account", "address", "authorization", "behavior", "biometric", "childrens", "city", "contact", "content", "cookie",
    "country", "demographic", "device", "financial", "first", "fraud", "genetic", "health", "immigration", "imprecise",
    "language", "last", "location", "name", "organization", "payment", "precise", "private", "profile", "pseudonymous",
    "public", "sensor", "settings", "social", "state", "street", "telemetry", "url", "voice", "workplace", "record_id",
    "postal_code",
}  # fmt: skip
# As people write them, by the category that they are of.
_SPELLINGS = {
    "user.name.first": ("first_name", "firstname", "given_name", "forename", "full_name"),
    "user.name.last": ("last_name", "lastname", "surname", "family_name", "maiden_name"),
    "user.contact.email": ("e_mail", "email_address"),
    "user.contact.phone_number": ("phone", "telephone", "mobile", "phone_no", "mobile_number", "mobile_no"),
    "user.contact.address": ("home_address", "postal_address", "street_address", "mailing_address"),
    "user.demographic.date_of_birth": ("birth_date", "birthdate", "birthday", "dob", "born_on", "birth_number"),
    "user.demographic.gender": ("sex",),
    "user.demographic": ("nationality",),
    "user.financial.bank_account": ("iban", "bank_account_number"),
    "user.financial.credit_card": ("card_number", "pan", "card_holder", "cardholder"),
    "user.financial": ("salary", "income", "credit_score"),
    "user.government_id": ("ssn", "social_security_number", "tax_id", "passport", "passport_no", "national_id"),
    "user.government_id.drivers_license_number": ("drivers_license", "driving_licence"),
    "user.device.ip_address": ("ip", "client_ip"),
}
# What may follow such a name without making it something else, as email_sent_at is.
_AFTER = {"hash", "hashed", "enc", "encrypted", "normalized", "normalised", "text", "raw", "clear", "masked", "last"}


def category(column: str) -> str | None:
    """Return the data category that the name of a column looks like; None for names that say nothing."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", column).lower()
    words = re.sub(r"(?<=[a-z])(?=\d+$)", "_", words)
    parts = [part for part in re.split(r"[^a-z0-9]+", words) if part]
    while len(parts) > 1 and (parts[-1] in _AFTER or parts[-1].isdecimal()):
        parts.pop()
    for length in range(min(len(parts), 4), 0, -1):
        found = _known().get("_".join(parts[-length:]))
        if found is not None:
            return found
    return None


@cache
def _known() -> dict[str, str]:
    known = {spelling: key for key, spellings in _SPELLINGS.items() for spelling in spellings}
    for key in data_categories():
        *above, leaf = key.split(".")
        if above[:1] == ["user"] and leaf not in _VAGUE:
            known.setdefault(leaf, key)
    return known
