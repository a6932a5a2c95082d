"""A server process of its own: it says where it listens, works, and leaves politely."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from imagegen.errors import ModelNotFound, SettingsInvalid
from imagegen.http.serve import listen, serve, url_of
from imagegen.settings import load_settings

PROGRAM = """
import sys
from imagegen.http.serve import serve
from imagegen.settings import load_settings
settings = load_settings(port=0, model=sys.argv[1], data_dir=sys.argv[2], device="cpu")
serve(settings, on_listening=lambda url: print(url, flush=True))
print("left", flush=True)
"""


@pytest.mark.parametrize("goodbye", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0(
    goodbye: signal.Signals, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(tiny_checkpoint), str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    answer = httpx.post(f"{url}/v1/images/generations", json={"prompt": "sock"}, timeout=120)
    process.send_signal(goodbye)
    out, err = process.communicate(timeout=60)
    assert answer.status_code == 200, answer.text
    assert "server" not in answer.headers
    # An older CPU's log says that it has no 8-bit dot product.
    said = [line for line in err.splitlines() if "8-bit dot product" not in line]
    assert (process.returncode, out, said) == (0, "left\n", [])


def test_nothing_starts_without_keys_beyond_this_machine() -> None:
    with pytest.raises(SettingsInvalid, match="host"):
        serve(load_settings(host="0.0.0.0"))


def test_nothing_starts_with_an_unknown_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        serve(load_settings(model="nobody", data_dir=tmp_path))


def test_a_taken_port_is_said_to_be_taken() -> None:
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        assert url_of(bound) == f"http://127.0.0.1:{port}"
        with pytest.raises(SettingsInvalid) as refusal, listen("127.0.0.1", port):
            pass
    assert refusal.value.field == "port"
    assert str(port) in str(refusal.value)


def test_an_answer_is_not_held_back_for_an_acknowledgement() -> None:
    with (
        listen("127.0.0.1", 0) as bound,
        socket.create_connection(bound.getsockname(), timeout=30),
        bound.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_host_that_is_no_address_is_refused() -> None:
    with pytest.raises(SettingsInvalid), listen("127.0.0.999", 0):
        pass


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
def test_ipv6_urls_have_brackets() -> None:
    with listen("::1", 0) as bound:
        assert url_of(bound).startswith("http://[::1]:")
