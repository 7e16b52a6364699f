"""Drawings of eight of the 1000 classes, each picture different.

A drawing is a function (rng, width, height) -> RGB picture, whose `info["boxes"]` has a box (xmin, ymin, xmax, ymax)
around each thing of the class. Points are complex numbers, x + iy.
"""

import functools
import io
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_Colour = tuple[int, int, int]  # red, green, blue in 0..255


def encoded_drawing(wnid: str, name: str, seed: int, mode: str) -> bytes:
    """Returns an encoded picture with sides of 180..400 and up to 500 pixels, and random exposure and grain.

    >>> data = encoded_drawing("n07749582", "n07749582_7.JPEG", seed=0, mode="RGB")
    >>> picture = Image.open(io.BytesIO(data))
    >>> picture.format, picture.mode, 180 <= min(picture.size) <= max(picture.size) <= 500
    ('JPEG', 'RGB', True)

    Args:
      wnid: Class to draw, one of `DRAWINGS`.
      name: File name of the picture. Each name gives another picture.
      seed: Seed of the pictures, combined with the name.
      mode: Pillow's mode of the picture. `RGBA` is encoded as PNG, all others as JPEG.
    """
    rng = np.random.default_rng([seed, *name.encode()])
    picture = _drawn(wnid, rng).reduce(2)
    width, height = picture.size
    picture = picture.filter(ImageFilter.BoxBlur(1)) if rng.random() < 0.2 else picture
    gains = (rng.uniform(0.94, 1.06, 3) * rng.uniform(0.85, 1.1)).astype("f4")
    grain = rng.standard_normal((height, width, 1), "f4") * np.float32(rng.uniform(1, 7))
    pixels, buffer = np.clip(np.asarray(picture) * gains + grain, 0, 255).astype(np.uint8), io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG" if mode == "RGBA" else "JPEG", quality=90)
    return buffer.getvalue()


def boxes_of_drawing(wnid: str, name: str, seed: int) -> tuple[tuple[int, int], list[tuple[int, ...]]]:
    """Returns width and height of the picture that `encoded_drawing` makes, and the boxes of its things in pixels.

    A box is (xmin, ymin, xmax, ymax), and ends at the picture's edges.

    >>> boxes_of_drawing("n07749582", "n07749582_7.JPEG", seed=0)
    ((396, 308), [(122, 176, 242, 260)])
    """
    picture = _drawn(wnid, np.random.default_rng([seed, *name.encode()]))
    limits = np.tile(picture.size, 2)
    boxes = np.clip(np.round(picture.info["boxes"]), 0, limits).astype(int) // 2
    return (picture.width // 2, picture.height // 2), [tuple(box) for box in boxes.tolist()]


def _drawn(wnid: str, rng: np.random.Generator) -> Image.Image:
    """Returns a picture at twice its size, for smooth edges."""
    shorter = int(rng.integers(180, 401))
    sides = min(500, int(shorter * rng.uniform(1, 1.6))), shorter
    width, height = sides if rng.random() < 0.7 else sides[::-1]
    return DRAWINGS[wnid](rng, 2 * width, 2 * height)


def _bounds(low: complex, high: complex) -> tuple[float, ...]:
    return low.real, low.imag, high.real, high.imag


def _xy(*places: np.ndarray | complex) -> list[float]:
    return np.hstack(places).astype(complex).view(float).tolist()


def _tint(rng: np.random.Generator, colour: Iterable[int], spread: float = 12, shade: float = 1.0) -> tuple[int, ...]:
    """Returns the colour times `shade`, with each component changed by up to `spread` at random."""
    return tuple(min(255, max(0, int(c * shade + rng.uniform(-spread, spread)))) for c in colour)


def _scene(
    rng: np.random.Generator, width: int, height: int, noise: float, *colours: tuple[_Colour, _Colour]
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Returns a soft picture and its pen. The picture fades from one colour of a random pair to the other."""
    top, bottom = (np.array(_tint(rng, colour)) for colour in colours[rng.integers(len(colours))])
    coarse = Image.fromarray(rng.integers(0, 256, (5, 5), np.uint8)).resize((32, 32))
    chance = noise * (np.asarray(coarse) / 128 - 1 + rng.uniform(-0.2, 0.2, (32, 32)))
    share = np.clip(np.linspace(0, 1, 32)[:, None] + chance, 0, 1)[..., None]
    mixed = (top * (1 - share) + bottom * share).astype(np.uint8)
    image = Image.fromarray(mixed).resize((width, height), Image.Resampling.BILINEAR)
    return image, ImageDraw.Draw(image)


def _glow(image: Image.Image, place: complex, radii: complex, colour: _Colour, strength: float) -> None:
    """Paints a spot that fades outwards: a shadow, a halo or a blurred light."""
    fading = np.clip(1 - np.hypot(*np.mgrid[-1:1:64j, -1:1:64j]), 0, 1) * 255 * strength
    mask = Image.fromarray(fading.astype(np.uint8)).resize((int(2 * radii.real), int(2 * radii.imag)))
    image.paste(colour, (int((place - radii).real), int((place - radii).imag)), mask)


def _solid(
    rng: np.random.Generator,
    skin: _Colour,
    pores: float,
    half_width: Callable[[np.ndarray], np.ndarray] = lambda u: np.sqrt(1 - u**2),
) -> Image.Image:
    """Returns a round object of 128 x 128 pixels, lit from above. `half_width` is its outline, along its axis -1..1."""
    v, u = np.mgrid[-1:1:128j, -1:1:128j].astype("f4")
    edge = half_width(u) + 1e-6
    bumps = pores * np.asarray(Image.fromarray(rng.uniform(-0.5, 0.5, (70, 70)).astype("f4")).resize((128, 128)))
    x = np.clip(u + bumps, -1, 1)
    y = np.clip(v / edge, -1, 1) * np.sqrt(1 - x**2) + bumps
    light = np.clip(rng.uniform(-0.5, 0.5) * x - 0.45 * y + 0.75 * np.sqrt(np.clip(1 - x**2 - y**2, 0, 1)), 0, 1)
    colour = (0.45 + 0.7 * light)[..., None] * _tint(rng, skin) + (70 * light**24)[..., None]
    return Image.fromarray(np.clip(np.dstack([colour, (edge - abs(v)) * 8000]), 0, 255).astype(np.uint8))


def _still_life(
    rng: np.random.Generator, width: int, height: int, *, thing: Callable[[np.random.Generator], Image.Image]
) -> Image.Image:
    """Returns one to four objects with shadows, on wood, cloth, grass or blue ground."""
    grounds = ((130, 84, 48), (165, 119, 83)), ((205, 205, 200), (235, 235, 230)), ((50, 80, 45), (85, 115, 80))
    image, _ = _scene(rng, width, height, 0.25, *grounds, ((66, 92, 130), (101, 127, 165)))
    columns, boxes = rng.permutation(4)[: rng.integers(1, 5)] * 0.17 + rng.uniform(0.2, 0.3), []
    for x, y in zip(columns * width, np.sort(rng.uniform(0.28, 0.72, len(columns))) * height, strict=True):
        place, radius = x + 1j * y, int(min(width, height) * rng.uniform(0.18, 0.3))
        picture = thing(rng).rotate(rng.uniform(-60, 60), Image.Resampling.BILINEAR)
        picture = picture.resize((2 * radius, 2 * radius), Image.Resampling.BILINEAR)
        _glow(image, place + radius * (0.1 + 0.5j), radius * (1.5 + 1j), (25, 20, 15), 0.8)
        image.paste(picture, (int(x) - radius, int(y) - radius), picture)
        boxes.append(np.tile((int(x) - radius, int(y) - radius), 2) + picture.getchannel("A").getbbox())
    image.info["boxes"] = boxes
    return image


def _orange(rng: np.random.Generator) -> Image.Image:
    return _solid(rng, (250, 132, 18), 0.12)


def _lemon(rng: np.random.Generator) -> Image.Image:
    return _solid(rng, (255, 222, 40), 0.1, lambda u: np.maximum(0.46 - 0.6 * u**2, 0.022 * (1 - u**4)) ** 0.5)


def _tennis_ball(rng: np.random.Generator) -> Image.Image:
    image = _solid(rng, (196, 226, 62), 0.35)
    for x, start in (-84, -49), (84, 131):  # circles of the ball's radius that cross its outline at 49 degrees
        ImageDraw.Draw(image).arc((x, 0, x + 128, 128), start, start + 98, (240, 240, 228), 6)
    return image


def _balloon(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image, pen = _scene(rng, width, height, 0.25, ((70, 130, 205), (195, 220, 240)), ((120, 130, 190), (250, 190, 140)))
    for y, hills in (0.86, (110, 135, 120)), (0.92, (85, 120, 75)):
        ridge = np.linspace(0, width, 40) + 1j * (np.cumsum(rng.normal(0, 8, 40)) + height * y)
        pen.polygon(_xy(ridge, width + 1j * height, 1j * height), _tint(rng, hills))
    dyes = (215, 40, 45), (245, 185, 40), (40, 90, 190), (245, 240, 230), (50, 150, 80), (120, 50, 140)
    gores, angles = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 13)), np.linspace(0, 2, 16)
    outline = np.append(np.sin(angles) - 1j * np.cos(angles), np.linspace(0.8 + 0.6j, 0.16 + 1.4j, 5))
    boxes = []
    for radius in min(width, height) * np.sort(rng.uniform(0.1, 0.34, rng.integers(1, 5))):
        place = rng.uniform(radius, width - radius) + 1j * height * rng.uniform(0.3, 0.5)
        palette, twist, sun = rng.permutation(dyes)[: rng.integers(2, 5)], rng.integers(-1, 2), rng.uniform(-1, 1)
        pen.line(_xy(place + radius * np.array((-0.15 + 1.3j, -0.1 + 1.8j, 0.1 + 1.8j, 0.15 + 1.3j))), (60, 50, 40), 2)
        pen.rectangle(_xy(place + radius * np.array((-0.14 + 1.7j, 0.14 + 1.9j))), _tint(rng, (120, 80, 45)))
        for gore, band in np.ndindex(12, 5):
            part, shade = outline[4 * band : 4 * band + 5], 0.55 + 0.5 * np.cos(gores[gore] - sun)
            left, right = (place + radius * (gores[k] * part.real + 1j * part.imag) for k in (gore, gore + 1))
            pen.polygon(
                _xy(left, right[::-1]), _tint(rng, palette[(gore + twist * band) % len(palette)], 0, float(shade))
            )
        boxes.append(_bounds(place - radius * (1 + 1j), place + radius * (1 + 1.9j)))
    image.info["boxes"] = boxes
    return image


def _honeycomb(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), _tint(rng, (196, 134, 48), 20))
    pen, size = ImageDraw.Draw(image), min(width, height) * rng.uniform(0.05, 0.11)
    turn, glint = np.exp(1j * rng.uniform(0, np.pi)), size * np.exp(1j * rng.uniform(0, 6.3)) / 7
    row, column = np.mgrid[-20:20, -20:20].reshape(2, -1)  # enough for the smallest cells
    centres = (width + 1j * height) / 2 + size * turn * (np.sqrt(3) * (column + row % 2 / 2) + 1.5j * row)
    centres = centres[(abs(centres.real / width - 0.5) < 0.65) & (abs(centres.imag / height - 0.5) < 0.65)]
    waves = np.sin(np.stack([centres.real / width, centres.imag / height], 1) @ rng.normal(0, 4, (2, 3))).sum(1)
    kinds = np.digitize(waves + rng.normal(0, 0.4, len(centres)), (-0.5, 0.8))  # areas of full, empty and closed cells
    honey, empty, lid = _tint(rng, (228, 145, 25)), _tint(rng, (92, 50, 14)), _tint(rng, (226, 186, 112))
    hexagon = size * turn * 1j * np.exp(1j * np.pi / 3 * np.arange(6))
    for centre, kind in zip(centres + size * rng.normal(0, 0.03, len(centres)), kinds, strict=True):
        colour, rim, floor = ((honey, 0.5, 1), (empty, 0.5, 0.7), (lid, 0.85, 1))[kind]
        pen.polygon(_xy(centre + hexagon * 0.86), _tint(rng, colour, 8, rim))
        pen.polygon(_xy(centre + glint + hexagon * 0.66), _tint(rng, colour, 12, floor))
        if kind == 0:
            pen.circle(_xy(centre - glint * 2), size / 7, (255, 228, 160))
    image.info["boxes"] = [(0, 0, width, height)]
    return image


def _spider_web(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    green, blue, brown = ((30, 55, 30), (70, 95, 50)), ((25, 35, 60), (80, 95, 115)), ((60, 40, 30), (110, 85, 50))
    image, pen = _scene(rng, width, height, 0.7, green, blue, brown)
    hub = rng.uniform(0.35, 0.65) * width + 1j * rng.uniform(0.35, 0.65) * height
    angles, dew = np.cumsum(rng.uniform(0.7, 1.3, rng.integers(15, 26))), rng.integers(2)
    spokes = min(width, height) * rng.uniform(0.4, 0.75) * np.exp(2j * np.pi * angles / angles[-1])
    silk = _tint(rng, (222, 226, 228))
    pen.line(_xy(hub + np.outer(spokes, (0, 9)).ravel()), silk, 2)
    for ring in np.cumsum(rng.uniform(0.03, 0.07, rng.integers(11, 20))):
        knots = hub + ring * np.append(spokes[-1], spokes)
        sags = hub + ring * 0.47 * (spokes + np.roll(spokes, 1))  # threads hang inwards
        thread = np.stack([knots[:-1], 0.3 * knots[:-1] + 0.7 * sags, 0.3 * knots[1:] + 0.7 * sags, knots[1:]], 1)
        pen.line(_xy(thread.ravel()), silk, 2)
        for drop in sags[: dew * len(sags)]:
            pen.circle(_xy(drop), rng.uniform(2, 6), (245, 248, 250))
    image.info["boxes"] = [(*knots.view(float).reshape(-1, 2).min(0), *knots.view(float).reshape(-1, 2).max(0))]
    return image


def _traffic_light(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    day, dusk, rain = ((95, 150, 215), (215, 225, 235)), ((35, 40, 75), (190, 120, 90)), ((150,) * 3, (205,) * 3)
    image, pen = _scene(rng, width, height, 0.15, day, dusk, rain)
    for x in np.arange(0, width, width / 6):
        pen.rectangle((x, height * rng.uniform(0.45, 0.9), x + width / 7, height), _tint(rng, (112, 104, 104), 30))
    boxes = []
    for x in rng.permutation((0.3, 0.7))[: rng.integers(1, 3)] + rng.uniform(-0.1, 0.1):
        place, radius = x * width + 1j * height * rng.uniform(0.4, 0.55), min(width, height) * rng.uniform(0.07, 0.11)
        case, lit = _tint(rng, rng.permutation([(38, 40, 42), (205, 160, 35), (40, 62, 50)])[0]), rng.integers(3)
        pen.rectangle(_xy(place - radius / 4, place + radius / 4 + 1j * height), (72, 74, 76))
        pen.rounded_rectangle(_xy(place + radius * np.array((-1.4 - 3.9j, 1.4 + 3.9j))), radius / 2, case, "black", 3)
        for lamp, colour in enumerate(((240, 40, 35), (255, 180, 30), (40, 220, 130))):
            middle, shade = place + (lamp - 1) * 2.5j * radius, 1 if lamp == lit else 0.28
            pen.circle(_xy(middle), radius * 1.1, _tint(rng, colour, 10, shade), (12, 12, 14), int(radius / 7))
            if lamp == lit:
                _glow(image, middle, radius * (2.6 + 2.6j), colour, 0.5)
                _glow(image, middle, radius * (0.9 + 0.9j), (255, 250, 225), 0.9)
        boxes.append(_bounds(place - radius * (1.4 + 3.9j), place + radius * (1.4 + 3.9j)))
    image.info["boxes"] = boxes
    return image


def _daisy(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image, pen = _scene(rng, width, height, 0.6, ((60, 105, 45), (95, 140, 55)))
    for y in np.sort(rng.uniform(0, height * 1.1, 300)):
        root, tip = rng.uniform(0, width) + 1j * y, height * (rng.uniform(-0.05, 0.05) - rng.uniform(0.05, 0.16) * 1j)
        pen.line(_xy(root, root + tip), _tint(rng, (85, 140, 55), 25, rng.uniform(0.7, 1.2)), 3)  # a blade of grass
    boxes = []
    for radius in min(width, height) * np.sort(rng.uniform(0.12, 0.38, rng.integers(1, 6))):
        place, count = rng.uniform(0.2, 0.8) * width + 1j * rng.uniform(0.2, 0.8) * height, rng.integers(14, 25)
        petal = radius * (np.array((0, 0.6, 0.9, 1, 0.9, 0.6)) + np.array((0, -2.6j, -1.8j, 0, 1.8j, 2.6j)) / count)
        for k in range(2 * count):  # the second round is shifted by half a petal
            turn, shade = np.exp(2j * np.pi / count * (k + k // count / 2 + rng.normal(0, 0.15))), 0.85 + k // count / 9
            pen.polygon(_xy(place + petal * turn * rng.uniform(0.88, 1.05)), _tint(rng, (236, 234, 230), 10, shade))
        heart = radius * rng.uniform(0.24, 0.34)
        pen.circle(_xy(place), heart * 1.05, _tint(rng, (232, 176, 36)))
        for k in range(70):  # florets, in a sunflower's spiral
            pen.circle(_xy(place + heart * (k / 70) ** 0.5 * np.exp(2.4j * k)), heart / 14, _tint(rng, (205, 140, 22)))
        boxes.append(_bounds(place - radius * (1 + 1j), place + radius * (1 + 1j)))
    image.info["boxes"] = boxes
    return image


DRAWINGS: dict[str, Callable[[np.random.Generator, int, int], Image.Image]] = {
    "n02782093": _balloon,
    "n03530642": _honeycomb,
    "n04275548": _spider_web,
    "n04409515": functools.partial(_still_life, thing=_tennis_ball),
    "n06874185": _traffic_light,
    "n07747607": functools.partial(_still_life, thing=_orange),
    "n07749582": functools.partial(_still_life, thing=_lemon),
    "n11939491": _daisy,
}
