"""Generated functions: their source is of our own words, and it shows where they fail."""

import traceback

import pytest

from mlops_assets.core.features.online.generated_function import GeneratedFunction


def test_a_function_does_what_was_written_with_the_objects_that_were_named():
    written = GeneratedFunction("scale", ("value",))
    factor = [3]
    written.write(f"first = value * {written.name(factor)}[0]", "return first + 1")
    assert written.name(factor) == written.name(factor)
    scale = written.compiled()
    assert scale(2) == 7
    factor[0] = 10
    assert scale(2) == 21


def test_a_function_without_statements_does_nothing():
    assert GeneratedFunction("nothing", ()).compiled()() is None


@pytest.mark.parametrize("text", ["__import__('os')", "'", "\n", "{0}"])
def test_a_text_is_an_object_and_never_source(text: str):
    written = GeneratedFunction("text", ())
    written.write(f"return {written.name(text)}")
    assert text not in written.source.replace("\n", "") or text == "\n"
    assert written.compiled()() == text


def test_a_failing_line_shows_in_the_traceback_of_its_own_function():
    functions = []
    for divisor in ("zero", "nought"):
        written = GeneratedFunction("divide", (divisor,))
        written.write(f"return 1 / {divisor}")
        functions.append(written.compiled())
    with pytest.raises(ZeroDivisionError) as caught:
        functions[0](0)
    assert "return 1 / zero" in "".join(traceback.format_exception(caught.value))
