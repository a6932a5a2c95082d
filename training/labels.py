"""Colour words of training captions, checked against the photos: one in three is not what one sees.

A label of one of the eleven basic colours (colour_names.py) stays where the photo measures the same, is
replaced by the measured name where the photo clearly is another, and is dropped where the photo is between
two. Names that the rule does not know (silver, gold, beige, multi ...) stay. The evaluation does not read
these: it asks by the labels as the retailer wrote them.
"""

from training.captions import Attributes
from training.colour_names import BASIC_OF


def checked(attributes: Attributes) -> Attributes:
    """Attributes with a `measured` basic name ("" where unclear) -> the same with a `colour` one can see."""
    label, measured = attributes["colour"], attributes["measured"]
    if label not in BASIC_OF or BASIC_OF[label] == measured:
        return attributes
    return {**attributes, "colour": measured}
