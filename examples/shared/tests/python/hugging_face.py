#!/usr/bin/env python3
"""Loads exported models with transformers and compares the logits with those that Rust computed.

    cargo test -p apollo-examples --test hugging_face transformers       # exports into target/tmp/hugging_face
    pip install torch transformers safetensors
    python examples/shared/tests/python/hugging_face.py target/tmp/hugging_face [--record FILE]

Every folder in the given one holds config.json, model.safetensors and check.json, which has input ids
`[rows, tokens]` and the logits `[rows * tokens, vocabulary]`. A folder fails if transformers reports a missing,
unexpected or mismatched tensor, gives any warning, computes logits that deviate by more than 1e-4, or would
write other tensors than the export holds. --record keeps the logits after the first and after the last token, which
the Rust tests read: examples/shared/tests/data/hugging_face/logits.json.
"""
import argparse
import json
import logging
import os
import pathlib
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import safetensors
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

AUTO = {"gpt2": AutoModelForCausalLM, "bert": AutoModelForMaskedLM}
TOLERANCE = 1e-4


class Warnings(logging.Handler):
    """Everything that transformers would tell its user."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def load(folder):
    """The model, what its loading reported, and every warning."""
    heard = Warnings()
    logger = logging.getLogger("transformers")
    logger.addHandler(heard)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        config = AutoConfig.from_pretrained(folder)
        model, info = AUTO[config.model_type].from_pretrained(folder, output_loading_info=True)
    logger.removeHandler(heard)
    return model.eval(), info, heard.messages + [str(w.message) for w in raised]


def tensors(file):
    """Name, shape and type of every tensor in a file."""
    with safetensors.safe_open(file, "pt") as opened:
        return {k: (tuple(opened.get_slice(k).get_shape()), opened.get_slice(k).get_dtype()) for k in opened.keys()}


def resaved(model):
    """The tensors that transformers writes for the model."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return tensors(pathlib.Path(folder) / "model.safetensors")


def check(folder):
    """Prints what holds of one export; gives the faults, and the logits of transformers."""
    model, info, heard = load(folder)
    expected = json.loads((folder / "check.json").read_text())
    with torch.no_grad():
        logits = model(input_ids=torch.tensor(expected["input_ids"])).logits
    logits = logits.reshape(-1, logits.shape[-1])
    deviation = (logits - torch.tensor(expected["logits"])).abs()
    scale = logits.abs().clamp(min=1.0)
    worst = float((deviation / scale).max())
    same = resaved(model) == tensors(folder / "model.safetensors")
    faults = [f"{what}: {sorted(found)}" for what, found in info.items() if found]
    faults += [f"warning: {message}" for message in heard]
    faults += [f"logits deviate by {worst:.2e}"] if not worst <= TOLERANCE else []
    faults += [] if same else ["transformers writes other tensors"]
    print(f"{folder.name}: {type(model).__name__}, {model.num_parameters()} parameters")
    print("  loading: " + ", ".join(f"{what} {len(found)}" for what, found in info.items()))
    print(f"  warnings: {len(heard)}")
    print(f"  {logits.numel()} logits from {float(logits.min()):.3f} to {float(logits.max()):.3f}")
    print(f"  largest deviation {float(deviation.max()):.2e}, relative to max(1, |logit|) {worst:.2e}")
    print(f"  tensors as transformers writes them: {'yes' if same else 'no'}")
    for fault in faults:
        print(f"  FAULT {fault}")
    return faults, logits


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--record", type=pathlib.Path)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, safetensors {safetensors.__version__}")
    faults, record = [], {"torch": torch.__version__, "transformers": transformers.__version__}
    for kind in AUTO:
        found, logits = check(options.folder / kind)
        faults += found
        rows = {"first": logits[0], "last": logits[-1]}
        record[kind] = {name: [round(float(x), 7) for x in row] for name, row in rows.items()}
    if options.record and not faults:
        options.record.write_text(json.dumps(record, indent=0) + "\n")
    sys.exit(1 if faults else 0)


main()
