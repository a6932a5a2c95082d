"""XMP: the one property in which a file says how its picture came to be (IPTC's digital source type)."""

from __future__ import annotations

from xml.etree import ElementTree

CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC's controlled vocabulary: an address is this and the code."""

_PROPERTY = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_MAX_PACKET = 1 << 20  # a packet is 2 to 60 kB in practice; larger ones are not parsed


def packet(source_type: str) -> bytes:
    """An XMP packet that says how the picture came to be: a code of CODES, like "trainedAlgorithmicMedia"."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<Iptc4xmpExt:DigitalSourceType>{CODES}{source_type}</Iptc4xmpExt:DigitalSourceType>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def source_type(packet: bytes) -> str | None:
    """The code of the digital source type in an XMP packet, like "trainedAlgorithmicMedia"; None without one.

    The code is what stands after the last "/" of the address that IPTC gives it. A packet that is no XML, or
    that declares entities of its own, says nothing.
    """
    if len(packet) > _MAX_PACKET or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return None
    try:
        root = ElementTree.fromstring(packet.strip(b"\x00 \t\r\n").removeprefix(b"\xef\xbb\xbf"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    for element in root.iter():
        # As an attribute of rdf:Description, or as an element of it with a text or an rdf:resource.
        found = element.get(_PROPERTY)
        if found is None and element.tag == _PROPERTY:
            found = element.get(f"{_RDF}resource") or element.text
        if found and found.strip():
            return found.strip().rpartition("/")[2]
    return None
