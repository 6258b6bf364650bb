"""One drawing for each kind of product: a colourway in, SVG elements out.

Each stands on the floor at y = 330 of a 400 × 400 canvas (or hangs from its top) and may fill with url(#body), url(#top) and url(#glow),
which the frame in `pictures.py` defines in the product's colours.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.demo.goods import Colour

__all__ = ["SHAPES"]

_WOOD = "#b98a5a"
_WOOD_DARK = "#8a6238"
_LEAF = "#5f9a63"
_LEAF_DARK = "#3c6f47"
_LEAF_LIGHT = "#8fbf86"
_BRASS = "#c79a48"
_PAPER = "#fffaf0"


def _shadow(x: int, width: int, y: int = 330) -> str:
    return f'<ellipse cx="{x}" cy="{y}" rx="{width}" ry="11" fill="#1c1a17" opacity=".16"/>'


def _lines(path: str, stroke: str, width: float, *, dash: str = "", opacity: float = 1) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    faint = f' opacity="{opacity}"' if opacity < 1 else ""
    return f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linecap="round" stroke-linejoin="round"{dashes}{faint}/>'


def _desk_lamp(colour: Colour) -> str:
    return (
        f'{_shadow(170, 82)}<path d="M236 168L352 330H196Z" fill="url(#glow)"/>'
        f'<rect x="118" y="314" width="104" height="16" rx="8" fill="url(#body)"/>'
        f"{_lines('M166 316L122 212L216 116', colour.dark, 10)}"
        f'<circle cx="122" cy="212" r="10" fill="{_BRASS}"/>'
        '<g transform="rotate(-32 222 112)"><ellipse cx="222" cy="178" rx="20" ry="15" fill="#fff1c4"/>'
        '<path d="M200 96q22-16 44 0l26 76q-48 18-96 0z" fill="url(#body)"/></g>'
        f'<circle cx="216" cy="114" r="10" fill="{_BRASS}"/>'
    )


def _floor_lamp(colour: Colour) -> str:
    return (
        f'{_shadow(200, 72)}<path d="M150 158H250L316 330H84Z" fill="url(#glow)" opacity=".8"/>'
        f'{_lines("M200 150V322", _WOOD_DARK, 8)}<rect x="146" y="317" width="108" height="13" rx="6.5" fill="{_WOOD_DARK}"/>'
        f'<path d="M164 56H236L264 158H136Z" fill="url(#body)"/><path d="M164 56H236L239 66H161Z" fill="{colour.light}"/>'
        f'{_lines("M226 158V196", _BRASS, 2.5)}<circle cx="226" cy="201" r="5" fill="{_BRASS}"/>'
    )


def _pendant(colour: Colour) -> str:
    return (
        '<path d="M112 212H288L352 372H48Z" fill="url(#glow)" opacity=".85"/>'
        f"{_lines('M200 0V104', colour.dark, 4)}"
        f'<rect x="184" y="92" width="32" height="26" rx="6" fill="{_BRASS}"/><circle cx="200" cy="212" r="24" fill="#fff4cf"/>'
        f'<path d="M104 214C104 150 148 112 200 112S296 150 296 214Z" fill="url(#body)"/>'
        f'<rect x="100" y="208" width="200" height="9" rx="4.5" fill="{colour.dark}"/>'
    )


def _armchair(colour: Colour) -> str:
    return (
        f"{_shadow(200, 130)}{_lines('M126 292L114 328M274 292L286 328', _WOOD_DARK, 11)}"
        '<rect x="108" y="104" width="184" height="176" rx="52" fill="url(#body)"/>'
        f"{_lines('M200 122V206', colour.dark, 2, opacity=0.35)}"
        f'<rect x="122" y="206" width="156" height="56" rx="22" fill="url(#top)"/>'
        f'<rect x="116" y="248" width="168" height="46" rx="16" fill="{colour.dark}"/>'
        f'<rect x="82" y="184" width="54" height="112" rx="26" fill="url(#top)"/><rect x="264" y="184" width="54" height="112" rx="26" fill="url(#body)"/>'
    )


def _stool(colour: Colour) -> str:
    return (
        f"{_shadow(200, 104)}{_lines('M164 172L172 322M236 172L228 322', _WOOD_DARK, 9)}"
        f"{_lines('M142 172L112 328M258 172L288 328', _WOOD, 12)}{_lines('M125 262H275', _WOOD, 8)}"
        f'<ellipse cx="200" cy="170" rx="92" ry="26" fill="{colour.dark}"/><ellipse cx="200" cy="156" rx="92" ry="28" fill="url(#body)"/>'
        f'<ellipse cx="190" cy="150" rx="62" ry="14" fill="{colour.light}" opacity=".55"/>'
    )


def _dining_chair(colour: Colour) -> str:
    return (
        f"{_shadow(200, 104)}{_lines('M142 226V326M258 226V326', _WOOD_DARK, 10)}{_lines('M140 66L136 222M260 66L264 222', _WOOD, 12)}"
        f'<path d="M138 78Q200 52 262 78V120Q200 98 138 120Z" fill="url(#body)"/>{_lines("M142 158Q200 142 258 158", _WOOD, 8)}'
        f"{_lines('M112 234L100 328M288 234L300 328', _WOOD, 13)}"
        f'<path d="M126 204H274L300 234Q200 252 100 234Z" fill="url(#top)"/><path d="M100 234Q200 252 300 234V246Q200 266 100 246Z" fill="{colour.dark}"/>'
    )


def _mug(colour: Colour) -> str:
    return (
        f"{_shadow(192, 96)}{_lines('M178 96q-14-20 0-38t0-36M214 96q-14-20 0-38t0-36', '#fff', 7, opacity=0.75)}"
        f'<path d="M262 182c64-14 66 92-8 84" fill="none" stroke="{colour.dark}" stroke-width="19" stroke-linecap="round"/>'
        '<path d="M110 142H274V268Q274 330 218 330H166Q110 330 110 268Z" fill="url(#body)"/>'
        f'<path d="M110 246q41 22 82 6t82 2v14q0 62-56 62h-52q-56 0-56-62z" fill="{_PAPER}" opacity=".82"/>'
        f'<ellipse cx="192" cy="142" rx="82" ry="20" fill="{colour.light}"/><ellipse cx="192" cy="145" rx="70" ry="14" fill="#5b3a26"/>'
    )


def _espresso_cup(colour: Colour) -> str:
    return (
        f"{_shadow(200, 128)}{_lines('M200 146q-13-18 0-34t0-32', '#fff', 7, opacity=0.75)}"
        f'<ellipse cx="200" cy="316" rx="126" ry="20" fill="{colour.dark}"/><ellipse cx="200" cy="309" rx="126" ry="20" fill="url(#top)"/>'
        f'<path d="M254 212c50-10 50 66-14 60" fill="none" stroke="{colour.dark}" stroke-width="14" stroke-linecap="round"/>'
        '<path d="M132 194H268Q268 308 216 310H184Q132 308 132 194Z" fill="url(#body)"/>'
        f'<ellipse cx="200" cy="194" rx="68" ry="17" fill="{colour.light}"/><ellipse cx="200" cy="197" rx="57" ry="12" fill="#472b1a"/>'
        '<ellipse cx="192" cy="196" rx="26" ry="4.5" fill="#a8784a"/>'
    )


def _teapot(colour: Colour) -> str:
    return (
        f'{_shadow(200, 112)}<path d="M104 250Q58 232 52 168L80 160Q88 204 124 206Z" fill="{colour.base}"/>'
        f"{_lines('M290 206c66-26 72 92-8 82', _WOOD, 15)}"
        '<path d="M200 150C270 150 304 196 304 246S262 330 200 330 96 296 96 246 130 150 200 150Z" fill="url(#body)"/>'
        f'<path d="M148 164Q200 132 252 164Q200 184 148 164Z" fill="{colour.light}"/><circle cx="200" cy="138" r="15" fill="{_WOOD}"/>'
        f'<path d="M126 206Q134 178 160 172" fill="none" stroke="#fff" stroke-width="8" stroke-linecap="round" opacity=".5"/>'
    )


def _pot(colour: Colour) -> str:
    return (
        f'{_shadow(200, 78)}<path d="M134 240H266L248 330H152Z" fill="url(#body)"/>'
        f'<rect x="124" y="226" width="152" height="26" rx="7" fill="{colour.base}"/><rect x="124" y="226" width="152" height="9" rx="4.5" fill="{colour.light}"/>'
    )


def _cactus(colour: Colour) -> str:
    spines = "".join(f"M{x} {y}l7 -5M{x} {y}l-7 -5" for y in range(98, 220, 28) for x in (182, 218))
    return (
        f"{_lines('M168 186H128V138', _LEAF, 34)}{_lines('M232 168H270V112', _LEAF_DARK, 30)}"
        f'<rect x="158" y="62" width="84" height="180" rx="42" fill="{_LEAF}"/><rect x="166" y="70" width="24" height="160" rx="12" fill="{_LEAF_LIGHT}" opacity=".65"/>'
        f"{_lines(spines, '#f5f2dc', 2.5)}"
        f'<g fill="#e77f8d"><circle cx="200" cy="54" r="12"/><circle cx="186" cy="62" r="10"/><circle cx="214" cy="62" r="10"/></g>'
        f'<circle cx="200" cy="60" r="6" fill="#ffd873"/>{_pot(colour)}'
    )


def _leaf(x: int, y: int, turn: int, size: float, fill: str) -> str:
    return (
        f'<g transform="translate({x} {y}) rotate({turn}) scale({size})"><path d="M0 0C-34-22-34-78 0-108C34-78 34-22 0 0Z" fill="{fill}"/>'
        '<path d="M0 0V-96" stroke="#fff" stroke-width="2.5" opacity=".4"/></g>'
    )


def _rubber_plant(colour: Colour) -> str:
    leaves = (
        (200, 196, -68, 0.9, _LEAF_DARK),
        (200, 196, 70, 0.9, _LEAF_DARK),
        (198, 160, -42, 1.0, _LEAF),
        (202, 160, 44, 1.0, _LEAF),
        (200, 120, -14, 0.9, _LEAF_LIGHT),
        (202, 124, 18, 0.85, _LEAF),
    )
    return f"{_lines('M200 236V112', _WOOD_DARK, 7)}{''.join(_leaf(*leaf) for leaf in leaves)}{_pot(colour)}"


def _ivy(colour: Colour) -> str:
    vines = (
        "M170 230C120 200 96 250 100 316",
        "M186 228C150 150 96 160 78 214",
        "M214 228C256 150 304 164 322 220",
        "M230 230C284 200 304 250 298 308",
    )
    spots = (
        (100, 312, 190), (98, 276, 250), (116, 236, 290), (80, 214, 200), (96, 176, 270), (134, 162, 330), (320, 220, 160), (302, 176, 80), (264, 166, 30),
        (298, 304, 170), (302, 268, 110), (282, 230, 70), (176, 214, -26), (200, 206, 4), (226, 214, 30), (160, 190, -40), (240, 190, 40),
    )  # fmt: skip
    leaves = "".join(_leaf(x, y, turn, 0.42, (_LEAF, _LEAF_DARK, _LEAF_LIGHT)[at % 3]) for at, (x, y, turn) in enumerate(spots))
    return f"{_pot(colour)}{''.join(_lines(vine, _LEAF_DARK, 5) for vine in vines)}{leaves}"


def _tote(colour: Colour) -> str:
    return (
        f"{_shadow(200, 112)}{_lines('M152 160C152 40 248 40 248 160', colour.dark, 13)}"
        '<path d="M100 150H300L288 318Q287 330 275 330H125Q113 330 112 318Z" fill="url(#body)"/>'
        f"{_lines('M104 168H296', colour.light, 3, dash='8 8')}{_lines('M152 150V212M248 150V212', colour.dark, 13)}"
        f'<rect x="164" y="226" width="72" height="56" rx="6" fill="{_PAPER}" opacity=".9"/>{_lines("M178 244H222M178 256H222M178 268H206", colour.base, 4)}'
    )


def _backpack(colour: Colour) -> str:
    return (
        f"{_shadow(200, 100)}{_lines('M176 84C176 48 224 48 224 84', colour.dark, 11)}"
        f'<rect x="92" y="200" width="34" height="96" rx="15" fill="{colour.dark}"/><rect x="274" y="200" width="34" height="96" rx="15" fill="{colour.dark}"/>'
        '<path d="M112 154Q112 76 200 76T288 154V302Q288 330 260 330H140Q112 330 112 302Z" fill="url(#body)"/>'
        f'<path d="M112 170V154Q112 76 200 76T288 154V170Q200 196 112 170Z" fill="{colour.base}"/>{_lines("M114 172Q200 198 286 172", colour.light, 3, dash="8 8")}'
        f'<rect x="138" y="222" width="124" height="84" rx="14" fill="url(#top)"/>{_lines("M152 240H248", colour.dark, 4)}'
        f'<rect x="190" y="170" width="20" height="44" rx="5" fill="{_WOOD_DARK}"/><rect x="186" y="190" width="28" height="12" rx="3" fill="{_BRASS}"/>'
    )


def _weekender(colour: Colour) -> str:
    return (
        f"{_shadow(200, 150)}{_lines('M140 204C140 84 260 84 260 204', _WOOD_DARK, 13)}"
        '<path d="M84 176H316Q346 176 346 214V300Q346 330 316 330H84Q54 330 54 300V214Q54 176 84 176Z" fill="url(#body)"/>'
        f"{_lines('M72 190H328', colour.light, 4, dash='9 7')}"
        f'<path d="M54 292V300Q54 330 84 330H316Q346 330 346 300V292Q200 316 54 292Z" fill="{_WOOD_DARK}"/>'
        f'<rect x="130" y="176" width="22" height="130" fill="{_WOOD}"/><rect x="248" y="176" width="22" height="130" fill="{_WOOD}"/>'
        f'<rect x="127" y="218" width="28" height="14" rx="3" fill="{_BRASS}"/><rect x="245" y="218" width="28" height="14" rx="3" fill="{_BRASS}"/>'
    )


def _face(x: int, y: int, radius: int, hand: str) -> str:
    ticks = "".join(
        f'<path d="M{x} {y - radius + 8}v{12 if hour % 3 == 0 else 6}" transform="rotate({hour * 30} {x} {y})" stroke="{hand}" stroke-width="{5 if hour % 3 == 0 else 3}"/>'
        for hour in range(12)
    )
    long, short = radius * 0.62, radius * 0.42
    return (
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{_PAPER}"/>{ticks}'
        f'<g stroke-linecap="round" stroke="{hand}"><path d="M{x} {y}v-{short}" stroke-width="8" transform="rotate(305 {x} {y})"/>'
        f'<path d="M{x} {y}v-{long}" stroke-width="6" transform="rotate(50 {x} {y})"/></g>'
        f'<path d="M{x} {y + 14}V{y - long}" stroke="#d2553f" stroke-width="2.5" transform="rotate(168 {x} {y})"/><circle cx="{x}" cy="{y}" r="6" fill="#d2553f"/>'
    )


def _wall_clock(colour: Colour) -> str:
    return f'<circle cx="206" cy="198" r="138" fill="#1c1a17" opacity=".13"/><circle cx="200" cy="188" r="138" fill="url(#body)"/>{_face(200, 188, 116, colour.dark)}'


def _alarm_clock(colour: Colour) -> str:
    return (
        f"{_shadow(200, 104)}{_lines('M132 296L112 326M268 296L288 326', colour.dark, 14)}{_lines('M166 84Q200 44 234 84', _BRASS, 8)}"
        f'<g fill="url(#top)"><path d="M96 142A46 46 0 0 1 166 86Z"/><path d="M304 142A46 46 0 0 0 234 86Z"/></g>'
        f'<circle cx="200" cy="212" r="108" fill="url(#body)"/>{_face(200, 212, 86, colour.dark)}'
    )


def _mantel_clock(colour: Colour) -> str:
    return (
        f'{_shadow(200, 128)}<path d="M96 316V198C96 132 142 88 200 88S304 132 304 198V316Z" fill="url(#body)"/>'
        f'<rect x="76" y="308" width="248" height="22" rx="8" fill="{colour.dark}"/>{_face(200, 196, 80, colour.dark)}'
        f"{_lines('M152 292H248', colour.light, 4)}"
    )


def _throw(colour: Colour) -> str:
    fringe = "".join(f"M{x} 318v14" for x in range(96, 306, 12))
    layers = "".join(
        f'<rect x="{x}" y="{y}" width="{400 - 2 * x}" height="46" rx="20" fill="{fill}"/>'
        for x, y, fill in ((84, 272, colour.dark), (90, 234, colour.base), (86, 196, colour.light))
    )
    return (
        f"{_shadow(200, 124)}{_lines(fringe, colour.dark, 4)}{layers}"
        f'<path d="M118 180Q200 160 288 182Q312 190 306 250L292 322Q250 308 208 322L214 214Q170 206 112 214Q92 200 118 180Z" fill="url(#body)"/>'
        f"{_lines('M226 226L222 306M246 224L242 302M266 226L264 304', _PAPER, 5, opacity=0.75)}"
        f"{_lines('M112 292H196M112 254H196', _PAPER, 4, dash='2 10')}"
    )


def _cushion(colour: Colour) -> str:
    marks = "".join(f"M{x} {y}l13 -13l13 13" for y in range(156, 290, 32) for x in range(118, 260, 40))
    return (
        f'{_shadow(200, 118)}<path d="M82 112Q200 88 318 112Q344 216 318 324Q200 344 82 324Q56 216 82 112Z" fill="url(#body)"/>'
        f"{_lines(marks, _PAPER, 6, opacity=0.8)}"
        f"{_lines('M82 112Q200 88 318 112Q344 216 318 324Q200 344 82 324Q56 216 82 112Z', colour.dark, 5)}"
    )


def _rug(colour: Colour) -> str:
    fringe = "".join(f"M{46 + step * 19} 318l-4 18" for step in range(17)) + "".join(
        f"M{112 + step * 11} 158l1 -11" for step in range(17)
    )
    return (
        f'{_lines(fringe, colour.dark, 3)}<path d="M108 158H292L358 318H42Z" fill="url(#body)"/>'
        f'<path d="M126 172H274L326 302H74Z" fill="none" stroke="{_PAPER}" stroke-width="5"/>'
        f'<path d="M200 184L268 236L200 292L132 236Z" fill="{_PAPER}" opacity=".9"/><path d="M200 202L240 237L200 272L160 237Z" fill="{colour.dark}"/>'
        f'<path d="M200 219L221 237L200 255L179 237Z" fill="{colour.light}"/>'
    )


def _bud_vase(colour: Colour) -> str:
    petals = "".join(
        f'<ellipse cx="216" cy="62" rx="13" ry="30" transform="rotate({turn} 216 86)" fill="#e77f8d"/>'
        for turn in range(0, 360, 60)
    )
    return (
        f"{_shadow(196, 70)}{_lines('M196 206C194 160 212 130 216 96', _LEAF_DARK, 6)}{_leaf(198, 176, -58, 0.45, _LEAF)}"
        f'{petals}<circle cx="216" cy="86" r="14" fill="#ffd873"/>'
        '<path d="M178 196H214V226C214 244 262 252 262 292Q262 330 224 330H168Q130 330 130 292C130 252 178 244 178 226Z" fill="url(#body)"/>'
        f'<ellipse cx="196" cy="196" rx="22" ry="6" fill="{colour.dark}"/>{_lines("M152 284Q154 268 168 260", "#fff", 6, opacity=0.55)}'
    )


def _bottle_vase(colour: Colour) -> str:
    twigs = "".join(
        _leaf(x, y, turn, 0.34, _LEAF_LIGHT)
        for x, y, turn in ((150, 70, -50), (168, 100, -80), (244, 62, 40), (230, 92, 70), (200, 46, 0), (198, 84, 34))
    )
    return (
        f"{_shadow(200, 82)}{_lines('M200 146L146 62M200 146L198 40M200 146L248 54', _WOOD_DARK, 5)}{twigs}"
        '<path d="M180 140H220V202C220 226 276 236 276 286Q276 330 238 330H162Q124 330 124 286C124 236 180 226 180 202Z" fill="url(#body)"/>'
        f'<rect x="174" y="132" width="52" height="14" rx="7" fill="{colour.dark}"/><path d="M126 272Q200 296 274 272L276 290Q200 314 124 290Z" fill="{_PAPER}" opacity=".75"/>'
    )


def _bowl(colour: Colour) -> str:
    return (
        f'{_shadow(200, 104)}<g><circle cx="160" cy="186" r="38" fill="#f0a04b"/><circle cx="236" cy="182" r="40" fill="#e88d34"/><circle cx="198" cy="166" r="40" fill="#f7b467"/></g>'
        f'{_leaf(206, 130, 60, 0.32, _LEAF)}<rect x="158" y="312" width="84" height="18" rx="6" fill="{colour.dark}"/>'
        '<path d="M72 200H328Q322 320 236 320H164Q78 320 72 200Z" fill="url(#body)"/>'
        f'<rect x="66" y="192" width="268" height="16" rx="8" fill="{colour.base}"/>{_lines("M92 244Q200 268 308 244", _PAPER, 5, dash="3 13")}'
    )


SHAPES: dict[str, Callable[[Colour], str]] = {
    "alarm_clock": _alarm_clock,
    "armchair": _armchair,
    "backpack": _backpack,
    "bottle_vase": _bottle_vase,
    "bowl": _bowl,
    "bud_vase": _bud_vase,
    "cactus": _cactus,
    "cushion": _cushion,
    "desk_lamp": _desk_lamp,
    "dining_chair": _dining_chair,
    "espresso_cup": _espresso_cup,
    "floor_lamp": _floor_lamp,
    "ivy": _ivy,
    "mantel_clock": _mantel_clock,
    "mug": _mug,
    "pendant": _pendant,
    "rubber_plant": _rubber_plant,
    "rug": _rug,
    "stool": _stool,
    "teapot": _teapot,
    "throw": _throw,
    "tote": _tote,
    "wall_clock": _wall_clock,
    "weekender": _weekender,
}
