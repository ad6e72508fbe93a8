"""What counts of a byte between its two neighbours reach on BERT's task, in nats per masked byte.

    python examples/bert/tests/python/neighbours.py data/shakespeare.txt

Needs NumPy. The text's last part is held out, as in the run. Fifteen percent of all bytes are masked, and of these eighty in a hundred
show the mask and ten another byte; a neighbour is what is shown of it. Counts are smoothed by interpolation (Witten and Bell 1991):
of both neighbours with the mean of those of one, these with those of no neighbour.
"""

import argparse

import numpy as np

MASK = 256


def shown(text, rng):
    masked = rng.random(len(text)) < 0.15
    way = rng.random(len(text))
    seen = np.where(masked & (way < 0.8), MASK, text)
    other = rng.integers(0, 256, len(text))
    return np.where(masked & (way >= 0.9), other, seen), masked


def smoothed(contexts, bytes_, below):
    """For each context and byte: counts, interpolated with `below(context, byte)`. Gives a function of arrays."""
    pairs, counts = np.unique(contexts.astype(np.int64) * 256 + bytes_, return_counts=True)
    of, start, kinds = np.unique(pairs // 256, return_index=True, return_counts=True)
    totals = np.add.reduceat(counts, start)

    def probability(context, byte):
        at = np.minimum(np.searchsorted(of, context), len(of) - 1)
        known = of[at] == context
        total, kind = np.where(known, totals[at], 0), np.where(known, kinds[at], 1)
        pair = context.astype(np.int64) * 256 + byte
        at = np.minimum(np.searchsorted(pairs, pair), len(pairs) - 1)
        count = np.where(pairs[at] == pair, counts[at], 0)
        return (count + kind * below(context, byte)) / (total + kind)

    return probability


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("text")
    parser.add_argument("--held-out", type=float, default=0.05, help="part of the text at its end [default: 0.05]")
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()

    rng = np.random.default_rng(options.seed)
    text = np.fromfile(options.text, dtype=np.uint8).astype(np.int64)
    cut = len(text) - int(len(text) * options.held_out)
    parts = []
    for part in (text[:cut], text[cut:]):
        seen, masked = shown(part, rng)
        parts.append((seen[:-2], part[1:-1], seen[2:], masked[1:-1]))
    (left, byte, right, _), (valid_left, valid_byte, valid_right, masked) = parts

    def uniform(_context, byte):
        return np.full(byte.shape, 1 / 256)

    none = smoothed(np.zeros_like(byte), byte, uniform)
    alone = lambda _context, byte: none(np.zeros_like(byte), byte)
    by_left, by_right = smoothed(left, byte, alone), smoothed(right, byte, alone)
    one = lambda context, byte: (by_left(context // 257, byte) + by_right(context % 257, byte)) / 2
    both = smoothed(left * 257 + right, byte, one)

    left, byte, right = (x[masked] for x in (valid_left, valid_byte, valid_right))
    for name, found in [
        ("no neighbour", alone(left, byte)),
        ("the byte before", by_left(left, byte)),
        ("both neighbours", both(left * 257 + right, byte)),
    ]:
        print(f"{name}: {-np.log(found).mean():.4f} nats per masked byte, {masked.sum()} bytes")


if __name__ == "__main__":
    main()
