"""A proof as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from rlsguard.prove.model import Observation, Proof
from rlsguard.prove.report.summary import count, tables

# What XML 1.0 cannot hold at all: https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(proof: Proof) -> str:
    """Return one test suite for each table, and one for the ways around; what was not tried is a skipped test."""
    root = ElementTree.Element("testsuites", name="rlsguard prove", time=f"{proof.seconds:.3f}")
    for table in tables(proof):
        cells = [cell for (t, _, _), cell in proof.cells.items() if t == table]
        suite = _suite(root, str(table), cells)
        for cell in cells:
            _case(suite, cell)
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name="ways around",
        tests=str(max(1, len(proof.ways_around))),
        failures=str(len(proof.ways_around)),
        skipped="0",
    )
    if not proof.ways_around:
        ElementTree.SubElement(suite, "testcase", classname="ways around", name="none found in the catalog")
    for way in proof.ways_around:
        case = ElementTree.SubElement(suite, "testcase", classname="ways around", name=_clean(way.about))
        failure = ElementTree.SubElement(case, "failure", type=way.check, message=_clean(way.why))
        failure.text = _clean(f"{way.why}\n{way.mend}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, name: str, cells: list[Observation]) -> ElementTree.Element:
    counts = count(cells)
    return ElementTree.SubElement(
        root,
        "testsuite",
        name=_clean(name),
        tests=str(len(cells)),
        failures=str(counts["leaked"] + counts["over-blocked"]),
        skipped=str(counts["not tried"] + counts["empty"] + counts["closed"]),
    )


def _case(suite: ElementTree.Element, cell: Observation) -> None:
    name = _clean(f"{cell.role}: {cell.path}")
    case = ElementTree.SubElement(suite, "testcase", classname=_clean(str(cell.table)), name=name)
    match cell.verdict:
        case "leaked" | "over-blocked":
            failure = ElementTree.SubElement(case, "failure", type=cell.verdict, message=_clean(cell.detail))
            failure.text = _clean(cell.detail)
        case "not tried" | "empty" | "closed":
            ElementTree.SubElement(case, "skipped", message=_clean(f"{cell.verdict}: {cell.detail}"))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
