#!/usr/bin/env python3
"""Counts with torch.utils.flop_counter what a tiny GPT-2 and a tiny BERT of transformers compute.

    pip install torch transformers
    python examples/shared/tests/python/flops.py > tests/data/flops.json

For some depths: floating-point operations per token of a forward pass, and of a forward and a backward pass.
Attention is the eager one, whose products the counter sees in full.
"""
import json

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

ROWS, TOKENS, VOCABULARY, WIDTH, HEADS = 2, 16, 61, 24, 3


def model(kind, depth):
    if kind == "gpt2":
        config = GPT2Config(
            vocab_size=VOCABULARY, n_positions=32, n_embd=WIDTH, n_layer=depth, n_head=HEADS, attn_implementation="eager"
        )
        return GPT2LMHeadModel(config)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=depth,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=32,
        attn_implementation="eager",
    )
    return BertForMaskedLM(config)


def per_token(kind, depth):
    net = model(kind, depth)
    ids = torch.randint(0, VOCABULARY, (ROWS, TOKENS))
    with FlopCounterMode(display=False) as forward:
        loss = net(ids, labels=ids).loss
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    counts = [forward.get_total_flops(), forward.get_total_flops() + backward.get_total_flops()]
    return [count / (ROWS * TOKENS) for count in counts]


found = {"width": WIDTH, "hidden": 4 * WIDTH, "tokens": TOKENS, "vocabulary": VOCABULARY, "torch": torch.__version__}
for kind in ("gpt2", "bert"):
    found[kind] = [{"depth": depth, "per_token": per_token(kind, depth)} for depth in (1, 3, 12)]
print(json.dumps(found, indent=1))
