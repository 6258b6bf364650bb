"""Nodes as a line that a person can read and compare:

«text»  verbatim«…»  include(src=/a)[fallback]  try[…|…]  choose(when(test)[…] otherwise[…])  vars[…]  assign(name = value)  foreach(item in list)[…]
"""

from __future__ import annotations

from collections.abc import Iterable

from fragments.esi.nodes import (
    Assign,
    Break,
    Choose,
    Eval,
    Foreach,
    Function,
    Include,
    Inline,
    Node,
    Return,
    Text,
    Try,
    Vars,
    Verbatim,
)

__all__ = ["dump"]


def dump(nodes: Iterable[Node]) -> str:
    return " ".join(_one(node) for node in nodes)


def _in_brackets(nodes: Iterable[Node] | None) -> str:
    return "" if nodes is None else f"[{dump(nodes)}]"


def _in_order(attributes: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in attributes.items())


def _one(node: Node) -> str:  # noqa: PLR0911 - one line for each kind
    match node:
        case Text():
            return f"«{node.data.decode('utf-8', 'surrogateescape')}»"
        case Verbatim():
            return f"verbatim«{node.data.decode('utf-8', 'surrogateescape')}»"
        case Include():
            return f"include({_in_order(node.attributes)}){_in_brackets(node.body)}"
        case Eval():
            return f"eval({_in_order(node.attributes)})"
        case Inline():
            return f"inline({_in_order(node.attributes)}){_in_brackets(node.body)}"
        case Try():
            return f"try[{dump(node.attempt)}|{dump(node.except_)}]"
        case Choose():
            branches = [
                f"when({each.test}{f' as {each.matchname}' if each.matchname else ''}){_in_brackets(each.body)}"
                for each in node.whens
            ]
            return f"choose({' '.join([*branches, *([] if node.otherwise is None else [f'otherwise[{dump(node.otherwise)}]'])])})"
        case Vars():
            return f"vars{f'({node.expression})' if node.expression is not None else ''}[{dump(node.body)}]"
        case Assign():
            return f"assign({node.name}{'' if node.value is None else f' = {node.value}'}){_in_brackets(node.body)}"
        case Foreach():
            return f"foreach({node.item} in {node.collection})[{dump(node.body)}]"
        case Function():
            return f"function({node.name})[{dump(node.body)}]"
        case Return():
            return f"return({node.value})"
        case Break():
            return "break"
