"""The verifier finds what a broken pass would leave."""

from __future__ import annotations

import pytest

from sciad.ir import B1, F8, I8, Builder, Op, Region, Value
from sciad.verify import MalformedIR, verify


def region(*ops: Op, params=(), results=()) -> Region:
    made = Region(params)
    made.ops, made.results = list(ops), list(results)
    return made


def test_a_value_must_be_defined_before_its_use():
    a = Value(F8)
    late = Op("sin", [a], [F8])
    early = Op("add", [a, late.result], [F8])
    verify(region(late, early, params=[a], results=[early.result]))
    with pytest.raises(MalformedIR, match="not available"):
        verify(region(early, late, params=[a]))


def test_a_value_of_an_inner_region_is_not_available_outside():
    b, k = Builder(), Value(I8)
    n = Value(I8)
    outer = b.enter([k])
    inside = b.add(k, k)
    body = b.leave(outer)
    loop = Op("for", [n], [], [body])
    with pytest.raises(MalformedIR, match="not available"):
        verify(region(loop, params=[n], results=[inside]))


def test_a_value_is_defined_once():
    a = Value(F8)
    op = Op("sin", [a], [F8])
    with pytest.raises(MalformedIR, match="twice"):
        verify(region(op, op, params=[a]))


@pytest.mark.parametrize(
    "op",
    [
        Op("add", [Value(F8), Value(I8)], [F8]),
        Op("less", [Value(F8), Value(F8)], [F8]),
        Op("logical_and", [Value(F8), Value(B1)], [B1]),
        Op("load", [Value("*float64"), Value(F8)], [F8]),
        Op("load", [Value("*float32"), Value(I8)], [F8]),
        Op("store", [Value("*float64"), Value(I8), Value(I8)], []),
        Op("select", [Value(I8), Value(F8), Value(F8)], [F8]),
        Op("check", [Value(I8)], []),
        Op("const", [], [I8], (), {"value": 1.0}),
    ],
    ids=lambda op: op.name,
)
def test_types(op):
    with pytest.raises(MalformedIR, match="rule"):
        verify(region(op, params=list(op.args)))


def test_carried_values_have_one_type():
    n, start, k, s = Value(I8), Value(F8), Value(I8), Value(I8)
    body = region(params=[k, s], results=[s])
    with pytest.raises(MalformedIR, match="one type"):
        verify(region(Op("for", [n, start], [F8], [body]), params=[n, start]))
