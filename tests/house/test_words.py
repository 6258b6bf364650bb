"""The documents use the code's words, all of them and no others: reasons, limits, metrics, settings; and what they point at is there."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from fragments import assembly
from fragments.esi import expression_parser, parser, patterns, values
from fragments.esi.elements import ELEMENTS
from gateway.__main__ import _COMMANDS
from gateway.app import build
from gateway.cache.plan import ForwardReason
from gateway.cache.policy import RULES, Reason
from gateway.commands.markup import survey
from gateway.composition.listening import figures_of_tls
from gateway.composition.tracing import figures_of_spans
from gateway.errors import Overloaded, UpstreamError
from gateway.flow.admission import Shed
from gateway.flow.purging import Target
from gateway.flow.rate_limits import RateLimited
from gateway.redis_link.troubles import COUNTED, Trouble
from gateway.semantics.certificate import Certificate
from gateway.settings import Settings
from gateway.settings.shape import leaves

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "docs/settings.md"
WRITTEN = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "loadtests").rglob("*.md")))
    if page != GENERATED
]
WORD = re.compile(r"`([^`]+)`")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def table(page: str, first_column: str) -> list[list[str]]:
    """The rows, cell by cell, of the tables whose first column has that heading."""
    rows: list[list[str]] = []
    inside = False
    for line in text_of(page).splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" |")]
        if not inside and cells[0] == first_column:
            inside = True
        elif inside and not set(line) <= set("|- "):
            rows.append(cells)
    assert rows, f"{page} has no table headed {first_column}"
    return rows


def words(page: str, first_column: str) -> set[str]:
    """What stands as `code` in the first column."""
    return {word for row in table(page, first_column) for word in WORD.findall(row[0])}


# ── What the code can say ────────────────────────────────────────────────────────────────────────────────────────────────────────


def calls(*folders: str, package: str = "gateway") -> Iterator[tuple[str, ast.Call]]:
    """(name of what is called, call) in a package's modules below the folders, "." for all."""
    for folder in folders:
        place = ROOT / package / folder
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    yield ast.unparse(node.func).rpartition(".")[2], node


def constants(node: ast.AST) -> set[str]:
    """The texts that an expression may come to; conditions are not looked at."""
    if isinstance(node, ast.IfExp):
        return constants(node.body) | constants(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value else set()


def refusals() -> tuple[set[str], set[str]]:
    """(all reasons of refusals, those that the listener counts)."""
    found: set[str] = set()
    counted: set[str] = set()
    for name, call in calls("."):
        reasons: set[str] = set()
        if name == "BadRequest":
            third = call.args[2:3] + [keyword.value for keyword in call.keywords if keyword.arg == "reason"]
            reasons = set().union(*map(constants, third)) if third else {"http_request_error"}
        elif name in {"refuse", "_refuse_silently"} and len(call.args) == 1:
            reasons = constants(call.args[0])
            counted |= reasons
        found |= reasons
    return found | {Overloaded.reason, RateLimited.reason}, counted


def upstream_reasons() -> set[str]:
    """Every reason that an UpstreamError can have."""
    found: set[str] = set()
    kinds = [UpstreamError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        if kind is not UpstreamError:
            found.add(kind.reason)
    names = {kind.__name__ for kind in kinds}
    spelled = re.compile(r"(?:dns|destination|connection|tls|http)_[a-z_]+")
    for name, call in calls("upstream"):
        if name in names:
            found |= {text for argument in call.args[1:] for text in constants(argument)}
    for name in ("_reason_of", "Why"):
        for file in ("upstream/dialer.py", "upstream/deadline.py"):
            for node in ast.walk(ast.parse((ROOT / "gateway" / file).read_text("utf-8"))):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
                    found |= {text for each in ast.walk(node) for text in constants(each) if spelled.fullmatch(text)}
    return found


def details() -> set[str]:
    """What the flow says in `detail` beside reasons."""
    found: set[str] = set()
    for name, call in calls("flow"):
        found |= {text for keyword in call.keywords if keyword.arg in {"detail", "stale"} for text in constants(keyword.value)}
        if name == "_stand_in":
            found |= {text for argument in call.args for text in constants(argument)}
    for file in sorted((ROOT / "gateway/flow").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("facts.detail"):
                found |= constants(node.value)
    return found


def assigned(file: str, name: str) -> set[str]:
    """The texts that a file assigns to something of that name."""
    return {
        text
        for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if ast.unparse(target).rpartition(".")[2] == name
        for text in constants(node.value)
    }


def fragment_reasons() -> set[str]:
    """Why an include may bring nothing, beside what can happen to any exchange."""
    found = assigned("gateway/flow/assembly/weaving.py", "broken")
    place = {"NotIncluded": 1, "failed": 0, "fail": 1, "append": 0, "_over_budget": 9}
    for folder, package in (("flow/assembly", "gateway"), ("assembly", "fragments")):
        for name, call in calls(folder, package=package):
            if name in place and len(call.args) > place[name]:
                argument = call.args[place[name]]
                if isinstance(argument, ast.IfExp):  # an error of ours, or the status that came
                    argument = argument.orelse
                if isinstance(argument, ast.JoinedStr):
                    found |= {f"{text}NNN" for text in constants(argument.values[0]) if text == "status_"}
                found |= {text for text in constants(argument) if re.fullmatch(r"[a-z]+(_[a-z]+)*", text)}
    return found


def problem_codes() -> set[str]:
    """Every code of a problem in a page's markup."""
    found: set[str] = set()
    for package, folder in (("fragments", "esi"), ("gateway", "flow")):
        for name, call in calls(folder, package=package):
            least = {"add": 4, "_report": 3, "report": 4, "EsiError": 3, "count_problem": 1}.get(name)
            if least is not None and len(call.args) >= least:
                found |= {text for text in constants(call.args[0]) if re.fullmatch(r"[a-z]+(-[a-z]+)*", text)}
    tree = ast.parse((ROOT / "fragments/esi/errors.py").read_text("utf-8"))
    found |= {
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).strip("()").startswith("code")
        for each in ast.walk(node.value)
        for text in constants(each)
    }
    return found


@pytest.fixture(scope="module")
def metric_names() -> set[str]:
    """Every name that a scrape can show, with its suffix."""
    settings = {"upstream": {"url": "http://127.0.0.1:1", "servers": ["http://127.0.0.1:2"]}, "log": {"file": "/dev/null"}}
    settings["rate_limits"] = {"visitors": {}}
    settings["origins"] = {"alone": {"url": "http://127.0.0.1:3"}}
    settings["redis"] = {"url": "redis://127.0.0.1:1"}
    gateway = build(Settings.model_validate(settings))
    gateway.metrics.cell("default", "GET", 200, "hit").add(0.1, 1)
    gateway.metrics.refuse("malformed")
    gateway.purger.purges["tag"] = 1
    gateway.loom.count("src")
    gateway.loom.count_problem("unknown-element")
    gateway.origins["alone"].failures["REASON"] = 1
    gateway.admission.count(Shed.REFUSED)
    keyring: Any = SimpleNamespace(held=[("shop.pem", Certificate((), 0, 0))])
    gateway.metrics.gauges.append(lambda: figures_of_tls({("TLSv1.3", False): 1}, keyring, 0.0))
    sink: Any = SimpleNamespace(outcomes=lambda: {"exported": 1})
    gateway.metrics.gauges.append(lambda: figures_of_spans(sink))
    registry = CollectorRegistry()
    registry.register(gateway.metrics)

    async def scrape() -> str:  # an origin's state needs the loop's clock
        return generate_latest(registry).decode()

    samples = re.findall(r"^(weft_\w+)", asyncio.run(scrape()), re.MULTILINE)
    parents = {
        f"{call.args[0].value}_total" if "counter" in map(ast.unparse, call.args) or len(call.args) == 4 else call.args[0].value
        for name, call in calls("processes")
        if name == "_row"
    }
    return {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in samples} | parents


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_cache_page_has_every_reason_not_to_store_and_no_other():
    assert words("docs/cache.md", "reason") == {reason.value for reason in Reason}


def test_the_reasons_stand_in_the_order_in_which_the_rules_are_asked():
    """A reason of several rules stands where the first of them is asked."""
    first = {reason: index for index, reason in reversed(list(enumerate(rule.reason.value for rule in RULES)))}
    documented = [WORD.findall(row[0])[0] for row in table("docs/cache.md", "reason")]
    asked = [reason for reason in documented if reason in first]
    assert asked == sorted(first, key=first.__getitem__)


def test_the_cache_page_has_every_reason_to_forward_and_no_other():
    assert words("docs/cache.md", "`fwd=`") == {reason.value for reason in ForwardReason}


def test_the_cache_page_has_every_other_detail_and_no_other():
    known = {reason.value for reason in Reason}
    assert words("docs/cache.md", "`detail`") == details() - known


def test_the_proxy_page_has_every_refusal_and_every_failure_of_an_origin_and_no_other():
    found, counted = refusals()
    assert counted < found
    assert not found & upstream_reasons()
    assert words("docs/proxy.md", "reason") == found | upstream_reasons()


def test_the_esi_page_has_every_problem_and_no_other():
    assert words("docs/esi.md", "code") == problem_codes()


def test_the_esi_page_has_every_reason_of_an_include_and_no_other():
    """Beside those of the proxy page, of which one is told on both."""
    assert words("docs/esi.md", "reason") == fragment_reasons() | {"host_not_allowed"}


def test_the_esi_page_has_every_outcome_of_an_include_and_no_other():
    rungs = {"src", "alt", "fallback"}  # one that brought something is the outcome
    assert words("docs/esi.md", "outcome") == rungs | assigned("fragments/assembly/assembler.py", "outcome")


def test_the_esi_page_has_every_element_and_attribute_and_no_other():
    named = {word for row in table("docs/esi.md", "element") for word in re.findall(r"<esi:([a-z]+)", row[0])}
    assert named == set(ELEMENTS)
    known = {(name, attribute) for name, each in ELEMENTS.items() for attribute in (*each.required, *each.optional)}
    told = {
        (element, attribute)
        for row in table("docs/esi.md", "attribute")
        for attribute in WORD.findall(row[0])
        for element in row[1].split(", ")
    }
    said_with_the_element = {(name, "name") for name in ("inline", "vars", "assign", "function")}
    assert told == known - said_with_the_element


def test_the_fixed_limits_of_the_esi_page_are_those_of_the_code():
    known: dict[str, int] = {**assembly.DEFAULT_BUDGET._asdict(), **parser.DEFAULT_LIMITS._asdict()}
    for module in (expression_parser, patterns, values):
        known |= {name: value for name, value in vars(module).items() if name.startswith("MAX_")}
    for names, figures in table("docs/esi.md", "limit"):
        shown = [int(figure.replace(",", "")) for figure in re.findall(r"[\d,]*\d(?= )", figures)]
        for name, figure in zip(WORD.findall(names), shown, strict=False):
            if "." not in name:
                assert known[name] == (figure * 2**20 if name == "octets" else figure), name


@pytest.mark.parametrize("block", re.findall(r"^```html\n(.*?)^```", text_of("docs/esi.md"), re.DOTALL | re.MULTILINE))
def test_an_example_of_the_esi_page_has_no_faults(block):
    assert not survey(block.encode())["problems"]


def test_the_redis_page_has_every_reason_and_says_which_count():
    assert words("docs/redis.md", "reason") == {trouble.value for trouble in Trouble}
    counting = {word for row in table("docs/redis.md", "reason") if row[2] == "counts" for word in WORD.findall(row[0])}
    assert counting == {trouble.value for trouble in COUNTED}


def test_every_limit_of_the_proxy_page_has_a_refusal_of_that_name():
    rows = table("docs/proxy.md", "setting")
    reasons = {word for row in rows if len(row) == 4 for word in WORD.findall(row[3])}
    assert reasons <= refusals()[0]
    assert {"header_bytes", "max_connections", "write_timeout"} < reasons


def test_the_metrics_page_has_every_metric_and_no_page_has_another(metric_names):
    pattern = re.compile(r"\bweft_[a-zA-Z0-9_]+")
    assert {name for word in words("docs/metrics.md", "metric") for name in pattern.findall(word)} == metric_names
    families = tuple({"_".join(name.split("_")[:2]) + "_" for name in metric_names})
    wrong = {}
    for page in WRITTEN:
        named = {name for name in pattern.findall(page.read_text("utf-8")) if name.startswith(families)}
        if strange := named - metric_names:
            wrong[name_of(page)] = strange
    assert not wrong


def test_the_purge_kinds_of_the_metrics_page_are_those_of_the_code():
    kinds = set(re.findall(r"'(\w+)'", str(Target))) | {"missed"}
    (row,) = [row for row in table("docs/metrics.md", "metric") if "weft_purges_total" in row[0]]
    assert set(WORD.findall(row[1])) == kinds


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_a_setting_that_a_page_names_exists(page):
    known = {".".join(map(str, leaf.path)) for leaf in leaves()}
    known |= {".".join(map(str, leaf.path[:length])) for leaf in leaves() for length in range(1, len(leaf.path))}
    sections = "|".join(sorted({str(leaf.path[0]) for leaf in leaves()}))
    named = re.findall(rf"`((?:{sections})\.[a-z_.0-9]+)(?:`| =)", page.read_text("utf-8"))
    assert not [name for name in named if name not in known and not name.endswith((".py", ".md", ".toml", ".yaml", "_"))]


# ── What pages point at ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_a_file_that_a_page_names_exists(page):
    named = re.findall(
        r"(?<![\w/.-])((?:tests|loadtests|deploy|gateway|fragments|profiles|docs)/[\w./-]*\w/?)", page.read_text("utf-8")
    )
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", [*WRITTEN, GENERATED], ids=name_of)
def test_a_relative_link_leads_somewhere(page):
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(target)
    assert not wrong


def anchors(page: Path) -> set[str]:
    """Headings as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_index_of_documents_and_of_decisions_is_complete():
    for folder in ("docs", "docs/decisions"):
        linked = set(re.findall(r"\]\(([\w.-]+\.md)\)", text_of(f"{folder}/README.md")))
        there = {page.name for page in (ROOT / folder).glob("*.md")} - {"README.md"}
        assert linked == there


@pytest.mark.parametrize("folder", ["loadtests", "loadtests/bench"])
def test_the_load_tests_readme_names_every_file(folder):
    text = text_of(f"{folder}/README.md")
    files = {file.name for kind in ("*.py", "*.lua") for file in (ROOT / folder).glob(kind)}
    assert not [name for name in files if f"`{name}`" not in text]


def test_the_readme_tells_of_every_command():
    told = {word.split()[1] for word in words("README.md", "command")}
    assert told == set(_COMMANDS)
