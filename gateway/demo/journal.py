"""The blog: twelve short posts, written for this shop."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["POSTS", "Post"]


@dataclass(frozen=True, slots=True)
class Post:
    """One post. `published` is an ISO date; `category` is the shelf it talks about; blank lines part the paragraphs of `text`."""

    slug: str
    title: str
    published: str
    author: str
    category: str
    standfirst: str
    text: str

    @property
    def body(self) -> list[str]:
        """The paragraphs, each on one line."""
        return [" ".join(paragraph.split()) for paragraph in self.text.strip().split("\n\n")]


POSTS = (
    Post(
        slug="why-we-light-corners",
        title="Why we light corners first",
        published="2025-09-18",
        author="Maren Holt",
        category="lamps",
        standfirst="A ceiling light shows you the room. A lamp in the corner lets you stay in it.",
        text="""
            Most rooms are lit the way warehouses are: from the middle of the ceiling, evenly, so that nothing can hide. It is
            practical, and it is the reason why so many people sit in their kitchens in the evening.

            Try the opposite. Switch off what hangs above and put one lamp in the corner that is furthest from the door. The
            room will seem larger, because the eye now has somewhere to travel to. Put a second one at the height of your
            elbow, next to where you sit, and stop there.

            Bulbs matter more than shades. Look for 2700 kelvin or less, and for a colour rendering above 90. If you can only
            dim one of the two lamps, dim the far one.
        """,
    ),
    Post(
        slug="a-chair-is-a-promise",
        title="A chair is a promise",
        published="2025-08-27",
        author="Jonas Adeyemi",
        category="chairs",
        standfirst="You find out what a chair is made of in the third hour of a dinner.",
        text="""
            We test chairs with dinners. Eight people, three courses, and no one is told what it is about. Then we look at who
            has moved: the ones who lean on the table, the ones who sit on a foot, the ones who have gone to stand at the
            window.

            The measurements behind it are dull. A seat that tilts back by four degrees, a back that starts a hand's width
            above it, an edge that is rounded towards the knee. None of it can be seen in a photograph, which is why so many
            handsome chairs are unkind.

            The last thing is weight. A dining chair that is too heavy to pull out with one hand will be pushed with a knee,
            and its joints will know.
        """,
    ),
    Post(
        slug="three-glazes",
        title="Three glazes and what they forgive",
        published="2025-08-05",
        author="Ines Calder",
        category="cups",
        standfirst="Glossy, satin, matt: it is a choice about dishwashers as much as about looks.",
        text="""
            A glossy glaze is glass all the way. Tea does not stain it, spoons do not mark it, and it shows the colour beneath
            at its strongest. If you are rough with your cups, choose gloss.

            Satin is the same glass with fine crystals in it. It is the one that feels like a pebble. It forgives almost
            everything but acid: do not leave lemon in it overnight.

            Matt looks best on the shelf and asks for the most. Cutlery leaves grey lines on it, which are metal and not
            scratches; a paste of baking soda takes them off. We make our espresso cups matt outside and glossy within, which
            is cheating, and works.
        """,
    ),
    Post(
        slug="plants-for-the-absent",
        title="Plants for people who are away",
        published="2025-07-14",
        author="Maren Holt",
        category="plants",
        standfirst="Neglect is a skill. Some plants are good at being its object.",
        text="""
            More houseplants drown than dry out. People come home, feel guilty and water. A plant for somebody who travels
            should therefore be one that takes guilt badly and absence well: a cactus, a snake plant, a rubber plant in a pot
            slightly too small for it.

            Before a journey, do three things. Move everything a metre away from the window; light is what makes a plant
            thirsty. Water once, thoroughly, and let it drain. Then group the pots, because leaves make their own weather.

            When you are back, wait a day before you water. The plant has been fine. It is you who needs the drink.
        """,
    ),
    Post(
        slug="what-waxed-canvas-wants",
        title="What waxed canvas wants",
        published="2025-06-22",
        author="Tomas Reyl",
        category="bags",
        standfirst="Once a year, an old cloth, a warm day. That is the whole of it.",
        text="""
            Waxed canvas is cotton that has been persuaded to behave like leather. The wax sits between the threads and swells
            when it gets wet; that is why it keeps water out and still lets the bag breathe.

            After a year or so the folds go pale. Brush the bag, hang it in the sun until it is warm, and rub the wax in along
            the folds with your fingers. Then take a hair dryer and watch the cloth turn dark as it drinks. Leave it out
            overnight.

            Do not wash it. If something has leaked inside, wipe it with cold water and salt. A waxed bag never becomes clean
            again; it becomes yours.
        """,
    ),
    Post(
        slug="the-case-for-a-slow-clock",
        title="The case for a slow clock",
        published="2025-06-03",
        author="Ines Calder",
        category="clocks",
        standfirst="There is a difference between knowing the time and being told it.",
        text="""
            The telephone tells the time very well, and a number of other things with it. You pick it up to see whether it is
            ten and put it down at twenty past. A clock on the wall has no opinion about your messages.

            We like faces without numerals. It sounds impractical and is the contrary: you stop reading and start seeing. The
            angle between the hands is a picture of how much is left of the hour, and a picture takes no effort.

            Hang it where you can see it from the stove, not from the sofa.
        """,
    ),
    Post(
        slug="warp-and-weft",
        title="Warp and weft, explained at the loom",
        published="2025-05-19",
        author="Jonas Adeyemi",
        category="textiles",
        standfirst="One set of threads is stretched and left alone. The other does the travelling.",
        text="""
            A loom is simpler than it looks. The warp is the set of threads that run away from you: some hundreds of them,
            stretched once, at the start, and then never touched. It takes a day to set up, and it decides how wide and how
            long the cloth may be.

            The weft is the one thread that goes across. It passes over some of the warp and under the rest, is beaten down,
            and comes back. Change its colour, and the pattern changes; the warp does not mind.

            So the slow, expensive part is done once, and all the variety comes from what is drawn through it. Visitors tend
            to be quiet for a moment at this point. Then someone says that it reminds them of their work, whatever their work
            is.
        """,
    ),
    Post(
        slug="an-empty-vase",
        title="In praise of the empty vase",
        published="2025-04-30",
        author="Tomas Reyl",
        category="vases",
        standfirst="Not everything that can hold flowers has to.",
        text="""
            There is a week in November when nothing grows that you would want to cut, and it is then that you find out
            whether you own vases or merely containers. A good one does not look as though it were waiting.

            Group by height rather than by colour: one tall, one low and wide, one that is somewhere between and slightly odd.
            Leave a hand's width of air between them. If the shelf looks finished, take one away.

            A branch is allowed. So is a single dried stalk. Pampas grass has had its turn.
        """,
    ),
    Post(
        slug="how-we-pack",
        title="How we pack things that break",
        published="2025-04-09",
        author="Maren Holt",
        category="cups",
        standfirst="Two boxes, no plastic, and a drop from the height of a delivery van.",
        text="""
            Every new cup is packed, addressed to ourselves, and dropped six times: on each side of the box, from 1.2 metres.
            That is about the height of a van's floor plus one bad mood.

            Paper does most of the work if there is enough of it. The trick is that the thing must not touch the wall of the
            box at any point, and that the paper has to be crumpled, not folded: a fold is a spring that works once.

            Last year one parcel in four hundred arrived with a broken piece. We replace it and ask for a photograph, not as
            proof, but because the picture shows us where it was hit.
        """,
    ),
    Post(
        slug="a-table-by-the-window",
        title="A table by the window",
        published="2025-03-17",
        author="Ines Calder",
        category="chairs",
        standfirst="The cheapest renovation is to turn the desk by ninety degrees.",
        text="""
            If you face the window, you will look out of it. If you have it behind you, your screen will show you the garden.
            Put the table at a right angle, with the light from the side you do not write with.

            Then look at the chair. At a desk the hips should be a little higher than the knees, which most dining chairs do
            not manage and most stools do. An hour on a stool and an hour on a chair beats two hours on anything.

            Clear the table in the evening. It takes two minutes, and the morning starts as if someone had been kind to you.
        """,
    ),
    Post(
        slug="colours-of-the-year-no",
        title="We have no colour of the year",
        published="2025-02-12",
        author="Jonas Adeyemi",
        category="textiles",
        standfirst="Eight colours, for as long as we can get the dye.",
        text="""
            Clay, moss, ink, oat, saffron, plum, sky, slate. They were chosen in one afternoon from things that lay on the
            table: a brick, a coat, a bottle, a bowl of porridge. They have stayed because they get along.

            A fixed set of colours is a kindness to people who buy one thing a year. The cushion of this spring goes with the
            lamp of three years ago. It also keeps our shelves short, which keeps our prices where they are.

            People ask for white. White is not a colour in a house with children in it; it is a schedule.
        """,
    ),
    Post(
        slug="repair-first",
        title="Repair first, then sell",
        published="2025-01-20",
        author="Tomas Reyl",
        category="bags",
        standfirst="The workshop is at the front of the shop, and that was on purpose.",
        text="""
            When you come in, the first thing you see is a bench with somebody else's broken things on it: a zip, a lamp
            without a switch, a chair with three legs. It is not a good way to sell new ones. It is a good way to hear how
            they fail.

            About half of what comes in is done within ten minutes and costs nothing. The other half goes into a book. When
            the same fault stands in the book for the fifth time, we call the maker; that is how the Ferry tote got its second
            row of stitching.

            Bring it even if we did not sell it. We are curious.
        """,
    ),
)
