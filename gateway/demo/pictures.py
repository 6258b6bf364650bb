"""The shop's pictures, drawn as SVG: one for each product, shelf and post, and the cloth on the home page.

A picture is a function of names that never change (slug, kind, colour), so its URL may be cached for ever. Every picture stands on the same
ground and ends in the same stitched edge: that is what makes them one family. The canvas is 400 × 400, the floor lies at y = 330.

The drawing of a kind lies in `shapes.py`.
"""

from __future__ import annotations

from gateway.demo.catalogue import Product
from gateway.demo.goods import COLOURS, Category, Colour
from gateway.demo.shapes import SHAPES

__all__ = ["category_picture", "cloth_picture", "product_picture"]


def product_picture(product: Product, category: Category) -> bytes:
    """A product on its shelf's background."""
    colour = product.colour
    # Each product's sun stands elsewhere, so that a page of thirty is not thirty times the same.
    place = sum(map(ord, product.slug))
    sun = f'<circle cx="{90 + place % 7 * 37}" cy="{105 + place % 5 * 14}" r="{96 + place % 4 * 12}" fill="#fff" opacity=".42"/>'
    subject = SHAPES[product.kind.drawing](colour)
    return _frame(category.tones, colour, sun + subject)


def category_picture(category: Category, accent: int = 0) -> bytes:
    """Three of a shelf's kinds side by side. `accent` shifts the colours."""
    places = ((-14, 118, 0.54), (198, 118, 0.54), (68, 88, 0.7))
    order = (1, 2, 0)
    parts = ['<circle cx="200" cy="170" r="140" fill="#fff" opacity=".45"/>']
    for step, (x, y, scale) in enumerate(places):
        colour = COLOURS[(accent + step * 3 + len(category.slug)) % len(COLOURS)]
        drawing = SHAPES[category.kinds[order[step]].drawing](colour)
        # Gradients are named per picture; here three colourways share one, so each gets names of its own.
        own = drawing.replace("url(#", f"url(#s{step}")
        parts.append(f'{_defs(colour, f"s{step}")}<g transform="translate({x} {y}) scale({scale})">{own}</g>')
    return _frame(category.tones, COLOURS[accent % len(COLOURS)], "".join(parts))


def cloth_picture() -> bytes:
    """A piece of plain weave: warp threads that stay, weft threads in all the shop's colours."""
    warp, weft, gap = 15, 15, 40
    bars = []
    for row in range(weft):
        colour = COLOURS[row * 5 % len(COLOURS)]
        y = row * gap + 3
        bars.append(f'<rect x="-10" y="{y}" width="620" height="34" rx="4" fill="{colour.base}"/>')
        bars.append(f'<rect x="-10" y="{y + 4}" width="620" height="6" fill="{colour.light}" opacity=".5"/>')
        bars.append(f'<rect x="-10" y="{y + 27}" width="620" height="7" fill="{colour.dark}" opacity=".35"/>')
    for column in range(warp):
        x = column * gap + 6
        for row in range(weft):
            y = row * gap
            if (row + column) % 2:  # over
                bars.append(f'<rect x="{x}" y="{y - 3}" width="28" height="46" rx="9" fill="#f6eddd"/>')
                bars.append(f'<rect x="{x + 18}" y="{y}" width="8" height="40" rx="4" fill="#d8c6a8" opacity=".75"/>')
                bars.append(f'<rect x="{x + 5}" y="{y + 3}" width="4" height="34" rx="2" fill="#fff" opacity=".8"/>')
            else:  # under: only its shadow shows
                bars.append(f'<rect x="{x - 3}" y="{y + 3}" width="3" height="34" fill="#000" opacity=".14"/>')
                bars.append(f'<rect x="{x + 28}" y="{y + 3}" width="3" height="34" fill="#000" opacity=".14"/>')
    body = "".join(bars)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 600" width="600" height="600">'
        f'<rect width="600" height="600" fill="#5d4a33"/>{body}</svg>'
    ).encode()


def _frame(tones: tuple[str, str], colour: Colour, content: str) -> bytes:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" width="400" height="400">'
        f"{_defs(colour, '')}"
        f'<defs><linearGradient id="wall" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{tones[0]}"/>'
        f'<stop offset="1" stop-color="{tones[1]}"/></linearGradient></defs>'
        f'<rect width="400" height="400" fill="url(#wall)"/>{content}'
        f'<path d="M0 388H400" stroke="{colour.base}" stroke-width="6" stroke-dasharray="14 10" opacity=".8"/>'
        "</svg>"
    ).encode()


def _defs(colour: Colour, prefix: str) -> str:
    """What shapes may fill with: `body` (lit from the left), `top` (lit from above) and `glow`."""
    return (
        f'<defs><linearGradient id="{prefix}body"><stop offset="0" stop-color="{colour.light}"/><stop offset=".45" stop-color="{colour.base}"/>'
        f'<stop offset="1" stop-color="{colour.dark}"/></linearGradient>'
        f'<linearGradient id="{prefix}top" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{colour.light}"/>'
        f'<stop offset="1" stop-color="{colour.base}"/></linearGradient>'
        f'<linearGradient id="{prefix}glow" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#ffd873" stop-opacity=".85"/>'
        '<stop offset="1" stop-color="#ffe9ae" stop-opacity="0"/></linearGradient></defs>'
    )
