"""Fuzz the compiled tier: random programs against CPython and complex step.

usage: python tests/fuzz/run.py --programs 20000 --seed 0 --jobs 1 [--compiled] [--verify] [--products]

Programs run interpreted (tests/interpret.py) unless --compiled.  With --products they are full of loops over products, and products of any
size are raised, which in small programs would not be worth it.  Prints every program that does not hold, by its seed, and a summary; exit
status 0 where none is wrong and none crashes.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from interpret import interpreted  # noqa: E402

from fuzz.check import Useless, Wrong, check  # noqa: E402
from fuzz.product_programs import product_program  # noqa: E402
from fuzz.programs import program  # noqa: E402
from sciad import verify  # noqa: E402
from sciad.passes import products, unroll  # noqa: E402


def one(seed: int, write: Callable[[int], str]) -> str:
    """The verdict on one program."""
    try:
        return check(write(seed), f"program_{seed}", seed)
    except Useless as error:
        return f"useless: {error}"
    except Wrong as error:
        return f"WRONG: {error}"
    except Exception as error:
        return f"CRASH: {type(error).__name__}: {error}"


def batch(first: int, last: int, compiled: bool = False, checked: bool = False, loops: bool = False) -> list[tuple[int, str]]:
    """Verdicts on a range of seeds."""
    verify.ENABLED = checked
    if loops:
        products.LEAST_WORK, products.LEAST_EXTENT, unroll.MAX_TRIPS = 0, 1, 0
    with nullcontext() if compiled else interpreted():
        return [(seed, one(seed, product_program if loops else program)) for seed in range(first, last)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--compiled", action="store_true", help="through numba, about a second for each program")
    parser.add_argument("--verify", action="store_true", help="check the IR after every pass")
    parser.add_argument("--products", action="store_true", help="programs full of loops over products")
    options = parser.parse_args()
    started, counts = time.perf_counter(), collections.Counter()
    step, last = 250, options.seed + options.programs
    with ProcessPoolExecutor(options.jobs, max_tasks_per_child=1) as pool:  # a fresh process for each batch keeps memory flat
        starts = range(options.seed, last, step)
        ends, n = [min(s + step, last) for s in starts], len(starts)
        for found in pool.map(batch, starts, ends, [options.compiled] * n, [options.verify] * n, [options.products] * n):
            for seed, verdict in found:
                counts[verdict.split(":")[0]] += 1
                if verdict.startswith(("WRONG", "CRASH", "refused")):
                    print(f"program {seed}: {verdict}"[:300], flush=True)
    seconds = time.perf_counter() - started
    print(f"{options.programs} programs from seed {options.seed} in {seconds:.0f} s: {dict(counts)}")
    return int(counts["WRONG"] + counts["CRASH"] > 0)


if __name__ == "__main__":
    sys.exit(main())
