"""A proof as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

from xml.etree import ElementTree

from rlsguard.prove.model import Observation, Proof
from rlsguard.prove.report.summary import count, tables
from rlsguard.xmltext import clean


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
        case = ElementTree.SubElement(suite, "testcase", classname="ways around", name=clean(way.about))
        failure = ElementTree.SubElement(case, "failure", type=way.check, message=clean(way.why))
        failure.text = clean(f"{way.why}\n{way.mend}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, name: str, cells: list[Observation]) -> ElementTree.Element:
    counts = count(cells)
    return ElementTree.SubElement(
        root,
        "testsuite",
        name=clean(name),
        tests=str(len(cells)),
        failures=str(counts["leaked"] + counts["over-blocked"]),
        skipped=str(counts["not tried"] + counts["empty"] + counts["closed"]),
    )


def _case(suite: ElementTree.Element, cell: Observation) -> None:
    name = clean(f"{cell.role}: {cell.path}")
    case = ElementTree.SubElement(suite, "testcase", classname=clean(str(cell.table)), name=name)
    match cell.verdict:
        case "leaked" | "over-blocked":
            failure = ElementTree.SubElement(case, "failure", type=cell.verdict, message=clean(cell.detail))
            failure.text = clean(cell.detail)
        case "not tried" | "empty" | "closed":
            ElementTree.SubElement(case, "skipped", message=clean(f"{cell.verdict}: {cell.detail}"))
