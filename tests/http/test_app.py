"""The wiring: what the app is made of, and what making it costs."""

from __future__ import annotations

import subprocess
import sys

import httpx

HEAVY = ("torch", "cv2", "onnxruntime", "rembg", "transformers", "diffusers", "PIL")


def test_importing_the_app_loads_no_model_and_no_picture_library() -> None:
    program = f"import sys, imagegen.http.serve; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_frameworks_own_pages_which_load_scripts_from_elsewhere_are_off(http: httpx.Client) -> None:
    assert http.get("/redoc").status_code == 404
    assert "cdn" not in http.get("/docs").text


def test_no_answer_invites_other_origins(http: httpx.Client) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Origin": str(http.base_url)}
    answer = http.options("/v1/images/generations", headers=asked)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]
