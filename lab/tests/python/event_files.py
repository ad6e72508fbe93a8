#!/usr/bin/env python3
"""Reads the event file of a run that was stopped and resumed with TensorBoard's own reader, and holds it against the tables.

    pip install tensorboard
    python lab/tests/python/event_files.py target/debug/gpt
"""
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

OPTIONS = "--layers 4 --width 16 --heads 2 --seq 8 --batch 2 --steps 30 --checkpoint-every 7 --tensorboard"


def train(program, out, *more):
    subprocess.run([program, *OPTIONS.split(), "--out", str(out), *more], check=True, stdout=subprocess.DEVNULL)


def table(out, name):
    with open(out / name, newline="") as file:
        return list(csv.DictReader(file))


def same(found, expected, name):
    found = [(event.step, event.value) for event in found]
    assert [step for step, _ in found] == [step for step, _ in expected], (name, found, expected)
    for (step, one), (_, other) in zip(found, expected):
        assert abs(one - other) <= 1e-6 * abs(other), (name, step, one, other)


def check(out):
    accumulator = EventAccumulator(str(out), size_guidance={"scalars": 0})
    accumulator.Reload()
    steps, validation = table(out, "steps.csv"), table(out, "validation.csv")
    for name in ["train_loss", "lr", "virtual_depth", "unique_layers"]:
        same(accumulator.Scalars(name), [(int(row["step"]), float(row[name])) for row in steps], name)
    full = max(int(row["depth"]) for row in validation)
    at_full = [row for row in validation if int(row["depth"]) == full]
    for name in ["val_loss", "operations"]:
        same(accumulator.Scalars(name), [(int(row["step"]), float(row[name])) for row in at_full], name)
    unique = [(int(row["step"]), float(row["val_loss"])) for row in validation if int(row["depth"]) < full]
    same(accumulator.Scalars("val_loss_at_unique_layers"), unique, "val_loss_at_unique_layers")
    # The reader hides what a restart repeats: here nothing is repeated.
    (file,) = out.glob("*tfevents*")
    events = sum(1 for _ in LegacyEventFileLoader(str(file)).Load())
    assert events == 1 + 4 * len(steps) + 2 * len(at_full) + len(unique), events
    return len(steps)


def main():
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        whole, parts = Path(folder, "whole"), Path(folder, "parts")
        train(program, whole)
        train(program, parts, "--stop-after", "10")
        with open(next(parts.glob("*tfevents*")), "ab") as file:
            file.write(b"torn")
        train(program, parts, "--resume", "--stop-after", "17")
        train(program, parts, "--resume")
        print(f"TensorBoard reads {check(whole)} and {check(parts)} steps as the tables have them")


if __name__ == "__main__":
    main()
