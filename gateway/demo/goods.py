"""The raw material of the catalogue: categories, kinds, makers' lines, colours and sentences.

Words and figures only. `catalogue.py` turns them into products; nothing here is random and nothing is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATEGORIES", "COLOURS", "Category", "Colour", "Kind"]


@dataclass(frozen=True, slots=True)
class Colour:
    """A colourway: its name and three tones for the picture, light to dark."""

    name: str
    light: str
    base: str
    dark: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of thing in a category.

    drawing   which function in pictures.py draws it
    price     whole euros of the middle of the range
    size      centimetres as text
    detail    one sentence that is true of every one of them
    """

    noun: str
    drawing: str
    price: int
    size: str
    detail: str


@dataclass(frozen=True, slots=True)
class Category:
    """A shelf of the shop: `lines` × `kinds` are its products."""

    slug: str
    name: str
    blurb: str
    tones: tuple[str, str]
    """Background of the pictures, top and bottom."""
    materials: tuple[str, ...]
    kinds: tuple[Kind, ...]
    lines: tuple[str, ...]
    openers: tuple[str, ...]
    closers: tuple[str, ...]
    tags: tuple[str, ...]


COLOURS = (
    Colour("clay", "#eeb296", "#c96f4a", "#8a4026"),
    Colour("moss", "#bccfa2", "#7a9a5b", "#46613a"),
    Colour("ink", "#8b9dc2", "#45598a", "#232f4d"),
    Colour("oat", "#f4e8d2", "#d6bc94", "#977850"),
    Colour("saffron", "#fbd987", "#e6a532", "#a06a10"),
    Colour("plum", "#cfa8ca", "#8d5a8b", "#54305a"),
    Colour("sky", "#c2dfe9", "#6fa9c2", "#37698a"),
    Colour("slate", "#bfc7ce", "#7b8791", "#434d57"),
)

CATEGORIES = (
    Category(
        slug="lamps",
        name="Lamps",
        blurb="Warm light for desks, corners and long tables.",
        tones=("#fdf3e0", "#f5d8ae"),
        materials=("spun aluminium", "powder-coated steel", "turned ash and linen"),
        kinds=(
            Kind(
                "desk lamp",
                "desk_lamp",
                89,
                "46 × 18",
                "The arm stays where you leave it, and the switch is where your hand already is.",
            ),
            Kind(
                "floor lamp",
                "floor_lamp",
                179,
                "152 × 36",
                "It throws most of its light down and a little up, so that a corner feels like a room.",
            ),
            Kind("pendant", "pendant", 129, "32 × 40", "Hung low over a table it makes everyone look rested."),
        ),
        lines=("Aino", "Bramble", "Corvo", "Dusk", "Ember", "Fennel", "Gloam", "Hollis", "Isla", "Juno"),
        openers=(
            "Made for the hour between work and supper.",
            "A quiet lamp that does one thing and never asks to be admired for it.",
            "Drawn by a lighting engineer who was tired of glare.",
        ),
        closers=(
            "Takes any E27 bulb; a warm one is in the box.",
            "Cord of woven cotton, two and a half metres, replaceable in five minutes.",
        ),
        tags=("dimmable", "reading", "warm light", "made to repair"),
    ),
    Category(
        slug="chairs",
        name="Chairs",
        blurb="Places to sit down properly.",
        tones=("#eef3ea", "#c9d9c3"),
        materials=("solid beech and wool", "steam-bent ash", "oiled oak and paper cord"),
        kinds=(
            Kind(
                "armchair",
                "armchair",
                549,
                "82 × 76 × 80",
                "Deep enough to draw your feet up, upright enough to get out of again.",
            ),
            Kind("stool", "stool", 119, "45 × 36 × 36", "Light enough to carry with two fingers, strong enough to stand on."),
            Kind(
                "dining chair",
                "dining_chair",
                219,
                "79 × 48 × 51",
                "The back gives by about a finger's width, which is what makes a long meal pleasant.",
            ),
        ),
        lines=("Kestrel", "Larch", "Marlow", "Nook", "Osier", "Perch", "Quill", "Rowan", "Settle", "Thorpe"),
        openers=(
            "It began as a kitchen chair and never quite grew out of it.",
            "Three workshops tried to make it simpler; none of them could.",
            "Built the slow way, with joints in place of screws.",
        ),
        closers=(
            "Felt glides are fitted, so the floor stays friends with you.",
            "Every part can be ordered alone, for as long as we sell it and ten years on.",
        ),
        tags=("solid wood", "small rooms", "made to repair", "long dinners"),
    ),
    Category(
        slug="cups",
        name="Cups & pots",
        blurb="Stoneware for the first ten minutes of the day.",
        tones=("#fdeee7", "#f1c9b6"),
        materials=("stoneware", "reactive-glazed stoneware", "thin porcelain"),
        kinds=(
            Kind("mug", "mug", 19, "9 × 8", "It holds 320 ml, and the handle takes three fingers without an argument."),
            Kind("espresso cup", "espresso_cup", 16, "6 × 6", "A thick wall keeps 80 ml hot for as long as 80 ml last."),
            Kind("teapot", "teapot", 64, "15 × 22", "The spout pours without a drip; we threw away eleven that did not."),
        ),
        lines=("Anvil", "Birch", "Cove", "Dapple", "Elm", "Fleck", "Grove", "Heath", "Inlet", "Jetty"),
        openers=(
            "Thrown in batches of forty, so that no two rims are quite alike.",
            "The glaze breaks over the edge and shows the clay, as a good glaze should.",
            "A shape people have agreed upon for about four hundred years.",
        ),
        closers=("Dishwasher and microwave are fine; a hob is not.", "Unglazed foot, sanded smooth, kind to tables."),
        tags=("dishwasher safe", "handmade", "gift", "everyday"),
    ),
    Category(
        slug="plants",
        name="Plants",
        blurb="Green company, potted and ready to be left alone.",
        tones=("#eff6ee", "#c4dec8"),
        materials=("terracotta pot", "glazed pot", "fibre-stone pot"),
        kinds=(
            Kind("cactus", "cactus", 24, "28 × 14", "Water it when you remember that you own it."),
            Kind("rubber plant", "rubber_plant", 39, "60 × 25", "Wipe a leaf now and then and it will shine like a shoe."),
            Kind("ivy", "ivy", 22, "35 × 30", "Put it on a shelf and let it find its own way down."),
        ),
        lines=("Orla", "Pip", "Quince", "Rue", "Sorrel", "Tansy", "Umber", "Vetch", "Willa", "Yarrow"),
        openers=(
            "Grown two hours from our warehouse and sent out in its final pot.",
            "A plant for people who have been told that they kill plants.",
            "It came to us as a cutting and has been doing well ever since.",
        ),
        closers=("Likes a bright place out of the midday sun.", "Arrives in a paper sleeve; no plastic, no peat."),
        tags=("easy care", "slow growing", "bright", "low light"),
    ),
    Category(
        slug="bags",
        name="Bags",
        blurb="Canvas and leather that look better after a year.",
        tones=("#f3effa", "#d2c7e8"),
        materials=("waxed canvas", "vegetable-tanned leather", "recycled sailcloth"),
        kinds=(
            Kind("tote", "tote", 59, "40 × 36 × 12", "Flat bottom, inside pocket, and straps long enough for a winter coat."),
            Kind("backpack", "backpack", 139, "44 × 30 × 15", "A laptop lies against your back, the rest lies wherever it fell."),
            Kind("weekender", "weekender", 189, "32 × 52 × 24", "Two nights' worth, or three if you are honest about shoes."),
        ),
        lines=("Ferry", "Harbour", "Lido", "Mistral", "Nomad", "Orbit", "Pier", "Quay", "Rambler", "Sail"),
        openers=(
            "Sewn by six people who sign the inside pocket.",
            "The zip is the expensive one, because the zip is always what goes first.",
            "Meant to be put on wet ground without a second thought.",
        ),
        closers=(
            "Give it wax or polish once a year and it will see you through many.",
            "Repairs are free for five years, from us, by post.",
        ),
        tags=("water resistant", "cabin size", "made to repair", "commuting"),
    ),
    Category(
        slug="clocks",
        name="Clocks",
        blurb="Time, told without notifications.",
        tones=("#edf4fa", "#bed3e8"),
        materials=("lacquered plywood", "brushed brass", "cast concrete"),
        kinds=(
            Kind("wall clock", "wall_clock", 79, "30 × 4", "The hands are long enough to read across a kitchen."),
            Kind("alarm clock", "alarm_clock", 45, "11 × 9", "It wakes you with a bell, and with nothing else."),
            Kind("mantel clock", "mantel_clock", 99, "22 × 16", "It keeps within a second a week and does not mention it."),
        ),
        lines=("Almanac", "Beacon", "Cadence", "Dial", "Epoch", "Folio", "Gnomon", "Hourly", "Interval", "Jubilee"),
        openers=(
            "No radio, no app, no blue light.",
            "A face that was redrawn until a child could read it.",
            "The movement is silent; the tick you hear is your own.",
        ),
        closers=("Runs about two years on one AA cell.", "Comes with a hook, a level and patience."),
        tags=("silent", "battery", "gift", "bedroom"),
    ),
    Category(
        slug="textiles",
        name="Textiles",
        blurb="Woven on four looms in the next street.",
        tones=("#fbf0ea", "#e5cdbf"),
        materials=("lambswool", "washed linen", "recycled cotton"),
        kinds=(
            Kind("throw", "throw", 95, "130 × 180", "Wide enough for two people on good terms."),
            Kind("cushion", "cushion", 42, "50 × 50", "Feather filling, hidden zip, piped edge."),
            Kind("rug", "rug", 249, "140 × 200", "Flat-woven, the same on both sides, so it lives twice."),
        ),
        lines=("Bobbin", "Chevron", "Damask", "Eyelet", "Fringe", "Gingham", "Heddle", "Ikat", "Jacquard", "Kelim"),
        openers=(
            "Set up once, then drawn through thread by thread: three thousand picks to the metre.",
            "The pattern is as old as the loom; the colours are from last spring.",
            "Woven in a room where you can hear it being made.",
        ),
        closers=("Cool wash, dry flat, forgive the first bit of fluff.", "Dyed in small lots; order together what should match."),
        tags=("handwoven", "washable", "soft", "made nearby"),
    ),
    Category(
        slug="vases",
        name="Vases",
        blurb="For a bunch, a branch, or nothing at all.",
        tones=("#eef5f5", "#c0dada"),
        materials=("hand-thrown porcelain", "matt earthenware", "salt-glazed stoneware"),
        kinds=(
            Kind("bud vase", "bud_vase", 28, "16 × 9", "One stem looks like a decision in it."),
            Kind("bottle vase", "bottle_vase", 54, "31 × 13", "The neck holds branches upright without any wire."),
            Kind("bowl", "bowl", 48, "11 × 26", "Oranges, keys, or a floating flower head."),
        ),
        lines=("Amphora", "Brook", "Calyx", "Delta", "Estuary", "Font", "Gully", "Haven", "Islet", "Jasper"),
        openers=(
            "Turned on a wheel, then left alone at the right moment.",
            "Heavier than it looks, which is why it stays where it is.",
            "The inside is glazed, so it holds water and not only promises.",
        ),
        closers=("Rinse with warm water; leave the bleach in the cupboard.", "Each one is numbered underneath in pencil."),
        tags=("handmade", "watertight", "gift", "one of a kind"),
    ),
)
