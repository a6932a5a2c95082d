"""Checkpoints of other layouts into ours (docs/models.md).

find.py         what a folder or file holds, told by its content
names.py        which stored tensors make up one of ours
stored.py       a tensor as some tool stored it: dense, or codes with a scale and an offset a group
packs.py, torch_file.py, gguf_file.py
                readers of the tools' files
convert.py      a stored tensor in one of our formats, without loss or as it was asked for
write.py        one safetensors file, tensor by tensor, that can be continued
plan.py         what will be written, checked against the networks
importing.py    the whole import: locked, into a hidden folder, verified, renamed
"""
