"""The speed of `gpt` beside PyTorch's on the processor: equal model, batch, threads and precision (f32), turn by turn.

    python3 -m venv venv && venv/bin/pip install torch --index-url … (or plain `pip install torch`)
    cargo build -p gpt
    venv/bin/python tests/python/speed.py target/debug/gpt [--threads 1,2] [--repeats 5] [--width 128]

Prints tokens a second of both and their ratio, medians over the repeats. Both train all twelve layers from scratch with AdamW;
`gpt` with several threads takes a step in as many micro-batches, PyTorch as it likes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

LAYERS, HEADS, SEQ, BATCH, VOCABULARY, STEPS = 12, 4, 64, 16, 256, 20


def torch_speed(threads, width):
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.c_attn, self.attn_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.c_fc, self.mlp_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            batch, seq, _ = x.shape
            heads = self.c_attn(self.ln_1(x)).view(batch, seq, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(*heads, is_causal=True)
            x = x + self.attn_proj(mixed.transpose(1, 2).reshape(batch, seq, width))
            return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(VOCABULARY, width), nn.Embedding(SEQ, width)
            self.h = nn.ModuleList(Block() for _ in range(LAYERS))
            self.ln_f = nn.LayerNorm(width)

        def forward(self, ids):
            x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
            for block in self.h:
                x = block(x)
            return self.ln_f(x) @ self.wte.weight.T

    model = Gpt()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.01)
    ids = torch.randint(VOCABULARY, (STEPS + 3, BATCH, SEQ + 1))
    for step, window in enumerate(ids):
        if step == 3:  # the first steps make buffers
            began = time.perf_counter()
        loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return STEPS * BATCH * SEQ / (time.perf_counter() - began)


def gpt_speed(program, threads, width):
    with tempfile.TemporaryDirectory() as out:
        command = [
            program, "--recipe", "scratch", "--optimizer", "adamw", "--steps", str(STEPS), "--width", str(width), "--heads", str(HEADS),
            "--layers", str(LAYERS), "--seq", str(SEQ), "--batch", str(BATCH // threads), "--accumulate", str(threads),
            "--workers", str(threads), "--lr", "0.001", "--checkpoint-every", "1000", "--out", os.path.join(out, "run"),
        ]
        environment = dict(os.environ, RAYON_NUM_THREADS=str(threads))
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(out, "run", "summary.json")) as summary:
            return STEPS * BATCH * SEQ / json.load(summary)["seconds"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program", help="the gpt program")
    options.add_argument("--threads", default="1,2")
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--width", type=int, default=128)
    options.add_argument("--torch", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.torch:
        print(torch_speed(given.torch, given.width))
        return
    print("threads  gpt tokens/s  PyTorch tokens/s  ratio")
    for threads in map(int, given.threads.split(",")):
        ours, theirs = [], []
        for _ in range(given.repeats):
            ours.append(gpt_speed(given.program, threads, given.width))
            command = [sys.executable, __file__, given.program, "--torch", str(threads), "--width", str(given.width)]
            theirs.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        print(f"{threads:7}  {statistics.median(ours):12.0f}  {statistics.median(theirs):16.0f}  {ratio:5.2f}")


if __name__ == "__main__":
    main()
