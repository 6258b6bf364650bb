"""deploy/prometheus and deploy/grafana: PromQL that parses, of metrics and labels that there are; every alert has its section of the run-book, and every such word there is an alert's."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import promql_parser as promql
import pytest
import yaml

from tests.support.deploy_files import DEPLOY, ROOT, yaml_documents

ALERTS = yaml_documents(DEPLOY / "prometheus/alerts.yaml")[0]
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
RUNBOOK = (ROOT / "docs/runbook.md").read_text("utf-8")
OURS_ELSEWHERE = {
    "up": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
    "process_resident_memory_bytes": set(),
    "process_cpu_seconds_total": set(),
}
TARGET = {"job", "instance"}


def documented() -> dict[str, set[str]]:
    """Each metric of docs/metrics.md, which tests/house holds to the code, with its labels. Histograms have three names more."""
    known: dict[str, set[str]] = dict(OURS_ELSEWHERE)
    for line in (ROOT / "docs/metrics.md").read_text("utf-8").splitlines():
        if line.startswith("| `weft_"):
            for name, labels in re.findall(r"`(weft_\w+)(?:\{([\w,]+)\})?`", line.split(" | ")[0]):
                known[name] = set(labels.split(",")) if labels else set()
                if "| histogram" in line:
                    known |= {
                        f"{name}_{part}": known[name] | ({"le"} if part == "bucket" else set())
                        for part in ("bucket", "sum", "count")
                    }
    return known


KNOWN = documented()


def dashboard() -> dict:
    return json.loads((DEPLOY / "grafana/weft.json").read_text("utf-8"))


def panels() -> Iterator[dict]:
    for panel in dashboard()["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queries() -> list[tuple[str, str]]:
    """(where, PromQL) of all that is shipped."""
    found = [(rule["alert"], rule["expr"]) for rule in RULES]
    found += [(panel["title"], target["expr"]) for panel in panels() for target in panel.get("targets", [])]
    return found


def nodes(node: object) -> Iterator[object]:
    yield node
    for attribute in ("expr", "lhs", "rhs", "param", "vector_selector"):
        below = getattr(node, attribute, None)
        if below is not None and type(below).__module__ == type(node).__module__:
            yield from nodes(below)
    for argument in getattr(node, "args", None) or ():
        yield from nodes(argument)


def plain(text: str) -> str:
    """Grafana's variables, as something that PromQL can read."""
    return text.replace("$__rate_interval", "5m").replace('"$job"', '".+"').replace('"$instance"', '".+"')


# ── Queries ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("where", "text"), queries(), ids=lambda value: value if len(value) < 40 else "")
def test_a_query_is_promql_of_metrics_and_labels_that_there_are(where, text):
    parsed = promql.parse(plain(text))
    selectors = [node for node in nodes(parsed) if isinstance(node, promql.VectorSelector)]
    assert selectors
    assert len(selectors) == len(re.findall(r"\b(?:weft_|process_)\w+|\bup\b", text)), "the walk has seen them all"
    for selector in selectors:
        assert selector.name in KNOWN, selector.name
        wanted = {matcher.name for matcher in selector.matchers.matchers}
        assert wanted <= KNOWN[selector.name] | TARGET, (selector.name, wanted)
    labels = set().union(*(KNOWN[selector.name] for selector in selectors)) | TARGET
    grouped = {label for names in re.findall(r"\b(?:by|on) \(([\w, ]+)\)", text) for label in names.split(", ")}
    assert grouped <= labels


@pytest.mark.parametrize(
    "text", ["sum(rate(weft_requests_total[5m])", "rate(weft_requests_total)", "weft_origin_up = 0", "sum by origin (up)"]
)
def test_what_is_no_promql_is_noticed(text):
    with pytest.raises(ValueError, match=r".+"):
        promql.parse(text)


def test_values_of_labels_are_words_of_the_code():
    """Reasons, outcomes and kinds that a query names stand on a page that tests/house compares with the code."""
    pages = ("metrics", "proxy", "cache", "esi", "redis", "operations")
    lines = [line for page in pages for line in (ROOT / f"docs/{page}.md").read_text("utf-8").splitlines()]
    words = {word for line in lines for word in re.findall(r"`([^`]+)`", line)}
    for where, text in queries():
        for label, values in re.findall(r'\b(reason|outcome|kind|cache|what)(?:=|!=|=~|!~)"([^"]+)"', text):
            missing = [value for value in values.split("|") if value not in words]
            assert not missing, (where, label, missing)


# ── Alerts ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def headings() -> dict[str, str]:
    """anchor → text of the section, of docs/runbook.md."""
    parts = re.split(r"^#{2,3} (.+)$", RUNBOOK, flags=re.MULTILINE)[1:]
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-"): text
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_a_section_that_names_it(rule):
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert page == "docs/runbook.md"
    assert f"`{rule['alert']}`" in headings()[anchor]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))


def test_the_run_book_names_no_alert_that_there_is_not():
    assert set(re.findall(r"`(Weft[A-Z]\w+)`", RUNBOOK)) == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_what_a_summary_shows_is_there_to_be_shown(rule):
    """A label that the query has summed away would be shown as nothing."""
    shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    summed = re.findall(r"^\s*(?:sum|min|max|histogram_quantile\([\d.]+, sum) by \(([\w, ]+)\)", rule["expr"])
    metrics = [node for node in nodes(promql.parse(rule["expr"])) if isinstance(node, promql.VectorSelector)]
    there = set(summed[0].split(", ")) if summed else KNOWN[metrics[0].name] | TARGET
    assert shown <= there


def test_the_rules_can_be_wrapped_for_the_operator():
    """By the command in docs/deploying.md, without what it is piped into."""
    (command,) = re.findall(
        r"^\$ (\(printf .*alerts\.yaml\)) \| kubectl", (ROOT / "docs/deploying.md").read_text("utf-8"), re.MULTILINE
    )
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)

    wrapped = yaml.safe_load(done.stdout)
    assert (wrapped["apiVersion"], wrapped["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert wrapped["spec"] == ALERTS


# ── Dashboard ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_dashboard_can_be_imported():
    board = dashboard()
    assert board["title"]
    assert board["uid"]
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "job", "instance"]
    identities = [panel["id"] for panel in panels()]
    assert len(set(identities)) == len(identities)


def test_every_panel_has_a_place_of_its_own_and_says_its_unit():
    taken = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert all('job=~"$job"' in target["expr"] for target in panel["targets"]), panel["title"]


def test_the_dashboard_shows_every_part():
    shown = {name for _, text in queries()[len(RULES) :] for name in re.findall(r"weft_[a-z0-9]+", text)}
    families = {"_".join(name.split("_")[:2]) for name in KNOWN if name.startswith("weft_")}
    assert families - {"weft_build", "weft_spans"} <= shown
