"""Colour: casts that are put onto real photos and taken off again, and brand colours that are asked for.

    PYTHONPATH=.:postprocess .venv/bin/python -m benchmarks.bench_colour

Needs ../shared/data. Product photos on plain backgrounds get a lamp, an exposure error, a change of light
across the frame, or all of them. The truth is what finishing makes of the photo without them, since a photo
may have a cast of its own. CIEDE2000 is the mean over the product's pixels, the angular error that between
the lamp and what was taken for it.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from benchmarks.machine import describe_machine, write_results
from benchmarks.real_photos import photos, products
from imagegen_postprocess.background.cut_out import cut_out
from imagegen_postprocess.colour.brand_colour import dominant_colour, match_brand_colour
from imagegen_postprocess.colour.difference import ciede2000
from imagegen_postprocess.colour.exposure import expose
from imagegen_postprocess.colour.linear import to_lab, to_light, to_pixels
from imagegen_postprocess.colour.uneven_light import even_light
from imagegen_postprocess.colour.white_balance import balance_white
from imagegen_postprocess.intake import take_in
from imagegen_postprocess.subject import Plane, Subject

Method = Callable[[Subject], Subject]

# Gains of linear sRGB from a lamp that a camera has half corrected to the shade's blue, exposed so that
# nothing is clipped that was not.
LAMPS = {
    "tungsten, half corrected": (0.95, 0.76, 0.50),
    "warm": (0.95, 0.85, 0.71),
    "cool": (0.76, 0.85, 0.95),
    "shade": (0.64, 0.78, 0.95),
}
STOPS = (-1.5, -0.75, 0.5, 1.5)
SLOPES = {"from the left": (0.65, 0.65, 0.65), "two lamps": (0.8, 0.9, 1.1)}
ASKED = ("#c8102e", "#1d4ed8", "#0f766e", "#f59e0b", "#7c3aed", "#ec4899", "#8a5a2b", "#4b5563")


def under(subject: Subject, gains: tuple[float, float, float], right: tuple[float, float, float]) -> Plane:
    """Linear light of the photo under a lamp that changes to `right` across the frame."""
    ramp = np.linspace(0, 1, subject.width, dtype=np.float32)[None, :, None]
    lamp = np.array(gains, np.float32) * np.array(right, np.float32) ** ramp
    return np.asarray(to_light(subject.pixels) * lamp, np.float32)


def finishing(subject: Subject) -> Subject:
    return expose(balance_white(even_light(subject, 1.0)[0], 1.0)[0], 1.0)[0]


def statistics_of(norm: int) -> Method:
    """Gray-world (norm 1) or shades-of-gray over the whole picture, always believed."""

    def method(subject: Subject) -> Subject:
        light = to_light(subject.pixels).reshape(-1, 3).astype(np.float64)
        cast = (light**norm).mean(axis=0) ** (1 / norm)
        gains = float(cast @ (0.2126, 0.7152, 0.0722)) / np.maximum(cast, 1e-6)
        return Subject(
            to_pixels((light * gains).astype(np.float32)).reshape(subject.pixels.shape), subject.alpha
        )

    return method


METHODS: dict[str, Method] = {
    "imagegen": finishing,
    "imagegen, told that the backdrop is white": lambda subject: expose(
        balance_white(even_light(subject, 1.0)[0], 1.0, white_backdrop=True)[0], 1.0
    )[0],
    "imagegen, white balance only": lambda subject: balance_white(subject, 1.0)[0],
    "gray-world": statistics_of(1),
    "shades-of-gray": statistics_of(6),
    "nothing": lambda subject: subject,
}


def difference(one: Subject, other: Subject) -> float:
    mask = one.alpha > 0.9 if one.alpha is not None else np.ones(one.pixels.shape[:2], bool)
    first, second = one.pixels[mask][None], other.pixels[mask][None]
    step = max(1, first.shape[1] // 4000)
    return float(ciede2000(to_lab(first[:, ::step]), to_lab(second[:, ::step])).mean())


def angle(before: Subject, after: Subject, lamp: tuple[float, float, float]) -> float:
    """Degrees between the lamp and the gains that were applied (whatever lightness they have)."""
    first, second = to_light(before.pixels).reshape(-1, 3), to_light(after.pixels).reshape(-1, 3)
    usable = (first.max(axis=1) < 0.9) & (first.min(axis=1) > 0.02) & (second.max(axis=1) < 0.95)
    if usable.sum() < 50:
        return float("nan")
    taken = np.median(first[usable] / np.maximum(second[usable], 1e-4), axis=0).astype(np.float64)
    truth = np.array(lamp)
    cosine = taken @ truth / (np.linalg.norm(taken) * np.linalg.norm(truth))
    return float(np.degrees(np.arccos(min(1.0, cosine))))


def cut(picture: Any) -> Subject:
    return cut_out(take_in(picture)[0], "plain")[0]


def casts(count: int) -> dict[str, Any]:
    """Per kind of cast and method: mean CIEDE2000 to the photo as it was; the lamps' angular errors."""
    errors: dict[str, dict[str, list[float]]] = {}
    angles: dict[str, list[float]] = {name: [] for name in METHODS}
    for _, picture in products(count):
        plain = cut(picture)
        if plain.alpha is None or plain.backdrop is None:
            continue
        truth, photo = finishing(plain), take_in(picture)[0]
        worlds = {
            **{f"lamp: {name}": (lamp, (1.0, 1.0, 1.0)) for name, lamp in LAMPS.items()},
            **{f"exposure: {stop:+g} EV": ((2.0**stop,) * 3, (1.0, 1.0, 1.0)) for stop in STOPS},
            **{f"gradient: {name}": ((0.95, 0.95, 0.95), right) for name, right in SLOPES.items()},
            "all at once": ((0.75, 0.62, 0.42), (0.75, 0.75, 0.75)),
        }
        for world, (lamp, right) in worlds.items():
            seen = Subject(to_pixels(under(photo, lamp, right)))
            subject = cut_out(seen, "plain")[0]
            if subject.alpha is None:
                continue
            for name, method in METHODS.items():
                done = method(subject)
                errors.setdefault(world, {}).setdefault(name, []).append(difference_to(truth, done))
                if world.startswith("lamp"):
                    angles[name].append(angle(subject, done, lamp))
    return {
        "mean_ciede2000": {
            world: {name: round(statistics.mean(found), 2) for name, found in methods.items()}
            for world, methods in errors.items()
        },
        "pictures": {world: len(methods["nothing"]) for world, methods in errors.items()},
        "lamps_mean_and_p95_angle": {
            name: [round(float(np.nanmean(found)), 2), round(float(np.nanpercentile(found, 95)), 2)]
            for name, found in angles.items()
        },
    }


def scene_casts() -> dict[str, Any]:
    """Whole photos without a cut-out under a lamp: the angle between the lamp and what was taken for it, and
    CIEDE2000 to the photo as it was, which may have a cast of its own."""
    methods = {
        "imagegen": lambda subject: balance_white(subject, 1.0)[0],
        **{name: METHODS[name] for name in ("gray-world", "shades-of-gray", "nothing")},
    }
    whole = [take_in(picture)[0] for _, picture in photos(256)]
    results: dict[str, Any] = {"photos": len(whole)}
    for world, lamp in {"as it is": (1.0, 1.0, 1.0), **LAMPS}.items():
        lit = [Subject(to_pixels(under(photo, lamp, (1.0, 1.0, 1.0)))) for photo in whole]
        row = {}
        for name, method in methods.items():
            done = [method(subject) for subject in lit]
            angles = [angle(one, other, lamp) for one, other in zip(lit, done, strict=True)]
            moved = [difference(one, other) for one, other in zip(whole, done, strict=True)]
            row[name] = {
                "angle_mean_median_p95": [
                    round(float(found), 2)
                    for found in (np.nanmean(angles), np.nanmedian(angles), np.nanpercentile(angles, 95))
                ],
                "ciede2000_mean": round(statistics.mean(moved), 2),
            }
        results[world] = row
    return results


def difference_to(truth: Subject, done: Subject) -> float:
    """Over the truth's product, whatever the cut-out under the lamp made of it."""
    return difference(Subject(truth.pixels, truth.alpha), Subject(done.pixels, truth.alpha))


def good_photos(count: int) -> dict[str, Any]:
    """How far finishing moves the colours of photos that are good: products on white, and whole scenes."""
    moved, scenes = [], []
    for _, picture in products(count, skip=3):
        plain = cut(picture)
        if plain.alpha is not None:
            moved.append(difference(plain, finishing(plain)))
    for _, picture in photos(512):
        whole = take_in(picture)[0]
        scenes.append(difference(whole, balance_white(whole, 1.0)[0]))
    return {
        name: {
            "pictures": len(found),
            "left_alone_share": round(float(np.mean(np.array(found) < 0.1)), 3),
            "median": round(statistics.median(found), 2),
            "p95": round(float(np.percentile(found, 95)), 2),
            "greatest": round(max(found), 2),
        }
        for name, found in (("products_ciede2000", moved), ("scenes_ciede2000_white_balance", scenes))
    }


def structure(before: Subject, after: Subject) -> dict[str, float]:
    """SSIM of L* (window of 7x7 pixels, data range 100, mean over the product), by three readings.

    level: of the two pictures as they are, so that the change of colour that was asked for counts as damage.
    shading: of both moved to the same mean first. contrast: the product of SSIM's contrast and structure
    terms alone (Wang et al. 2004, without the luminance term), which knows no level.
    """
    from skimage.metrics import structural_similarity

    assert before.alpha is not None
    product = before.alpha > 0.9
    first, second = (to_lab(subject.pixels)[..., 0].astype(np.float64) for subject in (before, after))
    middle = float(first[product].mean())
    moved = second - (second[product].mean() - middle)
    results = {}
    for name, other in (("level", second), ("shading", moved)):
        _, field = structural_similarity(  # type: ignore[no-untyped-call]
            np.where(product, first, middle), np.where(product, other, middle), data_range=100.0, full=True
        )
        results[name] = float(field[product].mean())
    one, two = np.where(product, first, middle), np.where(product, moved, middle)
    unbiased = 49 / 48
    mean_one, mean_two = cv2.blur(one, (7, 7)), cv2.blur(two, (7, 7))
    spread_one = unbiased * (cv2.blur(one * one, (7, 7)) - mean_one**2)
    spread_two = unbiased * (cv2.blur(two * two, (7, 7)) - mean_two**2)
    together = unbiased * (cv2.blur(one * two, (7, 7)) - mean_one * mean_two)
    least = (0.03 * 100.0) ** 2
    results["contrast"] = float(((2 * together + least) / (spread_one + spread_two + least))[product].mean())
    return results


def brand_colours(count: int, skip: int) -> dict[str, Any]:
    """Each product in a colour near its own (a correction) and in one of the list (another colour)."""
    results: dict[str, dict[str, list[float]]] = {}
    for place, (_, picture) in enumerate(products(count, skip=skip)):
        plain = cut(picture)
        if plain.alpha is None:
            continue
        own = dominant_colour(plain)
        rng = np.random.default_rng(place)
        near = np.clip([int(own[at : at + 2], 16) + rng.integers(-30, 31) for at in (1, 3, 5)], 8, 247)
        for kind, target in (
            ("correction", "#{:02x}{:02x}{:02x}".format(*near)),
            ("another colour", ASKED[place % len(ASKED)]),
        ):
            done, note = match_brand_colour(plain, target)
            found = results.setdefault(
                kind, {"before": [], "after": [], "anew": [], "level": [], "shading": [], "contrast": []}
            )
            found["before"].append(note.number("difference_before"))
            found["after"].append(note.number("difference_after"))
            found["anew"].append(float(ciede2000(lab_of(dominant_colour(done)), lab_of(target))))
            for name, value in structure(plain, done).items():
                found[name].append(value)
    return {kind: summary(found) for kind, found in results.items()}


def summary(found: dict[str, list[float]]) -> dict[str, Any]:
    values = {name: np.array(each) for name, each in found.items()}
    reached = values["after"] <= 2.0
    return {
        "products": len(reached),
        "mean_before": round(float(values["before"].mean()), 2),
        "mean_after": round(float(values["after"].mean()), 2),
        "within_2": round(float(reached.mean()), 3),
        "within_2_dominant_colour_found_anew": round(float((values["anew"] <= 2.0).mean()), 3),
        "within_2_and_shading_at_least_0.95": round(float((reached & (values["shading"] >= 0.95)).mean()), 3),
        **{
            f"ssim_{name}": {
                "at_least_0.95": round(float((values[name] >= 0.95).mean()), 3),
                "median": round(float(np.median(values[name])), 3),
                "p05": round(float(np.percentile(values[name], 5)), 3),
            }
            for name in ("shading", "contrast", "level")
        },
    }


def lab_of(colour: str) -> Plane:
    rgb = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return np.asarray(to_lab(np.array([[rgb]], np.uint8))[0, 0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--casts", type=int, default=40)
    parser.add_argument("--good", type=int, default=100)
    parser.add_argument("--brands", type=int, default=120)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results = {
        "benchmark": "colour",
        "machine": describe_machine(),
        # The method was chosen on the first products; the others were not looked at.
        "brand_colour": brand_colours(arguments.brands, 5),
        "brand_colour_held_out": brand_colours(arguments.brands, 2),
        "casts": casts(arguments.casts),
        "scene_casts": scene_casts(),
        "good_photos": good_photos(arguments.good),
    }
    print(write_results("colour", "cpu", results))


if __name__ == "__main__":
    main()
