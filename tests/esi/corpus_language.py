"""A conformance corpus of the ESI language, as data: markup → nodes and problems; expression → value. Section numbers are ESI 1.0's (W3C NOTE of
4 August 2001) unless they say Akamai (ESI Developer's Guide) or ours.

Nodes are written as in dumping.py, facts of the request stand in surroundings.py.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EXPRESSIONS", "INTERPOLATIONS", "MARKUP", "WRONG_EXPRESSIONS", "Markup", "Said", "Wrong", "Yields"]


class Markup(NamedTuple):
    """A page, its nodes, the codes of its problems in order."""

    id: str
    section: str
    page: str
    nodes: str
    problems: tuple[str, ...] = ()


MARKUP = (
    # ── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup("empty", "ours", "", ""),
    Markup("plain", "ours", "<p>a < b & c</p>", "«<p>a < b & c</p>»"),
    Markup(
        "not-quite-a-marker",
        "ours",
        "<esi <esp:x> </es> <!-x <![CDAT[ <ESI:include/>",
        "«<esi <esp:x> </es> <!-x <![CDAT[ <ESI:include/>»",
    ),
    Markup("ends-in-a-beginning", "ours", "a<es", "«a<es»"),
    Markup("html-comment-is-copied", "ours", 'a<!-- <esi:include src="/x"/> -->b', '«a<!-- <esi:include src="/x"/> -->b»'),
    Markup("unclosed-html-comment", "ours", "a<!-- <esi:vars>", "«a<!-- <esi:vars>»"),
    Markup(
        "shortest-html-comments",
        "ours",
        "<!--><esi:vars>a</esi:vars><!---><esi:vars>b</esi:vars>",
        "«<!-->» vars[«a»] «<!--->» vars[«b»]",
    ),
    Markup(
        "conditional-comment",
        "ours",
        "<!--[if IE]><esi:remove>x</esi:remove><![endif]-->",
        "«<!--[if IE]><esi:remove>x</esi:remove><![endif]-->»",
    ),
    Markup("cdata-is-copied", "ours", "<![CDATA[<esi:vars>]]>]]><esi:vars>x</esi:vars>", "«<![CDATA[<esi:vars>]]>]]>» vars[«x»]"),
    Markup("unclosed-cdata", "ours", "<![CDATA[<esi:vars>x</esi:vars>]]", "«<![CDATA[<esi:vars>x</esi:vars>]]»"),
    Markup(
        "script-runs", "ours", "<script>f('<esi:include src=\"/a\"/>')</script>", "«<script>f('» include(src=/a) «')</script>»"
    ),
    # ── include ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup("include", "3.1", '<esi:include src="/a"/>', "include(src=/a)"),
    Markup("include-between-text", "3.1", 'a<esi:include src="/a"/>b', "«a» include(src=/a) «b»"),
    Markup(
        "include-alt-onerror",
        "3.1",
        "<esi:include src='/a' alt='/b' onerror='continue'/>",
        "include(src=/a alt=/b onerror=continue)",
    ),
    Markup(
        "include-akamai-attributes",
        "Akamai",
        '<esi:include src="/a" ttl="5m" maxwait="100" no-store="on" dca="esi" method="POST" entity="e" setheader="A:b" appendheader="C:d" removeheader="E"/>',
        "include(src=/a ttl=5m maxwait=100 no-store=on dca=esi method=POST entity=e setheader=A:b appendheader=C:d removeheader=E)",
    ),
    Markup(
        "include-our-attributes",
        "ours",
        '<esi:include src="/a" required="true" name="head"/>',
        "include(src=/a required=true name=head)",
    ),
    Markup("attributes-over-lines", "3", '<esi:include\n  src = "/a"\n\talt\n=\n"/b"\n/>', "include(src=/a alt=/b)"),
    Markup("end-sign-in-quotes", "3", "<esi:include src='/a?b>c' alt=\"it's\"/>", "include(src=/a?b>c alt=it's)"),
    Markup("entities", "3", '<esi:include src="/a?b=1&amp;c=&lt;&gt;&quot;&apos;&#65;&#x42;"/>', "include(src=/a?b=1&c=<>\"'AB)"),
    Markup(
        "no-entities",
        "3",
        '<esi:include src="&nbsp;&amp;lt;&#0;&#xD800;&#x110000;&;&"/>',
        "include(src=&nbsp;&lt;&#0;&#xD800;&#x110000;&;&)",
    ),
    Markup("utf-8", "ours", '<esi:include src="/é"/>ü', "include(src=/é) «ü»"),
    Markup(
        "unquoted",
        "ours",
        "<esi:include src=/a/b alt=c/>",
        "include(src=/a/b alt=c)",
        ("unquoted-attribute", "unquoted-attribute"),
    ),
    Markup(
        "unquoted-with-apostrophe", "ours", "<esi:include src=/it's/>'>x", "include(src=/it's) «'>x»", ("unquoted-attribute",)
    ),
    Markup("duplicate", "ours", '<esi:include src="/a" src="/b"/>', "include(src=/a)", ("duplicate-attribute",)),
    Markup(
        "unknown-attribute",
        "ours",
        '<esi:include src="/a" sizes="1" x/>',
        "include(src=/a)",
        ("unknown-attribute", "unknown-attribute"),
    ),
    Markup(
        "attribute-names-are-case-sensitive", "ours", '<esi:include SRC="/a"/>', "", ("unknown-attribute", "missing-attribute")
    ),
    Markup(
        "without-value",
        "ours",
        '<esi:include src="/a" no-store alt= />',
        "include(src=/a no-store= alt=)",
        ("missing-value", "missing-value"),
    ),
    Markup("stray-quotes", "ours", '<esi:include src="/a"" alt="/b"/>', "include(src=/a alt=/b)", ("bad-attribute",)),
    Markup("missing-src", "3.1", 'a<esi:include alt="/b"/>b', "«ab»", ("missing-attribute",)),
    Markup("missing-src-with-body", "3.1", "a<esi:include>x</esi:include>b", "«ab»", ("missing-attribute",)),
    Markup("include-body", "ours", '<esi:include src="/a"><p>sorry</p></esi:include>!', "include(src=/a)[«<p>sorry</p>»] «!»"),
    Markup("include-blank-body", "ours", '<esi:include src="/a"> \n </esi:include>!', "include(src=/a) «!»"),
    Markup(
        "include-in-include-body",
        "ours",
        '<esi:include src="/a"><esi:include src="/b"/></esi:include>',
        "include(src=/a)[include(src=/b)]",
    ),
    Markup(
        "forgotten-slash-at-the-end-of-the-page",
        "ours",
        '<p><esi:include src="/a"> and <esi:include src="/b"></p>',
        "«<p>» include(src=/a) « and » include(src=/b) «</p>»",
        ("unclosed-include", "unclosed-include"),
    ),
    Markup(
        "forgotten-slash-inside-of-others",
        "ours",
        '<esi:try><esi:attempt><esi:include src="/a">x</esi:attempt><esi:except><esi:include src="/b"></esi:except></esi:try>',
        "try[include(src=/a) «x»|include(src=/b)]",
        ("unclosed-include", "unclosed-include"),
    ),
    Markup(
        "forgotten-slash-before-a-body",
        "ours",
        '<esi:include src="/a">x<esi:include src="/b">y</esi:include>z',
        "include(src=/a) «x» include(src=/b)[«y»] «z»",
        ("unclosed-include",),
    ),
    Markup(
        "many-forgotten-slashes",
        "ours",
        "".join(f'{n}<esi:include src="/{n}">' for n in range(7)) + "end",
        " ".join(f"«{n}» include(src=/{n})" for n in range(7)) + " «end»",
        ("unclosed-include",) * 7,
    ),
    Markup(
        "forgotten-slash-around-an-element-that-goes-on",
        "ours",
        '<esi:vars><esi:include src="/a">1<esi:foreach collection="[1]">2<esi:include src="/b">3</esi:foreach>4</esi:vars>5',
        "vars[include(src=/a) «1» foreach(item in [1])[«2» include(src=/b) «3»] «4»] «5»",
        ("unclosed-include", "unclosed-include"),
    ),
    Markup(
        "settled-text-is-one",
        "ours",
        '<esi:vars>a<esi:include alt="/x">b</esi:vars>',
        "vars[«ab»]",
        ("missing-attribute", "unclosed-include"),
    ),
    # ── inline ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup("inline", "3.2", '<esi:inline name="/x" fetchable="yes">in</esi:inline>', "inline(name=/x fetchable=yes)[«in»]"),
    Markup("inline-without-name", "3.2", "<esi:inline>in</esi:inline>", "", ("missing-attribute",)),
    # ── choose ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup(
        "choose",
        "3.3",
        "<esi:choose> <esi:when test=\"$(A)=='x'\">1</esi:when>\n<esi:when test='2'>2</esi:when><esi:otherwise>3</esi:otherwise></esi:choose>",
        "choose(when($(A)=='x')[«1»] when(2)[«2»] otherwise[«3»])",
    ),
    Markup("choose-without-otherwise", "3.3", '<esi:choose><esi:when test="1">1</esi:when></esi:choose>', "choose(when(1)[«1»])"),
    Markup(
        "choose-without-when",
        "3.3",
        "<esi:choose><esi:otherwise>3</esi:otherwise></esi:choose>",
        "choose(otherwise[«3»])",
        ("missing-element",),
    ),
    Markup("empty-choose", "3.3", "a<esi:choose></esi:choose>b<esi:choose/>", "«ab»", ("missing-element", "missing-element")),
    Markup(
        "matchname",
        "Akamai",
        '<esi:choose><esi:when test="1" matchname="m">1</esi:when></esi:choose>',
        "choose(when(1 as m)[«1»])",
    ),
    Markup("empty-when", "3.3", '<esi:choose><esi:when test="1"/></esi:choose>', "choose(when(1)[])"),
    Markup(
        "when-without-test",
        "3.3",
        '<esi:choose><esi:when>secret</esi:when><esi:when test="1">1</esi:when></esi:choose>',
        "choose(when(1)[«1»])",
        ("missing-attribute",),
    ),
    Markup(
        "two-otherwise",
        "3.3",
        '<esi:choose><esi:when test="1">1</esi:when><esi:otherwise>a</esi:otherwise><esi:otherwise>b</esi:otherwise></esi:choose>',
        "choose(when(1)[«1»] otherwise[«a»])",
        ("duplicate-element",),
    ),
    Markup(
        "text-in-choose",
        "3.3",
        '<esi:choose>x<b>y</b><esi:when test="1">1</esi:when>z</esi:choose>',
        "choose(when(1)[«1»])",
        ("misplaced-text",),
    ),
    Markup(
        "elements-in-choose",
        "3.3",
        '<esi:choose><esi:include src="/a"><esi:when test="1">1</esi:when><esi:vars>v<esi:include src="/b"/></esi:vars></esi:choose>',
        "choose(when(1)[«1»])",
        ("misplaced-element", "misplaced-element"),
    ),
    Markup("when-outside", "3.3", 'a<esi:when test="1">b</esi:when>c', "«abc»", ("misplaced-element",)),
    Markup(
        "when-not-directly-inside",
        "3.3",
        '<esi:choose><esi:vars><esi:when test="1">b</esi:when></esi:vars><esi:otherwise>c</esi:otherwise></esi:choose>',
        "choose(otherwise[«c»])",
        ("misplaced-element", "misplaced-element", "missing-element"),
    ),
    Markup(
        "unclosed-when-ends-at-the-next",
        "ours",
        '<esi:choose><esi:when test="1">1<esi:include src="/a"><esi:when test="2">2</esi:when><esi:otherwise>3</esi:choose>4',
        "choose(when(1)[«1» include(src=/a)] when(2)[«2»] otherwise[«3»]) «4»",
        ("unclosed-include", "unclosed-element", "unclosed-element"),
    ),
    # ── try ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup(
        "try",
        "3.4",
        '<esi:try>\n<esi:attempt><esi:include src="/a"/></esi:attempt>\n<esi:except>x</esi:except>\n</esi:try>',
        "try[include(src=/a)|«x»]",
    ),
    Markup("except-first", "3.4", "<esi:try><esi:except>x</esi:except><esi:attempt>a</esi:attempt></esi:try>", "try[«a»|«x»]"),
    Markup("try-without-attempt", "3.4", "1<esi:try><esi:except>x</esi:except></esi:try>2", "«12»", ("missing-element",)),
    Markup("try-without-except", "3.4", "<esi:try><esi:attempt>a</esi:attempt></esi:try>", "try[«a»|]", ("missing-element",)),
    Markup(
        "several-except",
        "Akamai",
        '<esi:try><esi:attempt>a</esi:attempt><esi:except type="x">1</esi:except><esi:except>2</esi:except></esi:try>',
        "try[«a»|«1»]",
        ("duplicate-element",),
    ),
    Markup(
        "two-attempts",
        "3.4",
        "<esi:try><esi:attempt>a</esi:attempt><esi:attempt>b</esi:attempt><esi:except>x</esi:except></esi:try>",
        "try[«a»|«x»]",
        ("duplicate-element",),
    ),
    Markup(
        "other-markup-in-try",
        "3.4",
        "<esi:try><p><esi:attempt>a</esi:attempt></p><esi:except>x</esi:except></esi:try>",
        "try[«a»|«x»]",
        ("misplaced-text",),
    ),
    Markup(
        "attempt-outside",
        "3.4",
        "<esi:attempt>a</esi:attempt><esi:except>b</esi:except>",
        "«ab»",
        ("misplaced-element", "misplaced-element"),
    ),
    Markup(
        "try-in-try",
        "3.4",
        "<esi:try><esi:attempt><esi:try><esi:attempt>a</esi:attempt><esi:except>b</esi:except></esi:try></esi:attempt><esi:except>c</esi:except></esi:try>",
        "try[try[«a»|«b»]|«c»]",
    ),
    # ── comment, remove, text ────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup("comment", "3.5", 'a<esi:comment text="note"/>b', "«ab»"),
    Markup("comment-without-slash", "3.5", 'a<esi:comment text="note">b', "«ab»"),
    Markup("comment-with-end-tag", "ours", 'a<esi:comment text="note"> \n</esi:comment>b', "«a \nb»"),
    Markup("comment-with-late-end-tag", "ours", 'a<esi:comment text="n">b</esi:comment>c', "«abc»", ("stray-end-tag",)),
    Markup("remove", "3.6", 'a<esi:remove><a href="x">y</a></esi:remove>b', "«ab»"),
    Markup("remove-hides-esi", "3.6", 'a<esi:remove><esi:include src="/a"><esi:nope></esi:vars><!-- </esi:remove>b', "«ab»"),
    Markup("remove-in-remove", "3.6", "a<esi:remove>x<esi:remove>y</esi:remove>z<esi:remove/>z</esi:remove>b", "«ab»"),
    Markup("empty-remove", "3.6", "a<esi:remove/>b<esi:remove></esi:remove>c", "«abc»"),
    Markup("unclosed-remove", "3.6", "a<esi:remove>b", "«a»", ("unclosed-element",)),
    Markup("remove-and-its-likes", "3.6", "a<esi:remove></esi:removed><esi:removes></esi:remove >b", "«ab»"),
    Markup(
        "text",
        "Akamai",
        'a<esi:text><esi:include src="/a"/>$(X)<esi:text></esi:text>b',
        '«a» verbatim«<esi:include src="/a"/>$(X)<esi:text>» «b»',
    ),
    Markup("empty-text", "Akamai", "a<esi:text></esi:text>b<esi:text/>c", "«abc»"),
    Markup(
        "unclosed-text", "Akamai", "a<esi:text><esi:vars></esi:tex", "«a» verbatim«<esi:vars></esi:tex»", ("unclosed-element",)
    ),
    # ── vars ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup("vars", "3.7", "<esi:vars>Hi $(HTTP_HOST)</esi:vars>", "vars[«Hi $(HTTP_HOST)»]"),
    Markup(
        "vars-with-elements", "3.7", 'a<esi:vars>b<esi:include src="/$(X)"/>c</esi:vars>', "«a» vars[«b» include(src=/$(X)) «c»]"
    ),
    Markup("vars-short-form", "Akamai", '<esi:vars name="$(X)"/>', "vars($(X))[]"),
    Markup("empty-vars", "3.7", "a<esi:vars></esi:vars><esi:vars/>b", "«ab»"),
    # ── <!--esi ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup("esi-comment", "3.8", "<!--esi <p><esi:vars>Hello $(X)</esi:vars></p>-->", "« <p>» vars[«Hello $(X)»] «</p>»"),
    Markup("esi-comment-before-tag", "3.8", "a<!--esi<b>-->c", "«a<b>c»"),
    Markup("empty-esi-comment", "3.8", "a<!--esi-->b<!--esi -->c", "«ab c»"),
    Markup("esi-comment-over-lines", "3.8", "<!--esi\nx\n-->", "«\nx\n»"),
    Markup("first-end-ends-it", "3.8", "<!--esi a <!-- b --> c -->", "« a <!-- b  c -->»"),
    Markup("esi-comments-around-tags-only", "ours", "<!--esi <esi:vars>-->$(X)<!--esi </esi:vars>-->", "« » vars[«$(X) »]"),
    Markup(
        "esi-comment-around-when",
        "ours",
        '<esi:choose><!--esi <esi:when test="1">a</esi:when>--></esi:choose>',
        "choose(when(1)[«a»])",
    ),
    Markup(
        "other-words-are-comments",
        "3.8",
        "<!--esix <esi:vars>--><!--esi-foo--><!--esi:x-->",
        "«<!--esix <esi:vars>--><!--esi-foo--><!--esi:x-->»",
    ),
    Markup("end-of-esi-comment-in-a-tag", "ours", '<!--esi <esi:include src="-->"/> -->x', "« » include(src=-->) « x»"),
    Markup("end-of-esi-comment-in-cdata", "ours", "<!--esi <![CDATA[a-->b]]>-->", "« <![CDATA[ab]]>-->»"),
    Markup("cdata-in-esi-comment", "ours", "<!--esi <![CDATA[<esi:vars>--]]>--->", "« <![CDATA[<esi:vars>--]]>-»"),
    Markup("esi-comment-in-esi-comment", "ours", "<!--esi a<!--esi b-->c-->", "« a bc-->»", ("misplaced-element",)),
    Markup("unclosed-esi-comment", "3.8", "a<!--esi b", "«a b»", ("unclosed-element",)),
    Markup("end-of-comment-in-text", "ours", "a-->b--", "«a-->b--»"),
    Markup("dashes-in-esi-comment", "ours", "<!--esi -- - --->-", "« -- - --»"),
    # ── assign, eval ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup("assign", "Akamai", """<esi:assign name="x" value="'a'"/>""", "assign(x = 'a')"),
    Markup("assign-long", "Akamai", '<esi:assign name="x">$(A) + 1</esi:assign>', "assign(x)[«$(A) + 1»]"),
    Markup("assign-empty-value", "Akamai", '<esi:assign name="x" value=""/>', "assign(x = )"),
    Markup("assign-item", "Akamai", """<esi:assign name="d{'k'}" value="1"/>""", "assign(d{'k'} = 1)"),
    Markup("assign-without-slash", "ours", 'a<esi:assign name="x" value="1">b', "«a» assign(x = 1) «b»"),
    Markup("assign-with-value-and-end-tag", "ours", '<esi:assign name="x" value="1"></esi:assign>b', "assign(x = 1) «b»"),
    Markup(
        "assign-without-name",
        "Akamai",
        'a<esi:assign value="1"/>b<esi:assign>1</esi:assign>c',
        "«abc»",
        ("missing-attribute", "missing-attribute"),
    ),
    Markup("assign-without-anything", "Akamai", '<esi:assign name="x"/>', "", ("missing-attribute",)),
    Markup("eval", "Akamai", '<esi:eval src="/a" alt="/b" dca="esi"/>', "eval(src=/a alt=/b dca=esi)"),
    Markup("eval-without-slash", "ours", '<esi:eval src="/a">b</esi:eval>', "eval(src=/a) «b»", ("stray-end-tag",)),
    Markup("eval-without-src", "Akamai", "<esi:eval/>", "", ("missing-attribute",)),
    # ── foreach, function ────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup(
        "foreach",
        "Akamai",
        '<esi:foreach item="i" collection="$(list)">$(i)<esi:choose><esi:when test="1"><esi:break/></esi:when></esi:choose></esi:foreach>',
        "foreach(i in $(list))[«$(i)» choose(when(1)[break])]",
    ),
    Markup("foreach-item", "Akamai", '<esi:foreach collection="[1]">x</esi:foreach>', "foreach(item in [1])[«x»]"),
    Markup("foreach-without-collection", "Akamai", '<esi:foreach item="i">x</esi:foreach>', "", ("missing-attribute",)),
    Markup(
        "break-outside", "Akamai", "a<esi:break/>b<esi:break></esi:break>c", "«abc»", ("misplaced-element", "misplaced-element")
    ),
    Markup("function", "Akamai", '<esi:function name="f"><esi:return value="1"/></esi:function>', "function(f)[return(1)]"),
    Markup("function-without-name", "Akamai", '<esi:function><esi:return value="1"/></esi:function>', "", ("missing-attribute",)),
    Markup("return-outside", "Akamai", '<esi:return value="1">', "", ("misplaced-element",)),
    Markup(
        "return-without-value",
        "Akamai",
        '<esi:function name="f"><esi:return/></esi:function>',
        "function(f)[]",
        ("missing-attribute",),
    ),
    # ── What is not ours ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup("unknown", "ours", 'a<esi:foo x="1">b<esi:vars>c</esi:vars></esi:foo>d', "«ab» vars[«c»] «d»", ("unknown-element",)),
    Markup("unknown-closed", "ours", "a<esi:foo/>b</esi:foo>c", "«abc»", ("unknown-element", "stray-end-tag")),
    Markup("nameless", "ours", "a<esi:>b</esi:>c<esi: include/>", "«abc»", ("unknown-element", "unknown-element")),
    Markup("debug", "Akamai", "a<esi:debug/>b<esi:invalidate>c</esi:invalidate>", "«abc»", ("unsupported", "unsupported")),
    Markup(
        "unknown-inside-and-end-tag-outside",
        "ours",
        "<esi:vars>a<esi:foo>b</esi:vars>c</esi:foo>",
        "vars[«ab»] «c»",
        ("unknown-element", "stray-end-tag"),
    ),
    Markup(
        "unknown-outside-and-end-tag-inside",
        "ours",
        "<esi:foo>a<esi:vars>b</esi:foo>c</esi:vars>",
        "«a» vars[«bc»]",
        ("unknown-element",),
    ),
    Markup("element-names-are-case-sensitive", "ours", '<esi:Include src="/a"/>', "", ("unknown-element",)),
    # ── What does not end ────────────────────────────────────────────────────────────────────────────────────────────────────────
    Markup("stray-end-tag", "ours", "a</esi:vars>b</esi:include>c", "«abc»", ("stray-end-tag", "stray-end-tag")),
    Markup(
        "unclosed",
        "ours",
        "<esi:vars>a<esi:inline name='x'>b",
        "vars[«a» inline(name=x)[«b»]]",
        ("unclosed-element", "unclosed-element"),
    ),
    Markup(
        "crossed",
        "ours",
        "<esi:vars>a<esi:inline name='x'>b</esi:vars>c</esi:inline>",
        "vars[«a» inline(name=x)[«b»]] «c»",
        ("unclosed-element", "stray-end-tag"),
    ),
    Markup("unterminated-tag", "ours", 'a<esi:include src="/a" ', "«a»", ("unterminated-tag",)),
    Markup("unterminated-quotes", "ours", 'a<esi:include src="/a/> b <esi:vars>', "«a»", ("unterminated-tag",)),
    Markup("unterminated-end-tag", "ours", "<esi:vars>a</esi:vars", "vars[«a»]", ("unterminated-tag", "unclosed-element")),
    Markup("only-a-marker", "ours", "<esi:", "", ("unterminated-tag",)),
    Markup("end-tag-with-more", "ours", "<esi:vars>a</esi:vars  x='>' >b", "vars[«a»] «b»"),
)
"""Markup → nodes."""


class Yields(NamedTuple):
    """An expression and the text of its value; None: it is undefined."""

    id: str
    section: str
    expression: str
    text: str | None


EXPRESSIONS = (
    # ── Literals ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Yields("text", "5", "'a b'", "a b"),
    Yields("text-in-double-quotes", "Akamai", '"a\'b"', "a'b"),
    Yields("escapes", "Akamai", r"'it\'s \\ \d'", r"it's \ \d"),
    Yields("triple", "Akamai", r"'''it's \'''", "it's \\"),
    Yields("no-interpolation", "Akamai", "'$(HTTP_HOST)'", "$(HTTP_HOST)"),
    Yields("integer", "Akamai", "042", "42"),
    Yields("negative-integer", "Akamai", "-7", "-7"),
    Yields("true", "Akamai", "true", "true"),
    Yields("false", "Akamai", "false", "false"),
    Yields("word", "5", "Advanced", "Advanced"),
    Yields("word-with-dots-and-dashes", "ours", "en-GB.utf", "en-GB.utf"),
    Yields("decimal", "ours", "1.50", "1.50"),
    Yields("version", "ours", "1.2.3", "1.2.3"),
    Yields("word-that-begins-with-a-digit", "ours", "2nd", "2nd"),
    Yields("list", "Akamai", "[1, 'b', [c]]", "[1, b, [c]]"),
    Yields("empty-list", "Akamai", "[]", "[]"),
    Yields("trailing-comma", "Akamai", "[1, 2,]", "[1, 2]"),
    Yields("dictionary", "Akamai", "{'a': 1, b: [2]}", "{a: 1, b: [2]}"),
    Yields("range", "Akamai", "[1..4]", "[1, 2, 3, 4]"),
    Yields("range-of-computed", "Akamai", "[-1..$(count)-2]", "[-1, 0, 1]"),
    Yields("backward-range", "ours", "[3..1]", "[]"),
    Yields("range-of-texts", "ours", "['a'..'c']", None),
    # ── Variables ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Yields("variable", "4", "$(HTTP_HOST)", "shop.example"),
    Yields("undefined-variable", "4", "$(NO_SUCH)", None),
    Yields("item", "4.1", "$(HTTP_COOKIE{group})", "Advanced"),
    Yields("item-in-quotes", "4.1", "$(HTTP_COOKIE{'group'})", "Advanced"),
    Yields("item-with-dots-and-dashes", "4.1", "$( HTTP_COOKIE{ a-b.c } )", "dotted"),
    Yields("undefined-item", "4.1", "$(HTTP_COOKIE{none})", None),
    Yields("computed-item", "Akamai", "$(HTTP_COOKIE{$(QUERY_STRING{key})})", "Advanced"),
    Yields("item-of-list", "Akamai", "$(list{0})", "a"),
    Yields("item-from-the-end", "Akamai", "$(list{-1})", "c"),
    Yields("item-computed-of-list", "Akamai", "$(list{$(count) - 2})", "b"),
    Yields("item-beyond-list", "Akamai", "$(list{3})", None),
    Yields("item-of-item", "ours", "$(nested{0}{1}) + $(nested{1}{k})", "2v"),
    Yields("default", "4.2", "$(NO_SUCH|none)", "none"),
    Yields("default-for-empty", "4.2", "$(HTTP_COOKIE{empty}|none)", "none"),
    Yields("default-in-quotes", "4.2", "$(HTTP_COOKIE{none}|'nobody (yet)')", "nobody (yet)"),
    Yields("default-with-spaces", "4.2", "$(NO_SUCH| a b )", "a b"),
    Yields("default-from-variable", "Akamai", "$(NO_SUCH|$(HTTP_COOKIE{none}|$(HTTP_HOST)))", "shop.example"),
    Yields("default-not-needed", "4.2", "$(HTTP_HOST|none)", "shop.example"),
    Yields("default-integer", "ours", "$(NO_SUCH|1) + 1", "2"),
    Yields("empty-default", "ours", "$(NO_SUCH|)", ""),
    Yields("false-is-no-reason-for-a-default", "ours", "$(no|x)", "false"),
    # ── Comparison ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Yields("equal", "5.1", "$(HTTP_COOKIE{group})=='Advanced'", "true"),
    Yields("equal-word", "5.1", "$(HTTP_COOKIE{group}) == Basic", "false"),
    Yields("unequal", "5.1", "$(HTTP_COOKIE{group}) != 'Basic'", "true"),
    Yields("numbers-as-numbers", "5.1", "$(QUERY_STRING{page}) > 7", "true"),
    Yields("texts-as-texts", "5.1", "'12' > '7x'", "false"),
    Yields("decimals", "5.1", "1.10 == 1.1", "true"),
    Yields("less", "5.1", "1 < 2", "true"),
    Yields("less-or-equal", "5.1", "2 <= 1", "false"),
    Yields("greater-or-equal", "5.1", "2 >= 2", "true"),
    Yields("undefined-is-never-equal", "5.1", "$(NO_SUCH) == $(NO_SUCH)", "false"),
    Yields("undefined-is-never-unequal", "5.1", "$(NO_SUCH) != 'a'", "false"),
    Yields("empty-is-never-equal", "5.1", "$(nothing) == ''", "false"),
    Yields("empty-list-is-never-equal", "5.1", "[] == []", "false"),
    Yields("zero-is-not-empty", "5.1", "0 == 0", "true"),
    Yields("false-is-not-empty", "ours", "$(no) == false", "true"),
    Yields("truth-as-text", "ours", "$(yes) == 'true'", "true"),
    Yields("truth-is-no-number", "ours", "$(yes) == 1", "false"),
    Yields("has", "Akamai", "$(HTTP_HOST) has 'shop'", "true"),
    Yields("has-is-case-sensitive", "Akamai", "$(HTTP_HOST) has 'Shop'", "false"),
    Yields("has-i", "Akamai", "$(HTTP_HOST) has_i 'SHOP'", "true"),
    Yields("list-has", "Akamai", "$(list) has 'b'", "true"),
    Yields("list-has-whole-elements", "Akamai", "$(HTTP_ACCEPT_LANGUAGE) has 'en'", "false"),
    Yields("list-has-i", "Akamai", "$(HTTP_ACCEPT_LANGUAGE) has_i 'EN-gb'", "true"),
    Yields("dictionary-has-key", "ours", "$(HTTP_COOKIE) has 'group'", "true"),
    Yields("has-nothing", "5.1", "$(HTTP_HOST) has ''", "false"),
    Yields("matches", "Akamai", r"$(HTTP_HOST) matches '''^\w+\.example$'''", "true"),
    Yields("matches-anywhere", "Akamai", "$(HTTP_HOST) matches 'exam'", "true"),
    Yields("matches-is-case-sensitive", "Akamai", "$(HTTP_HOST) matches 'SHOP'", "false"),
    Yields("matches-i", "Akamai", "$(HTTP_HOST) matches_i 'SHOP'", "true"),
    Yields("matches-computed", "Akamai", "$(HTTP_HOST) matches 'sh' + 'op'", "true"),
    Yields("matches-bad-computed", "ours", "$(HTTP_HOST) matches '(' + 's'", "false"),
    Yields("operator-words-end", "ours", "'haste' has hast", "true"),
    # ── Logic ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Yields("not", "5.1", "!(1==2)", "true"),
    Yields("not-after-comparison", "5.1", "!$(count)==4", "true"),
    Yields("not-not", "5.1", "!!$(HTTP_HOST)", "true"),
    Yields("and", "5.1", "1==1 & 'a'=='a'", "true"),
    Yields("and-twice", "Akamai", "1==1 && 1==2", "false"),
    Yields("or", "5.1", "1==2 | 2==2", "true"),
    Yields("or-twice", "Akamai", "1==2 || 2==3", "false"),
    Yields("and-before-or", "5.1", "1==1 | 1==1 & 1==2", "true"),
    Yields("not-before-and", "5.1", "!1==2 & 1==2", "false"),
    Yields("parentheses", "5.1", "(1==1 | 1==1) & 1==2", "false"),
    Yields("truth-of-undefined", "ours", "!$(NO_SUCH)", "true"),
    Yields("truth-of-false-text", "ours", "!'false'", "true"),
    Yields("truth-of-zero", "ours", "!0", "true"),
    Yields("truth-of-empty", "ours", "!'' & ![] & !{}", "true"),
    # ── Arithmetic ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Yields("sum", "Akamai", "1 + 2 - 4", "-1"),
    Yields("product-before-sum", "Akamai", "1 + 2 * 3", "7"),
    Yields("left-to-right", "Akamai", "100 / 10 / 5 * 2", "4"),
    Yields("sign-before-product", "Akamai", "-2 * -3", "6"),
    Yields("signs", "ours", "- -$(count)", "3"),
    Yields("minus-without-space", "ours", "5-3", "2"),
    Yields("division-toward-zero", "ours", "-7 / 2", "-3"),
    Yields("remainder-has-the-sign-of-the-dividend", "ours", "-7 % 3", "-1"),
    Yields("division-by-zero", "ours", "1 / 0", None),
    Yields("remainder-by-zero", "ours", "1 % 0", None),
    Yields("number-in-text", "ours", "$(QUERY_STRING{page}) * 2", "24"),
    Yields("no-number-in-text", "ours", "$(HTTP_HOST) * 2", None),
    Yields("difference-of-texts", "ours", "'b' - 'a'", None),
    Yields("negative-text", "ours", "-$(HTTP_HOST)", None),
    Yields("texts-together", "Akamai", "'a' + 1 + 'b'", "a1b"),
    Yields("numbers-of-the-request-are-text", "ours", "$(QUERY_STRING{page}) + 1", "121"),
    Yields("lists-together", "Akamai", "$(list) + [1]", "[a, b, c, 1]"),
    Yields("undefined-adds-nothing", "ours", "$(NO_SUCH) + 'a'", "a"),
    Yields("arithmetic-before-comparison", "Akamai", "1 + 1 == 2", "true"),
    # ── Functions ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Yields("call", "Akamai", "$lower($(HTTP_COOKIE{group}))", "advanced"),
    Yields("call-in-call", "Akamai", "$len( $string_split('a b', ' ') )", "2"),
    Yields("call-without-arguments", "Akamai", "$dollar()", "$"),
    Yields("call-with-expression", "Akamai", "$exists($(HTTP_HOST)) & 1 == 1", "true"),
    Yields("call-of-the-page", "Akamai", "$twice('a', 1)", "[a, 1, a, 1]"),
    Yields("call-of-the-page-goes-first", "ours", "$first('A')", "A"),
    Yields("call-of-nobody", "ours", "$gone(1)", None),
)
"""Expression → value. The page defines the functions twice, first, gone (which is not there when it is called)."""


class Wrong(NamedTuple):
    """An expression, its error's code and offset, and a part of the message."""

    expression: str
    code: str
    offset: int
    message: str


WRONG_EXPRESSIONS = (
    Wrong("", "bad-expression", 0, "expected a value at character 1, got end of expression"),
    Wrong("   ", "bad-expression", 3, "expected a value at character 4, got end of expression"),
    Wrong("(1", "bad-expression", 2, "expected ')' at character 3, got end of expression"),
    Wrong("$(A", "bad-expression", 3, "expected ')' at character 4, got end of expression"),
    Wrong("$(A{b)", "bad-expression", 5, "expected '}' at character 6, got ')'"),
    Wrong("$(A{})", "bad-expression", 4, "expected a key"),
    Wrong("$()", "bad-expression", 2, "expected a variable's name"),
    Wrong("$", "bad-expression", 1, "expected '(' and a variable's name"),
    Wrong("$(5)", "bad-expression", 2, "expected a variable's name"),
    Wrong("$(A|'b)", "bad-expression", 4, "has no end"),
    Wrong("$(A|'b' c)", "bad-expression", 8, "expected ')' at character 9, got 'c)'"),
    Wrong("'abc", "bad-expression", 0, "has no end"),
    Wrong("'''abc'", "bad-expression", 0, "has no end"),
    Wrong("$(A)='x'", "bad-expression", 4, "write '=='"),
    Wrong("1 == 1 == 1", "bad-expression", 7, "use parentheses"),
    Wrong("1 ==", "bad-expression", 4, "expected a value"),
    Wrong("== 1", "bad-expression", 0, "expected a value"),
    Wrong("has 'a'", "bad-expression", 0, "expected a value"),
    Wrong("1 2", "bad-expression", 2, "expected an operator or the end at character 3, got '2'"),
    Wrong("'a' == !'b'", "bad-expression", 7, "expected a value"),
    Wrong("[1, 2", "bad-expression", 5, "expected ','"),
    Wrong("[1 2]", "bad-expression", 3, "expected ','"),
    Wrong("[,]", "bad-expression", 1, "expected a value"),
    Wrong("[1..2, 3]", "bad-expression", 5, "expected ']'"),
    Wrong("{1}", "bad-expression", 2, "expected ':'"),
    Wrong("{1: 2 3}", "bad-expression", 6, "expected ','"),
    Wrong("'a' * 3", "bad-expression", 0, "take numbers"),
    Wrong("3 / x", "bad-expression", 4, "take numbers"),
    Wrong("9999999999999999999", "bad-expression", 0, "beyond 64 bits"),
    Wrong("99999999999999999999999", "bad-expression", 0, "beyond 64 bits"),
    Wrong("1 @ 2", "bad-expression", 2, "expected an operator"),
    Wrong("$lower()", "bad-expression", 0, "$lower at character 1 takes 1 argument, got 0"),
    Wrong("1 + $substr('a')", "bad-expression", 4, "takes 2 to 3 arguments, got 1"),
    Wrong("$lower('a'", "bad-expression", 10, "expected ','"),
    Wrong("$nobody(1)", "unknown-function", 0, "no function $nobody"),
    Wrong("$add_header('a', 'b')", "unsupported", 0, "$add_header is not supported"),
    Wrong("$(A) matches 'a('", "bad-pattern", 13, "bad regular expression at character 14"),
    Wrong(r"$(A) matches '(a)\\1'", "bad-pattern", 13, "bad regular expression"),
    Wrong("(" * 65 + "1" + ")" * 65, "bad-expression", 64, "nests more than 64 deep"),
    Wrong("[" * 65, "bad-expression", 64, "nests more than 64 deep"),
    Wrong("$(A|" * 65, "bad-expression", 256, "nests more than 64 deep"),
    Wrong("1" + " " * 16_384, "bad-expression", 16_384, "at most 16,384 characters"),
)
"""Expressions that can't be understood. The page defines no functions."""


class Said(NamedTuple):
    """Text in which variables are shown, and what is shown. parts: how many there are."""

    id: str
    text: str
    shown: str
    parts: int


INTERPOLATIONS = (
    Said("nothing", "", "", 0),
    Said("no-variable", "just text", "just text", 1),
    Said("variable", "at $(HTTP_HOST)!", "at shop.example!", 3),
    Said("variables-side-by-side", "$(count)$(HTTP_COOKIE{n})", "37", 2),
    Said("default", "$(NO_SUCH|'you')", "you", 1),
    Said("undefined", "[$(NO_SUCH)]", "[]", 3),
    Said("undefined-document", "$(document).ready()", ".ready()", 2),
    Said("function", "$upper('a')$(count)", "A3", 2),
    Said("function-of-the-page", "<$first('x')>", "<x>", 3),
    Said("money", "$5 and $(5) and $", "$5 and $(5) and $", 1),
    Said("jquery", "$('.x') $(\"#y\") $(this.z) $ (A) $() $(", "$('.x') $(\"#y\") $(this.z) $ (A) $() $(", 1),
    Said("unknown-function", "$foo(1) $scope.x(2) $$upper", "$foo(1) $scope.x(2) $$upper", 1),
    Said("unfinished", "$(HTTP_HOST $(HTTP_COOKIE{group $(count|'x", "$(HTTP_HOST $(HTTP_COOKIE{group $(count|'x", 1),
    Said("variable-in-what-is-none", "$(a b $(count))", "$(a b 3)", 3),
    Said("dollar-before-variable", "$$(count)", "$3", 2),
    Said("braces-are-text", "{$(count)} {count}", "{3} {count}", 3),
)
"""Text → what is shown. Known functions: the library's, and first."""
