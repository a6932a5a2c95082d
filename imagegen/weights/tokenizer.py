"""Text to token ids as Flux2KleinPipeline does it: Qwen3's chat frame around one user message, thinking
switched off.

The frame is fixed, so it is written out here instead of running the checkpoint's Jinja template; a checkpoint
whose template would give another frame is refused. Knows nothing of the text encoder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from imagegen.errors import CheckpointInvalid
from imagegen.weights.locate import COPY_AGAIN, read_json

FRAME = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
"""What Qwen3's template puts before and after one user message with add_generation_prompt and
enable_thinking=False."""

SPECIALS = ("<|im_start|>", "<|im_end|>")

# A message is framed by its role and left as it is; the reply is opened, with an empty thought when thinking
# is off.
_MESSAGE = re.compile(
    r"'<\|im_start\|>'\+message(?:\.role|\['role'\])\+'\\n'"
    r"\+(?:message\.content|message\['content'\]|content)"
    r"\+'<\|im_end\|>(?:'\+')?\\n'"
)
_REPLY = "'<|im_start|>assistant\\n'"
_NO_THOUGHT = re.compile(
    r"enable_thinkingisdefinedandenable_thinkingisfalse%\}\{\{'<think>\\n\\n</think>\\n\\n'\}\}"
)
_OWN_SYSTEM_PROMPT = re.compile(r"<\|im_start\|>system\\n[^']")


@dataclass(frozen=True)
class Tokens:
    """A prompt padded on the right to a fixed length. `mask` is False on padding; `cut` counts tokens that
    did not fit."""

    ids: list[int]
    mask: list[bool]
    cut: int


class PromptTokenizer:
    """The checkpoint's tokenizer with the chat frame around it."""

    def __init__(self, tokenizer: Tokenizer, pad_id: int) -> None:
        self._tokenizer = tokenizer
        self._pad_id = pad_id

    def encode(self, prompt: str, length: int) -> Tokens:
        """The framed prompt as exactly `length` tokens. What does not fit is cut at the end, frame included,
        as the reference does."""
        opening, closing = FRAME
        ids = self._tokenizer.encode(f"{opening}{prompt}{closing}").ids
        kept = ids[:length]
        padding = length - len(kept)
        return Tokens(
            ids=kept + [self._pad_id] * padding,
            mask=[True] * len(kept) + [False] * padding,
            cut=len(ids) - len(kept),
        )


def load_tokenizer(folder: Path) -> PromptTokenizer:
    """The tokenizer in a checkpoint's tokenizer folder. Raises CheckpointInvalid naming the file and what
    does not fit."""
    file, config_file = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if not file.is_file():
        raise CheckpointInvalid("is missing", field=str(file), hint="copy the checkpoint again")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:
        raise CheckpointInvalid(f"is no tokenizer: {error}", field=str(file), hint=COPY_AGAIN) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    config = read_json(config_file)
    if (side := config.get("padding_side", "right")) != "right" or config.get(
        "truncation_side", "right"
    ) != "right":
        raise CheckpointInvalid(
            f"pads or cuts on the {side}, only right is supported", field=str(config_file)
        )
    _check_template(*_chat_template(folder, config, config_file))
    for token in SPECIALS:
        if len(tokenizer.encode(token, add_special_tokens=False).ids) != 1:
            raise CheckpointInvalid(
                f"{token} is not one token", field=str(file), hint="expected Qwen3's special tokens"
            )
    pad = config.get("pad_token", "<|endoftext|>")
    pad = pad.get("content") if isinstance(pad, dict) else pad
    pad_id = tokenizer.token_to_id(pad) if isinstance(pad, str) else None
    if pad_id is None:
        raise CheckpointInvalid(f"pad_token {pad!r} is not in tokenizer.json", field=str(config_file))
    return PromptTokenizer(tokenizer, pad_id)


def _chat_template(folder: Path, config: dict[str, Any], config_file: Path) -> tuple[str, Path]:
    """The template and its file: transformers 5 writes one of its own, older versions a key of
    tokenizer_config.json."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text(encoding="utf-8"), own
    template = config.get("chat_template")
    if not isinstance(template, str):
        raise CheckpointInvalid(
            "has no chat_template", field=str(config_file), hint="expected Qwen3's chat template"
        )
    return template, config_file


def _check_template(template: str, file: Path) -> None:
    """Refuse a template that would not give FRAME for one user message."""
    bare = (
        re.sub(r"\s+", "", template)
        .replace("{%-", "{%")
        .replace("-%}", "%}")
        .replace("{{-", "{{")
        .replace("-}}", "}}")
    )
    bare = bare.replace('"', "'")
    missing = [
        what
        for what, found in (
            ("the frame around a message", _MESSAGE.search(bare)),
            ("the opened reply", _REPLY in bare),
            ("the empty thought", _NO_THOUGHT.search(bare)),
        )
        if not found
    ]
    if missing or _OWN_SYSTEM_PROMPT.search(bare):
        what = "adds a system prompt of its own" if not missing else f"lacks {', '.join(missing)}"
        raise CheckpointInvalid(
            f"chat template {what}", field=str(file), hint="only Qwen3's chat template is supported"
        )
