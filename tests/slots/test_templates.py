"""Templates in their sandbox: what good ones can do, what bad ones cannot, and that neither costs more than it may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragments.catalogue import NEEDS, Catalogue, CatalogueError, Slot, SlotFailed

DATA = {"language": "de", "query": {"q": "<b>&", "items": "1"}, "host": "shop.test", "path": "/_weft/slots/t"}
CONSTANTS = {
    "headline": "A & B",
    "goods": [{"name": "tea", "price": 3, "kind": "hot"}, {"name": "ice", "price": 2, "kind": "cold"}],
}


@pytest.fixture
def catalogue(tmp_path):
    """catalogue(text, others): a catalogue of one slot, "t", that needs all there is."""

    def make(text, others=None, **more):
        for name, content in {"t.html": text, **(others or {})}.items():
            (tmp_path / name).write_text(content, "utf-8")
        return Catalogue([Slot("t", "t.html", NEEDS, scope="visitor", data=CONSTANTS)], tmp_path, **more)

    return make


@pytest.fixture
def rendered(catalogue):
    return lambda text, others=None: catalogue(text, others).render("t", DATA).body.decode()


# ── What they can do ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{ data.headline }} {{ language }} {{ host }}{{ path }}", "A &amp; B de shop.test/_weft/slots/t"),
        ("{% for one in data.goods %}{{ loop.index }}/{{ loop.length }} {{ one.name }};{% endfor %}", "1/2 tea;2/2 ice;"),
        ("{% for one in data.goods if one.price > 2 %}{{ one.name }}{% else %}none{% endfor %}", "tea"),
        ("{{ data.goods|map(attribute='price')|sum }} {{ data.goods|sort(attribute='price')|map(attribute='name')|join(', ') }}", "5 ice, tea"),
        ("{{ (data.goods|selectattr('kind', 'eq', 'hot')|first).name }}", "tea"),
        ("{% for group in data.goods|groupby('kind') %}{{ group.grouper }}{{ group.list|length }}{% endfor %}", "cold1hot1"),
        ("{% set ns = namespace(sum=0) %}{% for one in data.goods %}{% set ns.sum = ns.sum + one.price %}{% endfor %}{{ ns.sum }}", "5"),
        ("{% macro one(x, y='z') %}[{{ x }}{{ y }}]{% endmacro %}{{ one(1) }}{{ one('a', y=2) }}", "[1z][a2]"),
        ("{% macro box() %}<{{ caller() }}>{% endmacro %}{% call box() %}in{% endcall %}", "<in>"),
        ("{% set x %}<i>{{ query.q }}</i>{% endset %}{{ x }}", "<i>&lt;b&gt;&amp;</i>"),
        ("{% filter upper %}a{{ language }}{% endfilter %}", "ADE"),
        ("{% for x in [1, [2, [3]]] recursive %}{{ loop(x) if x is sequence else x }}{% endfor %}", "123"),
        ("{% if language in ['de', 'fr'] and data.nope is not defined %}{{ data.nope|default('d') }}{% endif %}", "d"),
        ("{{ 'abc'[1:]|upper ~ 7 // 2 }} {{ 2 ** 10 - 1 }} {{ 'ab' * 2 }} {{ 3.14159|round(2) }} {{ 'a-b'|replace('-', '+') }}", "BC3 1023 abab 3.14 a+b"),
        ("{{ 'x' if not language }}{{ 'a' ~ ('x' if not language) }}", "a"),
        ("{{ query.get('none', 'd') }} {{ query['items'] }} {% for k, v in query.items()|sort %}{{ k }}{% endfor %}", "d 1 itemsq"),
        ("{{ 'a b'.split(' ')|join('+') }} {{ ' x '.strip() }} {{ 'abc'.startswith('a') }}", "a+b x True"),
    ],
)  # fmt: skip
def test_templates_do_what_jinja_does(rendered, text, shown):
    assert rendered(text) == shown


def test_templates_are_made_of_others_in_their_directory(rendered):
    others = {
        "base.html": "<x>{% block a %}base {{ language }}{% endblock %}{% include 'part.html' %}</x>",
        "part.html": "{% import 'macros.html' as m %}{% from 'macros.html' import f %}{{ m.f(1) }}{{ f(2) }}",
        "macros.html": "{% macro f(x) %}({{ x }}{{ host }}){% endmacro %}",
    }
    text = "{% extends 'base.html' %}{% block a %}own {{ super() }} {% endblock %}"
    assert rendered(text, others) == "<x>own base de (1shop.test)(2shop.test)</x>"


# ── Escaping ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "{{ query.q }}",
        '<a title="{{ query.q }}">',
        "{{ 'x' ~ query.q }}",
        "{{ ['x', query.q]|join }}",
        "{{ [query.q]|join('<i>'|e) }}",
        "{{ ('<i>'|e) + query.q }}",
        "{{ ('%'|e)|replace('%', query.q) }}",
        "{{ query.q|replace('b', 'i'|e) }}",
        "{% set x = query.q %}{{ x }}",
        "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(query.q) }}",
        "{% include 'other.html' %}",
        "{% filter trim %}{{ query.q }}{% endfilter %}",
        "{{ query.q|tojson }}",
        "{{ query|tojson }}",
        "{{ query.q|default('x') }}",
        "{{ query.q|string }}",
        "{{ query.q|list|join }}",
        "{{ query|items|map('join')|join }}",
    ],
)
def test_what_comes_from_a_request_is_escaped_wherever_it_is_written(rendered, text):
    shown = rendered(text, {"other.html": "{{ query.q }}"})
    assert "<b>" not in shown
    assert "&lt;" in shown or r"\u003c" in shown


@pytest.mark.parametrize("text", ["{{ query.q|safe }}", "{% autoescape false %}{{ query.q }}{% endautoescape %}"])
def test_escaping_can_not_be_turned_off(catalogue, text):
    with pytest.raises(CatalogueError):
        catalogue(text)


# ── Needs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("need", NEEDS)
def test_a_template_sees_nothing_that_its_slot_does_not_declare(tmp_path, need):
    """By whatever name it asks, in a file of its own or another's."""
    (tmp_path / "t.html").write_text("{% include 'inner.html' %}")
    (tmp_path / "inner.html").write_text("\n\n{{ " + need + " }}")
    others = tuple(each for each in NEEDS if each != need)
    catalogue = Catalogue([Slot("t", "t.html", others, scope="visitor")], tmp_path)
    with pytest.raises(SlotFailed) as failed:
        catalogue.render("t", DATA)
    assert failed.value.reason == "slot_undefined"
    assert str(failed.value) == (
        f"slot t: inner.html, line 3: the template asks for '{need}', which is not among the needs of the slot"
    )


def test_nothing_of_one_rendering_is_there_in_the_next(catalogue):
    """A module that is imported would be a place to remember in."""
    found = catalogue(
        "{% import 'm.html' as m %}{{ m.seen() }}{{ m.remember(language) }}",
        {"m.html": "{% set ns = namespace(last='nobody') %}{% macro seen() %}{{ ns.last }}{% endmacro %}{% macro remember(x) %}{% set ns.last = x %}{% endmacro %}"},
    )  # fmt: skip
    for language in ("de", "fr"):
        assert found.render("t", DATA | {"language": language}).body == b"nobody"


def test_what_a_failure_tells_holds_nothing_of_the_request(catalogue):
    found = catalogue("{{ data[query.q] }}")
    with pytest.raises(SlotFailed) as failed:
        found.render("t", DATA | {"query": {"q": "a-secret-of-mine"}})
    assert "secret" not in str(failed.value)
    found = catalogue("{{ [1][query.q|int] }}{{ query.q|int // 0 }}")
    with pytest.raises(SlotFailed) as failed:
        found.render("t", DATA | {"query": {"q": "4711"}})
    assert "4711" not in str(failed.value)


# ── What they cannot do ──────────────────────────────────────────────────────────────────────────────────────────────────────────

DOUBLING = 60
"""Doublings: if one of them were not stopped, the machine's memory would not hold what comes of it."""

FORBIDDEN = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''['__cla' ~ 'ss__'].__mro__ }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ self.__init__ }}",
    "{{ range.__globals__ }}",
    "{{ namespace.__init__ }}",
    "{{ [].append }}",
    "{{ query.update({'a': 1}) }}",
    "{{ query.clear() }}",
    "{{ data.goods.pop() }}",
    "{{ data.goods.sort() }}",
    "{{ query.items.__self__ }}",
    "{{ (query|items).gi_frame }}",
    "{% for x in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m._func }}",
    "{{ [1]|map(attribute='__class__')|list }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "{{ '%s' % 1 }}",
    "{{ ('%s'|e) % query.q }}",
    "{{ 'x'.ljust(1000000000) }}",
    "{{ 'x'.encode() }}",
    "{% set ns = namespace() %}{% set ns.a = [ns] %}",
    "{{ none }}",
    "{{ [1] }}",
    "{{ data }}",
    "{{ range }}",
    "{{ 1|round(1000000000, 'ceil') }}",
]
COSTLY = [
    "{% set x = 'a' %}" + "{% set x = [x, x]|join %}" * DOUBLING,
    "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in range(10000) if a < 0 %}{% endfor %}" * 20,
    "{% for a in range(1000000000) %}{% endfor %}",
    "{{ range(1000000000)|list }}",
    "{{ 10 ** 10 ** 8 }}",
    "{{ 2 ** 100000 }}",
    "{% set ns = namespace(x=3) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "{{ ('1' * 1000000)|int(base=2) }}",
    "{{ [0] * 1000000000 }}",
    "{% set x = [1] %}" + "{% set x = [x, x] %}" * DOUBLING,
    "{% set x = {'a': 1} %}" + "{% set x = {'a': x, 'b': x} %}" * DOUBLING,
    "{% set x = (1, 1) %}{% set y = (1, 1) %}" + "{% set x = (x, x) %}{% set y = (y, y) %}" * DOUBLING + "{{ x == y }}",
    "{% macro f() %}{% set ns.x = varargs %}{% endmacro %}{% set ns = namespace(x=[1]) %}" + "{{ f(ns.x, ns.x) }}" * DOUBLING,
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% include 't.html' %}",
    "{% set n = n|default(60) - 1 %}{% if n %}{% include 't.html' %}{% include 't.html' %}{% endif %}",
    "{% for x in range(9) recursive %}{{ loop(range(9)) }}{% endfor %}",
    "{% set a = 'a' * 1000000 %}{% for i in range(9999) %}{% set b = 'b' in a %}{% endfor %}",
    "{% set a = 'a' * 1000000 %}{% for i in range(9999) %}{% set b = a == a ~ '' %}{% endfor %}",
    "{% set a = 'a' * 1000000 %}{% for i in range(9999) %}{% set b = a[::1] %}{% endfor %}",
    "{% set a = 'a' * 1000000 %}{% for i in range(9999) %}{% set b = a|upper %}{% endfor %}",
    "{% set a = 'a' * 1000000 %}{% for i in range(9999) %}{% set b = a.upper() %}{% endfor %}",
    "{% set a = 'a' * 1000000 %}{% for i in range(9999) %}{% set b = a is eq 'b' %}{% endfor %}",
    "{% for i in range(10000) %}" + "{% if language %}{% endif %}" * 2000 + "{% endfor %}",
    "{% macro f() %}" + "{% if language %}{% endif %}" * 2000 + "{% endmacro %}{% for i in range(10000) %}{{ f() }}{% endfor %}",
]
LARGE = [
    "{{ 'a' * 1000000000 }}",
    "{{ 1000000000 * 'a' }}",
    "{{ ('&' * 100000)|replace('a'|e, 'b' * 1000) }}",
    "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}",
    "{{ ('&' * 1000000)|e|e }}",
    "{% set a = 'a' * 1000000 %}{{ range(10000)|map(attribute='x', default=a)|join }}",
    "{% set x = 'a' %}" + "{% set x = x ~ x %}" * DOUBLING,
    "{% set x = 'a' %}" + "{% set x = x + x %}" * DOUBLING,
    "{% set x %}a{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * DOUBLING,
    "{% set ns = namespace(x='a') %}{% macro f() %}{{ ns.x }}{{ ns.x }}{% endmacro %}"
    + "{% set ns.x = f() %}" * DOUBLING,
    "{% for i in range(9000) %}" + "x" * 1000 + "{% endfor %}",
    "{% set x %}{% for i in range(9000) %}" + "x" * 1000 + "{% endfor %}{% endset %}",
    "x{{ language }}" * 1000 + "{% for i in range(9000) %}" + "é" * 100 + "{% endfor %}",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reasons"),
    [(text, {"slot_forbidden"}) for text in FORBIDDEN]
    + [(text, {"slot_too_costly"}) for text in COSTLY]
    + [(text, {"slot_too_large"}) for text in LARGE],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_a_hostile_template_fails_with_a_reason(catalogue, text, reasons):
    found = catalogue(text)
    for _ in range(2):  # nothing is left behind
        with pytest.raises(SlotFailed) as failed:
            found.render("t", DATA)
        assert failed.value.reason in reasons


@pytest.mark.parametrize(
    "text",
    ["{{ 1 / 0 }}", "{{ '\\ud800' }}", "{{ [1]|map('nofilter')|list }}", "{{ 1|tojson(indent=1000000000) }}", "{{ 1 + 'a' }}"],
)
def test_whatever_else_goes_wrong_is_a_failure_of_the_slot_too(catalogue, text):
    with pytest.raises(SlotFailed) as failed:
        catalogue(text).render("t", DATA)
    assert failed.value.reason == "slot_error"


def test_constants_stay_as_the_settings_have_them(catalogue):
    found = catalogue("{{ data.goods|length }}{% set x = data.goods|sort(attribute='price')|reverse|list %}")
    assert {found.render("t", DATA).body for _ in range(3)} == {b"2"}
    assert [one["name"] for one in CONSTANTS["goods"]] == ["tea", "ice"]


def test_the_longest_fragment_is_as_long_as_the_settings_say(catalogue):
    text = "{% for i in range(10) %}é{% endfor %}"
    assert len(catalogue(text, max_bytes=20).render("t", DATA).body) == 20
    with pytest.raises(SlotFailed):
        catalogue(text, max_bytes=19).render("t", DATA)


_WORDS = st.sampled_from(
    [
        "{{ ", " }}", "{% ", " %}", "{#", "#}", "for ", "x ", "in ", "range(", "9999", ")", "endfor", "set ", "= ", "if ", "endif", "macro ", "f(", "endmacro",
        "x", "f", "data", "query", ".", "goods", "items()", "|", "join", "list", "map('upper')", "tojson", "~ ", "* ", "** ", "+ ", "[", "]", "'a'", "{", "}", ":", ", ",
        "__class__", "namespace(", "ns", "include ", "'t.html'", "loop", "recursive ", "call ", "filter ", "import ", "as ", "not ", "is ", "defined", "text", "\n", "-%}",
    ]
)  # fmt: skip
_STATEMENTS = st.sampled_from(
    [
        "{{ x }}", "{{ x ~ x }}", "{% set x = x ~ x %}", "{% set x = [x, x] %}", "{% set x = x * 9 %}", "{% set x = x ** 9 %}", "{% for x in range(99) %}{{ x }}",
        "{% for x in x %}", "{% endfor %}", "{% set x = 'ab' %}", "{% set x = 7 %}", "{% set x = x|string %}", "{% set x = x|list %}", "{% set x = x|tojson %}",
        "{% macro f(x) %}{{ x }}{{ f(x) }}{% endmacro %}", "{{ f(x) }}", "{% if x %}", "{% endif %}", "{% set x %}{{ x }}{{ x }}{% endset %}", "{% set x = data %}",
        "{% set x = data.goods %}", "{% set x = x|map(attribute='name') %}", "{% set x = x|replace('a', 'aaaa') %}", "{% include 't.html' %}", "{% set x = namespace(x=x) %}",
    ]
)  # fmt: skip


@given(st.lists(_WORDS, max_size=30) | st.lists(_STATEMENTS, max_size=30))
def test_no_template_does_anything_but_render_or_fail(tmp_path_factory, parts):
    """Its faults are found at the start, or its slot fails. Nothing hangs, nothing grows without bound, nothing else is raised."""
    folder = tmp_path_factory.mktemp("t")
    (folder / "t.html").write_text("".join(parts))
    reason = ""
    try:
        found = Catalogue([Slot("t", "t.html", NEEDS, scope="visitor", data=CONSTANTS)], folder, max_bytes=10_000)
        assert len(found.render("t", DATA).body) <= 10_000
    except CatalogueError:
        return
    except SlotFailed as failed:
        reason = failed.reason
    assert reason in {"", "slot_too_large", "slot_too_costly", "slot_undefined", "slot_forbidden", "slot_error"}
