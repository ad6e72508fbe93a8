"""Tokens of texts as Python's `tokenizers` makes them, for tests/tokenizers.rs.

    pip install tokenizers
    python examples/shared/tests/python/tokens.py

Writes small tokenizers of every kind, learned from data/shakespeare.txt, and what `encode(text, add_special_tokens=False)` gives,
into tests/data/tokens.json: special tokens in a text are one token each, unknown characters are told or dropped.
"""

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parents[2] / "data/shakespeare.txt").read_text()[:20_000]
SAMPLES = [
    TEXT[300:700],
    "One.<|endoftext|>Two.\n<|endoftext|>\n<|endoftext|>",
    "a [MASK] of [UNK] and <mask> [mask]",
    "naïve – 日本語 \U0001f600\r\n\t two  spaces ",
    " <|endoftext|> [MASK]s",
    "",
]


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return tokenizer, trainers.BpeTrainer(vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False)


def word_piece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[UNK]", 0), ("[MASK]", 1))
    return tokenizer, trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]", "[MASK]"], show_progress=False)


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = [AddedToken("<mask>", lstrip=True, special=True), "<unk>"]
    return tokenizer, trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>", show_progress=False)


def without_unknown():
    return Tokenizer(models.BPE()), trainers.BpeTrainer(vocab_size=120, show_progress=False)


def main():
    found = []
    for make in [byte_level, word_piece, unigram, without_unknown]:
        tokenizer, trainer = make()
        tokenizer.train_from_iterator(TEXT.splitlines(), trainer)
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in SAMPLES]
        found.append({"name": make.__name__, "tokenizer": json.loads(tokenizer.to_str()), "ids": ids})
    content = json.dumps({"texts": SAMPLES, "tokenizers": found}, separators=(",", ":"), ensure_ascii=False)
    (TESTS / "data/tokens.json").write_text(content.replace('{"name"', '\n{"name"') + "\n")


main()
