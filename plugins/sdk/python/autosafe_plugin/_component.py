"""Components: functions, with what the host is told of them."""

import collections.abc
import dataclasses
import inspect
import typing

from . import _types
from . import plugin_pb2 as pb

SDK_VERSION = "0.1.0"
ROLES = ("threat_source", "simulator", "reflector", "judge", "output", "evaluation")


class Fail(Exception):
    """Fails a row: raise it, or yield it from a source in the row's place.

    Rows are counted by code, such as "invalid_reply". What a model call
    failed with is one too. A transient failure is not remembered.
    """

    def __init__(self, code, detail="", *, summary="", transient=False):
        super().__init__(detail or summary or code)
        self.code, self.detail, self.transient = code, detail, transient
        self.summary = summary or code.replace("_", " ")


def unfit(failure):
    """Says under which code a trial counts a model's reply that cannot be used.

    "" for what is trouble on the way to the model: an evaluation lets that fail
    the row, since it says nothing of the agent.
    """
    if failure.transient:
        return ""
    if failure.code in ("invalid_reply", "truncated", "context_too_long"):
        return failure.code
    return "content_filter" if failure.code == "refused" else ""


class Drop(Exception):
    """Leaves a row out on purpose: raise it, or yield it from a source."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason or "dropped"


class Problems:
    """Collects what is wrong with a configuration."""

    def __init__(self):
        self.list = []

    def error(self, path, summary, detail):
        """Reports a problem at an argument, or at a path into it."""
        self._add(path, summary, detail, warning=False)

    def warning(self, path, summary, detail):
        """Reports what is allowed but likely wrong."""
        self._add(path, summary, detail, warning=True)

    def _add(self, path, summary, detail, warning):
        d = pb.Diagnostic(warning=warning, summary=summary, detail=detail)
        for i, step in enumerate((path,) if isinstance(path, str) else path):
            if isinstance(step, int):
                d.path.add(index=step)
            elif i == 0:
                d.path.add(attribute=step)
            else:
                d.path.add(key=step)
        self.list.append(d)

    @property
    def fatal(self):
        """Says whether the configuration cannot be used."""
        return any(not d.warning for d in self.list)


@dataclasses.dataclass
class Component:
    """A component. Make one by source, rows or sink."""

    shape: str
    function: typing.Callable
    config: type
    reads: type = None
    writes: type = None
    doc: str = ""
    options: dict = dataclasses.field(default_factory=dict)

    def describe(self, role, name):
        """Makes the description that the host keeps."""
        o = self.options
        c = pb.Component(role=role, name=name, doc=self.doc, config=_types.block(self.config),
                         behavior_version=o.get("behavior", ""), deterministic=o.get("deterministic", False))
        if self.shape == "dataset":
            c.grain = "dataset"
        if self.shape in ("rows", "dataset"):
            c.reads.extend(_types.columns(self.reads, reading=True))
            c.reads_all = self.reads is dict
        if self.shape == "sink":
            c.reads_all = True
        else:
            c.writes.extend(_types.columns(self.writes, reading=False))
            c.writes_open = self.writes is dict
        if o.get("calls"):
            least, most, *times = o["calls"]
            c.calls.CopyFrom(pb.Calls(min=least, max=most, times=times[0] if times else ""))
        for argument, value, most, *times in o.get("calls_where", ()):
            c.calls.more.add(argument=argument, value=value, max=most, times=times)
        return c

    def configure(self, given):
        """Reads a configuration; gives it, or None, and the problems."""
        problems, values = Problems(), {}
        fields = {f.name: f for f in dataclasses.fields(self.config)}
        hints = _types.hints_of(self.config)
        if not isinstance(given, dict):
            problems.error((), "Unsuitable configuration", "A block's configuration must be a JSON object.")
            return None, problems.list
        for name in sorted(given.keys() - fields.keys()):
            problems.error(name, "Unsupported argument", f'An argument named "{name}" is not expected here.')
        for name, field in fields.items():
            _argument(field, hints[name], given.get(name), values, problems)
        if problems.fatal:
            return None, problems.list
        config = self.config(**values)
        if hasattr(config, "validate"):
            config.validate(problems)
        return None if problems.fatal else config, problems.list


def _argument(field, kind, value, values, problems):
    """Reads one argument into values."""
    if value is None:
        if _types.default_of(field) is not _types.MISSING:
            return
        inner, optional = _types.without_none(kind)
        if optional:
            values[field.name] = None
        elif inner is _types.Files:  # filled in by the host when the component runs
            values[field.name] = _types.Files()
        else:
            problems.error((), "Missing required argument", f'The argument "{field.name}" is required.')
        return
    try:
        values[field.name] = read = _types.read(kind, value, (field.name,))
    except _types.Mismatch as e:
        problems.error(e.path, "Unsuitable value", e.args[0])
        return
    meta = _types.meta_of(field)
    texts = [(field.name,), read] if isinstance(read, str) else [(field.name,), *(read if isinstance(read, (list, dict)) else ())]
    for text in texts[1:]:
        if meta.get("one_of") and text not in meta["one_of"]:
            problems.error(field.name, "Unsuitable value", f'The value "{text}" is not one of {", ".join(meta["one_of"])}.')
    if isinstance(read, (int, float)) and not isinstance(read, bool):
        if meta.get("min") is not None and read < meta["min"]:
            problems.error(field.name, "Unsuitable value", f"The value must be at least {meta['min']}.")
        if meta.get("max") is not None and read > meta["max"]:
            problems.error(field.name, "Unsuitable value", f"The value must be at most {meta['max']}.")


def _make(shape, function, parameters, options):
    """Makes a component of a function whose annotations say its types."""
    hints = typing.get_type_hints(function)
    names = list(inspect.signature(function).parameters)
    if len(names) != parameters or names[0] not in hints:
        raise TypeError(f"{function.__name__} must take {parameters} parameters, with types: the first is the configuration")
    c = Component(shape, function, hints[names[0]], doc=inspect.getdoc(function) or "", options=options)
    if shape == "rows":
        c.reads = hints.get(names[1])
    if shape == "dataset":
        c.reads, given = (typing.get_args(hints.get(names[1])) + (None, None))[:2]
        c.writes = _row_type(given, function)
    elif shape != "sink":
        c.writes = _row_type(hints.get("return"), function)
    for kind in [c.config] + ([c.reads] if shape in ("rows", "dataset") else []):
        if kind is not dict and not dataclasses.is_dataclass(kind):
            raise TypeError(f"{function.__name__}: {kind} is no dataclass")
    return c


def _row_type(kind, function):
    """Finds the dataclass of rows in what a function returns."""
    kind, _ = _types.without_none(kind)
    if typing.get_origin(kind) in (list, collections.abc.Iterator, collections.abc.Iterable, collections.abc.Generator):
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) is dict:
        kind = dict
    if kind is dict or dataclasses.is_dataclass(kind):
        return kind
    raise TypeError(f"{function.__name__} must say by its annotation which rows it gives: a dataclass, or dict for any columns")


def source(function=None, **options):
    """Makes a threat source of def f(config) -> Iterator[Row].

    Rows are given in a stable order. The function's docstring is the
    component's doc. Options: behavior="1" (a version that stands for the code
    in cache keys) and deterministic=True.
    """
    if function is None:
        return lambda f: source(f, **options)
    return _make("source", function, 1, options)


def rows(function=None, **options):
    """Makes a simulator, reflector, judge or evaluation of def f(config, row, call) -> Row.

    The function works on one row and is called for many at once, each in a
    thread of its own; it keeps no state. It gives one row, a list of rows, or
    raises Drop or Fail. Options: those of source, and calls=(least, most) or
    (least, most, "argument"): how many model calls one row takes; calls_where=
    [("argument", "value", most, "argument", ...)]: those on top where an
    argument has a value.

    An evaluation tries an agent, the model of its argument "model", on a
    scenario. Its rows hold the columns trial, action and run, which Trial,
    and dicts of the other two, give their form.
    """
    if function is None:
        return lambda f: rows(f, **options)
    return _make("rows", function, 3, options)


def dataset(function=None, **options):
    """Makes a simulator, reflector or judge of def f(config, rows) that sees
    all rows of its input at once; rows is a Table[Read, Written]. Where one row
    of the input changes, all run again. Options: those of rows."""
    if function is None:
        return lambda f: dataset(f, **options)
    return _make("dataset", function, 2, options)


def sink(function=None, **options):
    """Makes an output of def f(config, rows, out), which reads all rows and
    writes files with out.create."""
    if function is None:
        return lambda f: sink(f, **options)
    return _make("sink", function, 3, options)


@dataclasses.dataclass
class Plugin:
    """A set of components by role and name."""

    name: str  #: source address: github.com/acme/autosafe-plugin-acme
    version: str  #: semantic version, without a leading v
    threat_sources: dict = dataclasses.field(default_factory=dict)
    simulators: dict = dataclasses.field(default_factory=dict)
    reflectors: dict = dataclasses.field(default_factory=dict)
    judges: dict = dataclasses.field(default_factory=dict)
    outputs: dict = dataclasses.field(default_factory=dict)
    evaluations: dict = dataclasses.field(default_factory=dict)

    def component(self, role, name):
        """Finds a component; None if there is none."""
        return self._families().get(role, {}).get(name)

    def _families(self):
        lists = (self.threat_sources, self.simulators, self.reflectors, self.judges, self.outputs, self.evaluations)
        return dict(zip(ROLES, lists))

    def describe(self):
        """Makes the description of the whole plugin. It is pure."""
        out = pb.DescribeResponse(name=self.name, version=self.version, sdk_version="python " + SDK_VERSION,
                                  plugin=pb.Capabilities())
        shapes = {"threat_source": "source", "output": "sink"}
        for role, components in sorted(self._families().items()):
            for name, c in sorted(components.items()):
                fits = (shapes[role],) if role in shapes else ("rows", "dataset")
                if not isinstance(c, Component) or c.shape not in fits:
                    raise TypeError(f"{role} {name}: it must be made by {' or '.join(fits)}")
                out.components.append(c.describe(role, name))
        return out
