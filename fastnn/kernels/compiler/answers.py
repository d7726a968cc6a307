"""What Numba has been asked about types already."""

import inspect
from collections.abc import Iterable
from typing import Any, ClassVar

from numba.core import types
from numba.core.typing.context import BaseContext


class Asked:
    """What a call of a function with arguments of these types returns, where no question is asked twice.

    Numba asks every template of an operator, NumPy's too, each time. A function's type names its templates, so that what is
    added to them later makes a new question. Numba's overloads are asked each time: which code is theirs depends on the
    flags of whoever asked last.
    """

    answers: ClassVar[dict[tuple[Any, Any], Any]] = {}

    def __init__(self, context: Any) -> None:
        self.context = context

    def __call__(self, func: Any, args: Any, kws: Any) -> Any:
        func = self.context._lookup_global(func) or func
        is_item = func == "static_getitem" and isinstance(args[1], int)
        if kws or not (is_item or isinstance(func, types.Function | types.Dispatcher)):
            return BaseContext.resolve_function_type(self.context, func, args, kws)
        answer = self.answers.get((func, args))
        if answer is None:
            answer = BaseContext.resolve_function_type(self.context, func, args, kws)
            if answer is not None and not (isinstance(func, types.Function) and _is_overload(func, answer, args)):
                self.answers[func, args] = answer
        return answer


def _is_overload(func: Any, answer: Any, args: Any) -> bool:
    """Whether the answer stands for code that Numba has compiled, in place of a function that writes some."""
    if func.typing_key in (min, max) and are_int64(args):
        return False  # lowering.py writes it
    key = func.get_impl_key(answer)
    return not (key is func.typing_key or inspect.isfunction(key))


def are_int64(kinds: Iterable[Any]) -> bool:
    return all(types.unliteral(kind) == types.int64 for kind in kinds)
