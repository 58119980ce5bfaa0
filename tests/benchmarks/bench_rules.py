"""All risk rules once (goal 9: p50 at most 25 us, wanted 10): propose and assess an entry on a full desk.

Run with `uv run pytest tests/benchmarks/bench_rules.py -m bench -n 0 -s`. Last table (2 shared cores, Python 3.12):

{TABLE}
"""
