"""From typed functions to LLVM's code, by Numba, but for what it does most often here and takes long for.

It looks each time for who can multiply two integers, and asks three times for code for constants first; it writes variables
to memory, zeros before them and zeros at their end, which LLVM has to find out are for nothing.
"""

import collections
import functools
import itertools
import operator
from collections.abc import Container
from typing import Any, NamedTuple

from llvmlite.ir import IRBuilder
from numba.core import types
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.ir import Assign, Inst, Return, Var
from numba.core.lowering import Lower

from fastnn.kernels.compiler import direct, walks
from fastnn.kernels.compiler.answers import Asked, are_int64
from fastnn.kernels.compiler.linking import INLINED


def is_counted(context: Any, kind: types.Type) -> bool:
    """Whether a value of that type holds references that somebody counts."""
    return _is_counted_by(context.data_model_manager, kind)


@functools.cache
def _is_counted_by(models: Any, kind: types.Type) -> bool:
    return bool(models[kind].contains_nrt_meminfo())


class Read(NamedTuple):
    """A statement, the block where it stands, the variables that it reads, and what it makes of them."""

    block: int
    statement: Any
    names: set[str]
    action: str | None

    @property
    def target(self) -> str | None:
        return self.statement.target.name if isinstance(self.statement, Assign) else None


def _read(block: int, statement: Any) -> Read:
    source = statement.value if isinstance(statement, Assign) else statement
    if isinstance(source, Var):
        return Read(block, statement, {source.name}, "copy")
    names = {variable.name for variable in source.list_vars()} if isinstance(source, Inst) else set()
    return Read(block, statement, names, getattr(source, "op", None))


def _divided(builder: Any, left: Any, right: Any) -> tuple[Any, Any]:
    """x // y and x % y of int64. Both are 0 where y is, or where the quotient of the lowest x and -1 is too large: there the
    CPU's end the process. LLVM's are rounded to zero.
    """
    none, lowest = right.type(0), left.type(-(1 << 63))
    overflows = builder.and_(builder.icmp_signed("==", right, right.type(-1)), builder.icmp_signed("==", left, lowest))
    is_none = builder.or_(builder.icmp_signed("==", right, none), overflows)
    divisor = builder.select(is_none, right.type(1), right)
    quotient, rest = builder.sdiv(left, divisor), builder.srem(left, divisor)
    signs_differ = builder.icmp_signed("<", builder.xor(rest, divisor), none)
    above = builder.and_(builder.icmp_signed("!=", rest, none), signs_differ)
    quotient = builder.sub(quotient, builder.zext(above, right.type))
    rest = builder.add(rest, builder.select(above, divisor, none))
    return builder.select(is_none, none, quotient), builder.select(is_none, none, rest)


def _compared(sign: str) -> Any:
    return lambda builder, left, right: builder.icmp_signed(sign, left, right)


# Of two int64, with the results of Numba's own code where division raises no error (jit.py).
WHOLE_NUMBERS = {
    operator.add: lambda builder, left, right: builder.add(left, right),
    operator.sub: lambda builder, left, right: builder.sub(left, right),
    operator.mul: lambda builder, left, right: builder.mul(left, right),
    operator.floordiv: lambda builder, left, right: _divided(builder, left, right)[0],
    operator.mod: lambda builder, left, right: _divided(builder, left, right)[1],
    operator.and_: lambda builder, left, right: builder.and_(left, right),
    operator.or_: lambda builder, left, right: builder.or_(left, right),
    operator.eq: _compared("=="),
    operator.ne: _compared("!="),
    operator.lt: _compared("<"),
    operator.le: _compared("<="),
    operator.gt: _compared(">"),
    operator.ge: _compared(">="),
}


FARTHEST = {min: "<", max: ">"}


class LeanLower(Lower):
    """Numba's lowering of one function."""

    def init(self) -> None:
        self._walks: dict[str, Any] = {}
        self._walks_itself = False
        self.is_direct = direct.is_direct(self.flags, self.fndesc.restype, self.fndesc.argtypes)
        super().init()

    def setup_function(self, fndesc: Any) -> None:
        """Of a function that aligns the stack to its vectors: LLVM finds out too late that registers for them are too few.

        What is kept there then crosses lines, or does not, as the stack happens to begin: LeNet's step took 2,560 us in half
        of all processes and 2,330 in the others.
        """
        if self.is_direct:
            self.function = direct.declared(self.context, self.module, fndesc)
            self.entry_block = self.function.append_basic_block("entry")
            self.builder = IRBuilder(self.entry_block)
            self.call_helper = self.call_conv.init_call_helper(self.builder)
        else:
            super().setup_function(fndesc)
        set.add(self.function.attributes, '"stackrealign"')  # llvmlite's own `add` knows no attributes of a target

    def extract_function_arguments(self) -> Any:
        if not self.is_direct:
            return super().extract_function_arguments()
        self.fnargs = self.function.args[2:]
        return self.fnargs

    def lower_normal_function(self, fndesc: Any) -> None:
        super().lower_normal_function(fndesc)
        self.library.fails = direct.may_fail(self.function)
        if self.is_direct and direct.is_inlined(fndesc, self.function):
            set.add(self.function.attributes, f'"{INLINED.decode()}"')

    def lower_block(self, block: Any) -> None:
        """Numba prepares, for each statement, words for an error, and writes it out for whom it may concern."""
        if self.context.enable_debuginfo:
            super().lower_block(block)
            return
        self.pre_block(block)
        for statement in block.body:
            self.loc = statement.loc
            if isinstance(statement, Assign):
                value = self.lower_assign(self.typeof(statement.target.name), statement)
                self.storevar(value, statement.target.name)
            else:
                self.lower_inst(statement)
        self.post_block(block)

    def lower_inst(self, inst: Any) -> None:
        if self.is_direct and isinstance(inst, Return):
            direct.give_back(self.context, self.builder, self.fndesc.restype, self.loadvar(inst.value.name))
        else:
            super().lower_inst(inst)

    def _is_counted(self, kind: types.Type) -> bool:
        """`is_counted`; and debuggers want to see all variables."""
        return self.context.enable_debuginfo or is_counted(self.context, kind)

    def _find_singly_assigned_variable(self) -> None:
        """Variables that are values, not places in memory: those assigned once, in a block that comes before all that use
        them. Numba finds those that one block uses.
        """
        if any(map(self._is_counted, set(self.fndesc.typemap.values()))):
            super()._find_singly_assigned_variable()
            return
        reads = [_read(offset, statement) for offset, block in self.blocks.items() for statement in block.body]
        times = collections.Counter(each.target for each in reads)
        begins = {each.target: each.block for each in reads if each.target and times[each.target] == 1}
        dominators = compute_cfg_from_blocks(self.blocks).dominators()
        for block, those in itertools.groupby(reads, lambda each: each.block):
            before = set[str]()
            for each in those:
                for name in (each.names - before) & begins.keys():
                    if begins[name] >= block or begins[name] not in dominators.get(block, ()):
                        del begins[name]
                if each.target:
                    before.add(each.target)
        self._singly_assigned_vars, self._blk_local_varmap = set(begins), dict[str, Any]()
        self._walks_itself = all(self._walks_as_usual(each, begins) for each in reads)

    def _walks_as_usual(self, each: Read, begins: Container[str]) -> bool:
        """Whether a statement does with ranges of int64, if it meets some, what a loop does."""
        if each.target and self.typeof(each.target) in walks.KINDS:
            source = each.statement.value
            calls = each.action == "call" and getattr(self.typeof(source.func.name), "typing_key", None) is range
            return each.target in begins and (calls or each.action in ("copy", "getiter"))
        return each.action == "iternext" or not any(self.typeof(name) in walks.KINDS for name in each.names)

    def alloca(self, name: str, kind: types.Type) -> Any:
        """A place, without zeros, which are for the counts of what is replaced."""
        if self._is_counted(kind):
            return super().alloca(name, kind)
        with self.builder.goto_entry_block():
            return self.builder.alloca(self.context.get_value_type(kind), name=name)

    def storevar(self, value: Any, name: str, argidx: Any = None) -> None:
        if self._is_counted(self.typeof(name)):
            super().storevar(value, name, argidx)
        elif name in self._singly_assigned_vars:
            self._blk_local_varmap[name] = value
        else:
            self.builder.store(value, self.getvar(name))

    def delvar(self, name: str) -> None:
        if self._is_counted(self.typeof(name)):
            super().delvar(name)

    def incref(self, typ: Any, val: Any) -> None:
        if self._is_counted(typ):
            super().incref(typ, val)

    def decref(self, typ: Any, val: Any) -> None:
        if self._is_counted(typ):
            super().decref(typ, val)

    def lower_assign(self, ty: types.Type, inst: Any) -> Any:
        """Ranges of int64, and what walks along them, are numbers and places here, not values of their own."""
        if not (self._walks_itself and ty in walks.KINDS):
            return super().lower_assign(ty, inst)
        source, name = inst.value, inst.target.name
        if isinstance(source, Var):
            self._walks[name] = self._walks[source.name]
        elif source.op == "call":
            self._walks[name] = walks.begun(self._values(source.args, self.fndesc.calltypes[source]))
        else:
            self._walks[name] = walks.placed(self.builder, *self._walks[source.value.name])
        return self.context.get_constant_undef(ty)

    def lower_binop(self, resty: Any, expr: Any, op: Any) -> Any:
        """Of two numbers; for constants, only powers have code of their own."""
        signature = self.fndesc.calltypes[expr]
        if op in (operator.pow, operator.ipow) or not all(isinstance(arg, types.Number) for arg in signature.args):
            return super().lower_binop(resty, expr, op)
        values = self._values((expr.lhs, expr.rhs), signature)
        if signature.args == (types.int64, types.int64) and op in WHOLE_NUMBERS:
            result = WHOLE_NUMBERS[op](self.builder, *values)
        else:
            result = self._code(op, signature)(self.builder, values)
        return self.context.cast(self.builder, result, signature.return_type, resty)

    def lower_call(self, resty: Any, expr: Any) -> Any:
        """The least or the greatest of some int64, without a call."""
        kind = self.typeof(expr.func.name)
        sign = FARTHEST.get(kind.typing_key) if isinstance(kind, types.Function) else None
        if sign is None or expr.vararg or len(expr.args) < 2 or not are_int64(self.typeof(arg.name) for arg in expr.args):
            return super().lower_call(resty, expr)
        farthest, *others = (self._cast_var(arg, types.int64) for arg in expr.args)
        for other in others:
            farthest = self.builder.select(self.builder.icmp_signed(sign, other, farthest), other, farthest)
        return self.context.cast(self.builder, farthest, types.int64, resty)

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        """An item of a tuple; for one of an array, a constant index has no code of its own."""
        if expr.op == "iternext" and expr.value.name in self._walks:
            pair = self.context.get_constant_undef(resty)
            for place, item in enumerate(walks.following(self.builder, *self._walks[expr.value.name])):
                pair = self.builder.insert_value(pair, item, place)
            return pair
        if expr.op == "static_getitem":
            kind = self.typeof(expr.value.name)
            if isinstance(kind, types.BaseTuple) and isinstance(expr.index, int) and not self._is_counted(resty):
                return self.builder.extract_value(self.loadvar(expr.value.name), expr.index % len(kind))
            if isinstance(kind, types.Array) and expr.index_var is not None:
                return self.lower_getitem(resty, expr, expr.value, expr.index_var, self.fndesc.calltypes[expr])
        return super().lower_expr(resty, expr)

    def lower_getitem(self, resty: Any, expr: Any, value: Any, index: Any, signature: Any) -> Any:
        result = self._code(operator.getitem, signature)(self.builder, self._values((value, index), signature))
        return self.context.cast(self.builder, result, signature.return_type, resty)

    def _values(self, variables: Any, signature: Any) -> list[Any]:
        return [self._cast_var(variable, kind) for variable, kind in zip(variables, signature.args, strict=True)]

    def _code(self, op: Any, signature: Any) -> Any:
        """What writes the code of an operator for these types. Inference asked for `+=`, say, where `+` is lowered."""
        context = self.context.typing_context
        function = context.resolve_value_type(op)
        return self.context.get_function(function, Asked(context)(function, signature.args, {}))
