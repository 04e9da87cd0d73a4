"""What calling the functions of a file gives back, and the values of its dicts."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from modscope.linter.facts import Function, FunctionFacts, Scope, Targets, dotted, statements


def of_function(node: Function, scope: Scope) -> FunctionFacts:
    """What a function outside classes gives back."""
    returns = _returns(node)
    return FunctionFacts(returns, scope, *(_contents(node) if None in returns else ()))


def tables(body: list[ast.stmt]) -> Iterator[tuple[str, Targets]]:
    """The dicts that a body sets names to, and what calling their values calls."""
    for statement in body:
        match statement:
            case ast.Assign([ast.Name(name)], ast.Dict(_, [_, *_] as values)) | ast.AnnAssign(
                ast.Name(name), value=ast.Dict(_, [_, *_] as values)
            ):
                yield name, tuple(dict.fromkeys(_callee(value) for value in values if not _is_none(value)))


def factories(body: list[ast.stmt]) -> Mapping[str, Targets]:
    """The variables that a body sets to a lambda or a partial, and what calling them calls."""
    made: dict[str, dict[str | None, None]] = {}
    for statement in statements(body):
        match statement:
            case ast.Assign([ast.Name(name)], value):
                called = _callee(value) if isinstance(value, ast.Lambda | ast.Call) else None
                made.setdefault(name, {})[called] = None
    return {name: tuple(called) for name, called in made.items() if any(called)}


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _callee(value: ast.expr) -> str | None:
    """What a call of an expression calls: a class, the class in a lambda or a partial."""
    match value:
        case ast.Lambda(arguments, ast.Call(called)):
            name = dotted(called)
            given = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            return None if name and name.partition(".")[0] in given else name
        case ast.Call(ast.Name("partial") | ast.Attribute(attr="partial"), [made, *_]):
            return dotted(made)
    return dotted(value)


def _returns(function: Function) -> Targets:
    """The calls whose results a function returns, directly or through a variable it has just made.

    "@0" is its first argument itself.
    """
    arguments = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    made: dict[str, Targets] = {}
    classes: dict[str, Targets] = {}  # variables for what is looked up in a dict
    returned: dict[str | None, None] = {}
    for statement in statements(function.body):
        match statement:
            case ast.Assign([ast.Name(name)], value):
                made[name] = _callees(value.func, classes) if isinstance(value, ast.Call) else (None,)
                classes[name] = _entries(value) or (name,)
            case ast.Return(ast.Call(called)):
                returned |= dict.fromkeys(_callees(called, classes))
            case ast.Return(ast.Name(name)):
                given = f"@{arguments.index(name)}" if name in arguments else None
                returned |= dict.fromkeys(made.get(name, (given,)))
            case ast.Return(value) if not (value is None or isinstance(value, ast.Constant)):
                returned[None] = None
            case ast.Expr(ast.Yield()):
                returned[None] = None
    return tuple(returned)


def _callees(called: ast.expr, classes: Mapping[str, Targets]) -> Targets:
    """What a call may call, by dotted names; "norms[]" is any value of the dict `norms`."""
    if isinstance(called, ast.Name) and called.id in classes:
        return classes[called.id]
    return _entries(called) or (dotted(called),)


def _entries(value: ast.expr) -> Targets:
    """What `norms[name]` and `norms.get(name)` may be; nothing for any other expression."""
    match value:
        case ast.Subscript(table) | ast.Call(ast.Attribute(table, "get")):
            if isinstance(table, ast.Dict):
                return tuple(_callee(each) for each in table.values if not _is_none(each))
            return (f"{name}[]",) if (name := dotted(table)) else ()
    return ()


_CONTAINERS: dict[type[ast.expr], str] = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Tuple: "tuple",
    ast.Dict: "dict",
    ast.DictComp: "dict",
}


def _contents(function: Function) -> tuple[str | None, Targets]:
    """The plain container that a function returns, directly or by its variable, and what is called for its elements."""
    values: dict[str, list[ast.expr]] = {}  # of its variables
    fillings: dict[str, list[ast.expr]] = {}
    returned: list[ast.expr] = []
    yielded: list[ast.expr] = []
    arguments = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    for statement in statements(function.body):
        match statement:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                values.setdefault(name, []).append(value)
            case ast.Assign([ast.Tuple(names)], ast.Tuple(several)) if len(names) == len(several):
                for each, value in zip(names, several, strict=True):
                    values.setdefault(each.id if isinstance(each, ast.Name) else "", []).append(value)
            case ast.Assign([ast.Subscript(ast.Name(name))], value):
                fillings.setdefault(name, []).append(value)
            case ast.AugAssign(ast.Name(name), ast.Add(), value):
                fillings.setdefault(name, []).append(value)
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "append" | "extend" | "insert"), [*_, value])):
                fillings.setdefault(name, []).append(value)
            case ast.Expr(ast.Yield(ast.expr() as value)):
                yielded.append(value)
            case ast.Return(value) if value is not None:
                returned.append(value)
    if yielded:
        return "generator", tuple(dict.fromkeys(_called(yielded, values, arguments)))
    waiting = [*returned]
    shapes = set()
    for value in returned:
        if isinstance(value, ast.Name):
            shapes |= {_CONTAINERS.get(type(each)) for each in values.get(value.id, (value,))}
            waiting += fillings.get(value.id, ())
        else:
            shapes.add(_CONTAINERS.get(type(value)))
    if len(shapes) != 1 or None in shapes:
        return None, ()
    return shapes.pop(), tuple(dict.fromkeys(_called(waiting, values, arguments)))


def _called(
    waiting: list[ast.expr], values: Mapping[str, list[ast.expr]], arguments: list[str]
) -> Iterator[str | None]:
    """The calls that make these values, or what stands in them; "@0" is a copy of the first argument."""
    seen: set[ast.expr] = set()
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        match value:
            case ast.Call(ast.Name("deepcopy") | ast.Attribute(attr="deepcopy"), [ast.Name(name)]) if name in arguments:
                yield f"@{arguments.index(name)}"
            case ast.Call(called):
                yield dotted(called)
            case ast.Name(name) if name in values:
                waiting += values[name]
            case ast.List(elements) | ast.Tuple(elements) | ast.Dict(_, elements):
                waiting += elements
            case ast.ListComp(element) | ast.DictComp(_, element) | ast.Starred(element):
                waiting.append(element)
            case ast.IfExp(_, one, other):
                waiting += (one, other)
            case ast.Constant(None):
                pass
            case _:
                yield None
