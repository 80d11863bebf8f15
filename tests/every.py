"""One test over many like things: as strict as one test a thing, and hundreds of times as cheap to begin."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def every(things: Sequence[T], name: Callable[[T], str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The test is run on each of these; it fails in the end and names all it failed on, each with its reason."""
    assert things

    def made(test: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(test)
        async def over_all(**fixtures: Any) -> None:
            wrong = []
            for thing in things:
                try:
                    done = test(thing, **fixtures)
                    if inspect.isawaitable(done):
                        await done
                except AssertionError as error:
                    wrong.append(f"{name(thing)}: {error}")
            assert not wrong, "\n".join(wrong)

        signature = inspect.signature(test)
        rest = list(signature.parameters.values())[1:]
        over_all.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        del over_all.__wrapped__
        return over_all

    return made
