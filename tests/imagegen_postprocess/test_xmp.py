"""The digital source type, as other programs write it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen_postprocess.provenance.xmp import packet, source_type

ADDRESS = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
)
FOOT = "</rdf:Description></rdf:RDF></x:xmpmeta>"
SPELLINGS = {
    "an attribute": f' Iptc4xmpExt:DigitalSourceType="{ADDRESS}">' + FOOT,
    "a text": f"><Iptc4xmpExt:DigitalSourceType>\n {ADDRESS} </Iptc4xmpExt:DigitalSourceType>" + FOOT,
    "a resource": f'><Iptc4xmpExt:DigitalSourceType rdf:resource="{ADDRESS}"/>' + FOOT,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_read(spelling: str) -> None:
    packet = HEAD + SPELLINGS[spelling]
    assert source_type(packet.encode()) == "trainedAlgorithmicMedia"
    wrapped = f'<?xpacket begin="\ufeff" id="W5M0"?>\n{packet}\n<?xpacket end="w"?>' + " " * 100
    assert source_type(wrapped.encode()) == "trainedAlgorithmicMedia"
    assert source_type(b"\xef\xbb\xbf" + wrapped.encode() + b"\0") == "trainedAlgorithmicMedia"


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"no xml",
        (HEAD + ">" + FOOT).encode(),
        (HEAD + "><Iptc4xmpExt:DigitalSourceType/>" + FOOT).encode(),
        (HEAD + SPELLINGS["a text"]).encode()[:-5],
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + (HEAD + SPELLINGS["a text"]).encode(),
        (HEAD + SPELLINGS["a text"]).encode() + b" " * (1 << 20),
    ],
)
def test_a_packet_without_one_says_nothing(packet: bytes) -> None:
    assert source_type(packet) is None


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_survived(packet: bytes) -> None:
    source_type(packet)
    source_type(HEAD.encode() + packet)


def test_what_is_written_is_read() -> None:
    assert source_type(packet("algorithmicallyEnhanced")) == "algorithmicallyEnhanced"
