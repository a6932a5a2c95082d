"""Somebody uses the studio page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from imagegen import Settings, Studio
from imagegen.settings import load_settings
from tests.http.live_server import serving

SECONDS = 1000  # Playwright counts in milliseconds
PHOTO = Path(__file__).parents[2] / "samples" / "photos" / "bag-on-warm-paper.jpg"


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """The page, loaded and ready; afterwards nothing may have gone wrong in it or left this machine."""
    context = browser.new_context(locale="en-GB", accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(60 * SECONDS)
    faults: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server)
    expect(page.locator("#size option")).not_to_have_count(0)
    yield page
    context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith((server, f"blob:{server}"))] == []


def test_a_prompt_becomes_a_picture_that_can_be_downloaded(page: Page) -> None:
    page.get_by_label("What should the picture show?").fill("red leather handbag")
    page.get_by_label("How many").select_option("2")
    page.get_by_text("More settings").click()
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Make pictures").click()
    pictures = page.get_by_role("img", name="Generated picture: red leather handbag")
    expect(pictures).to_have_count(2)
    for picture in pictures.all():
        assert picture.evaluate("async image => { await image.decode(); return image.naturalWidth }") > 0
    expect(page.locator("figcaption").first).to_contain_text("seed7")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    assert download.value.suggested_filename == "red-leather-handbag-7.png"
    expect(page.get_by_role("status")).to_contain_text("2 made in")


def test_what_could_not_be_honoured_is_a_note(page: Page) -> None:
    page.get_by_label("What should the picture show?").fill("red leather handbag " * 40)
    page.get_by_role("button", name="Make pictures").click()
    page.get_by_text("Notes:").first.click()
    expect(page.get_by_text("tokens too long")).to_be_visible()


def test_an_empty_prompt_is_explained_at_the_field(page: Page) -> None:
    page.get_by_role("button", name="Make pictures").click()
    prompt = page.get_by_label("What should the picture show?")
    expect(page.get_by_text("Describe the product first")).to_be_visible()
    expect(prompt).to_be_focused()
    expect(prompt).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="black sunglasses").click()
    expect(prompt).to_have_value("black sunglasses")
    prompt.press("Control+Enter")
    expect(page.get_by_role("img", name="Generated picture: black sunglasses")).to_be_visible()
    expect(page.get_by_text("Describe the product first")).to_be_hidden()


def test_a_picture_may_start_from_a_photo(page: Page, server: str) -> None:
    strength = page.get_by_label("How much may change")
    expect(strength).to_be_hidden()
    page.get_by_label("Start from a photo").set_input_files(PHOTO)
    strength.fill("0.3")
    page.get_by_label("What should the picture show?").fill("red bag")
    page.get_by_text("More settings").click()
    page.get_by_label("Seed").fill("7")
    with page.expect_response("**/v1/images/edits") as told:
        page.get_by_role("button", name="Make pictures").click()
    picture = page.get_by_role("img", name="Generated picture: red bag")
    expect(picture).to_be_visible()
    fields = {"prompt": "red bag", "seed": "7", "strength": "0.3", "background": "opaque"}
    asked = httpx.post(
        f"{server}/v1/images/edits", data=fields, files={"image": PHOTO.read_bytes()}, timeout=60
    )
    assert _pixels(told.value.json()) == _pixels(asked.json())
    page.get_by_role("button", name="Without the photo").click()
    expect(strength).to_be_hidden()
    with page.expect_request("**/v1/images/generations"):
        page.get_by_role("button", name="Make pictures").click()
    expect(picture).to_have_count(2)


def test_what_is_no_photo_is_explained_at_the_field(browser: Browser, server: str) -> None:
    page = browser.new_page(locale="en-GB")
    page.set_default_timeout(60 * SECONDS)
    page.goto(server)
    photo = page.get_by_label("Start from a photo")
    photo.set_input_files({"name": "bag.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.get_by_label("What should the picture show?").fill("red bag")
    page.get_by_role("button", name="Make pictures").click()
    expect(photo).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#photo-fault")).to_contain_text("image")
    page.close()


def test_without_finishing_the_background_cannot_be_chosen(page: Page) -> None:
    finishing = page.get_by_role("switch", name="Finish for the shop")
    transparent = page.get_by_role("radio", name="Transparent")
    expect(transparent).to_be_enabled()
    finishing.press("Space")
    expect(transparent).to_be_disabled()
    page.get_by_label("What should the picture show?").fill("belt")
    page.get_by_role("button", name="Make pictures").click()
    expect(page.get_by_role("img", name="Generated picture: belt")).to_be_visible()


def test_every_language_has_every_text(page: Page) -> None:
    keys = page.evaluate(
        "import('/static/text.js').then(m => Object.values(m.TEXT).map(t => Object.keys(t).sort().join()))"
    )
    assert len(keys) == 3
    assert len(set(keys)) == 1
    page.get_by_label("Language").select_option("pt")
    expect(page.get_by_role("button", name="Criar fotos")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "pt"


def test_the_reference_draws_every_route(page: Page) -> None:
    page.get_by_role("link", name="HTTP reference").click()
    expect(page.get_by_role("heading", name="POST /v1/images/generations")).to_be_visible()
    expect(page.get_by_role("cell", name="output_compression", exact=True).first).to_be_visible()
    expect(page.get_by_role("heading", name="multipart/form-data").first).to_be_visible()
    expect(page.get_by_role("cell", name="strength", exact=True).first).to_be_visible()
    expect(page.get_by_role("heading", name="Errors")).to_be_visible()


def test_what_the_server_refuses_is_shown_with_what_to_do(
    browser: Browser, studio: Studio, settings: Settings
) -> None:
    keyed = load_settings(**{**settings.model_dump(), "api_keys": ("open-sesame",)})
    with serving(studio, keyed) as url:
        page = browser.new_page(locale="es-MX")
        page.set_default_timeout(60 * SECONDS)
        page.goto(url)
        expect(page.get_by_role("alert")).to_contain_text("Escribe la clave de API")
        page.get_by_label("Clave de API").fill("open-sesame")
        page.get_by_label("Clave de API").press("Tab")
        expect(page.locator("#size option")).not_to_have_count(0)
        page.get_by_label("¿Qué debe mostrar la foto?").fill("gafas")
        page.get_by_role("button", name="Crear fotos").click()
        expect(page.get_by_role("img", name="Foto generada: gafas")).to_be_visible()
        expect(page.get_by_role("alert")).to_be_hidden()
        assert page.evaluate("localStorage.length") == 0
        page.close()


def _pixels(answer: dict[str, Any]) -> bytes:
    return Image.open(io.BytesIO(base64.b64decode(answer["data"][0]["b64_json"]))).tobytes()
