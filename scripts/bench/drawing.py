"""Line drawings as SVG: values over a few steps of equal width, with an axis on either side."""

from common import described

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 80, 80, 60, 70
BLUE, ORANGE, GREEN = "#1f5fa8", "#b5541c", "#3a7d34"
DASHED, DOTTED = "8 4", "2 4"


def ceiling(value):
    """The next number of two leading digits, so that axes end at a round one."""
    step = 10 ** max(len(str(int(value))) - 2, 0)
    return (int(value / step) + 1) * step


def spaced(number):
    return f"{number:,.0f}".replace(",", " ")


def place(number, steps, share):
    """Where a point of the plot is: its number among the steps, its share of the axis."""
    x = LEFT + number * (WIDTH - LEFT - RIGHT) / (steps - 1)
    return x, HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def line(values, most, colour, dashes=""):
    """A line over the steps; where there is no value it has no point."""
    places = [place(number, len(values), value / most) for number, value in enumerate(values) if value is not None]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>{dots}'


def text(x, y, what, anchor="middle", size=12):
    what = what.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{what}</text>'


def axes(steps, below, left, right):
    """`left` and `right` are a name and the most of it."""
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    for part in range(5):
        _, y = place(0, len(steps), part / 4)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        yield text(LEFT - 8, y + 4, spaced(left[1] * part / 4), "end")
        yield text(WIDTH - RIGHT + 8, y + 4, spaced(right[1] * part / 4), "start")
    for number, step in enumerate(steps):
        yield text(place(number, len(steps), 0)[0], HEIGHT - BOTTOM + 18, spaced(step))
    yield text(WIDTH / 2, HEIGHT - BOTTOM + 36, below)
    yield text(LEFT, TOP - 12, left[0], "middle")
    yield text(WIDTH - RIGHT, TOP - 12, right[0], "end")


def legend(names):
    """Names by colour."""
    x = LEFT + 40
    for colour, name in names:
        yield f'<circle cx="{x}" cy="24" r="5" fill="{colour}"/>' + text(x + 10, 28, name, "start", 13)
        x += 60 + 8 * len(name)


def picture(title, parts, machine):
    """The whole file, with the machine below."""
    body = "\n".join([*parts, text(WIDTH / 2, HEIGHT - 14, described(machine), size=10)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif">\n<title>{title}</title>\n{body}\n</svg>\n'
    )
