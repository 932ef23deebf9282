"""What the host is told of a plugin's types, and values of those types.

Configurations and rows are dataclasses. This module makes descriptions of
them (types as the host writes them, arguments, columns, JSON Schemas) and
reads them from JSON.
"""

import collections.abc
import dataclasses
import json
import sys
import types
import typing
from dataclasses import MISSING

from . import plugin_pb2 as pb

_META = "autosafe"

#: The column that is named after the block which uses the component.
BLOCK = "$block"


class Model(str):
    """A model that the recipe gives: the slot to call it by; "" if none."""


@dataclasses.dataclass(frozen=True)
class File:
    """A file that the recipe names."""

    name: str  #: relative to the recipe's folder, with slashes
    path: str  #: where to open it


class Files(list):
    """The files that a path, a glob or a list of them names, sorted."""


def argument(doc, *, default=MISSING, one_of=(), min=None, max=None,
             samples=False, sensitive=False, volatile=False):
    """Describes an argument of a block, as the value of a dataclass's field.

    Without a default it must be set, unless its type is Optional. The other
    settings are those of the Go SDK's tags, under the same names.
    """
    if not doc:
        raise ValueError("an argument needs a doc")
    meta = {"doc": doc, "one_of": tuple(one_of), "min": min, "max": max,
            "samples": samples, "sensitive": sensitive, "volatile": volatile}
    return _field(meta, default)


def column(doc, *, name=None, default=MISSING, one_of=(), min=None, max=None, null=False):
    """Describes a column of a row, or a member of a reply.

    The name is the field's; sdk.BLOCK is the column named after the block. A
    column with a default, or of an Optional type, may be absent where it is
    read, and is left out where it is None; with null=True it is written as null.
    """
    return _field({"doc": doc, "name": name, "one_of": tuple(one_of), "min": min, "max": max, "null": null}, default)


def _field(meta, default):
    if isinstance(default, (list, dict, set)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata={_META: meta})
    return dataclasses.field(default=default, metadata={_META: meta})


def meta_of(field):
    """Gives what a field was described with."""
    return field.metadata.get(_META, {})


def name_of(field):
    """Gives a field's name in JSON."""
    return meta_of(field).get("name") or field.name


def default_of(field):
    """Gives a field's default; MISSING if there is none."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def hints_of(cls):
    """Gives the types of a dataclass's fields."""
    return typing.get_type_hints(cls)


def without_none(kind):
    """Gives the type itself and whether None is allowed too."""
    if typing.get_origin(kind) in (typing.Union, getattr(types, "UnionType", typing.Union)):
        rest = [k for k in typing.get_args(kind) if k is not type(None)]
        if len(rest) == 1 and len(typing.get_args(kind)) == 2:
            return rest[0], True
        raise TypeError(f"{kind}: only Optional is known of unions")
    return kind, False


def _list_of(kind):
    return (typing.get_args(kind) or (typing.Any,))[0]


def _is_list(kind):
    return kind is list or typing.get_origin(kind) in (list, collections.abc.Sequence)


def _is_dict(kind):
    return kind is dict or typing.get_origin(kind) is dict


def _value_of(kind):
    return (typing.get_args(kind) or (str, typing.Any))[1]


def cty(kind):
    """Gives a type as the host writes it in JSON."""
    kind, _ = without_none(kind)
    if kind in (str, Model):
        return "string"
    if kind in (int, float):
        return "number"
    if kind is bool:
        return "bool"
    if kind in (typing.Any, Files, object):
        return "dynamic"
    if _is_list(kind):
        return ["list", cty(_list_of(kind))]
    if _is_dict(kind):
        return ["map", cty(_value_of(kind))]
    if dataclasses.is_dataclass(kind):
        hints = hints_of(kind)
        members = {name_of(f): cty(hints[f.name]) for f in dataclasses.fields(kind)}
        optional = sorted(name_of(f) for f in dataclasses.fields(kind) if may_be_absent(f, hints[f.name]))
        return ["object", members, optional] if optional else ["object", members]
    raise TypeError(f"{kind} cannot be a type of a column or an argument")


def may_be_absent(field, kind):
    """Says whether a field of a JSON object may be left out."""
    return without_none(kind)[1] or default_of(field) is not MISSING


def dumps(value):
    """Writes JSON as the Go SDK does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def block(cls):
    """Describes a configuration's dataclass."""
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"the configuration {cls} is no dataclass")
    hints, out = hints_of(cls), pb.Block()
    for field in dataclasses.fields(cls):
        meta, (kind, optional) = meta_of(field), without_none(hints[field.name])
        default = default_of(field)
        a = out.attributes.add(name=field.name, type_json=dumps(cty(kind)), doc=meta.get("doc", ""),
                               sensitive=meta.get("sensitive", False), volatile=meta.get("volatile", False),
                               one_of=meta.get("one_of", ()))
        a.kind = "model" if kind is Model else "files" if kind is Files else "samples" if meta.get("samples") else ""
        if meta.get("min") is not None:
            a.min = meta["min"]
        if meta.get("max") is not None:
            a.max = meta["max"]
        if default is not MISSING and default is not None and kind not in (Model, Files):
            a.default_json = dumps(plain(default))
        a.required = default is MISSING and not optional
    return out


def columns(cls, reading):
    """Describes a row's dataclass; dict stands for any columns."""
    if not dataclasses.is_dataclass(cls):
        return []
    hints = hints_of(cls)
    return [pb.Column(name=name_of(f), type_json=dumps(cty(hints[f.name])), doc=meta_of(f).get("doc", ""),
                      optional=reading and may_be_absent(f, hints[f.name]))
            for f in dataclasses.fields(cls)]


def json_schema(kind, field=None):
    """Makes the JSON Schema of a reply, member for member as the Go SDK does."""
    kind, _ = without_none(kind)
    meta = meta_of(field) if field else {}
    out = {}
    if kind in (str, int, float, bool):
        out["type"] = {str: "string", int: "integer", float: "number", bool: "boolean"}[kind]
    elif _is_list(kind):
        out["type"] = "array"
    elif _is_dict(kind) or dataclasses.is_dataclass(kind):
        out["type"] = "object"
    if meta.get("doc"):
        out["description"] = meta["doc"]
    if meta.get("one_of") and not _is_list(kind):
        out["enum"] = list(meta["one_of"])
    for bound, word in (("min", "minimum"), ("max", "maximum")):
        if meta.get(bound) is not None:
            out[word] = meta[bound]
    if _is_list(kind):
        out["items"] = json_schema(_list_of(kind))
        if meta.get("one_of"):
            out["items"]["enum"] = list(meta["one_of"])
    elif _is_dict(kind):
        out["additionalProperties"] = json_schema(_value_of(kind))
    elif dataclasses.is_dataclass(kind):
        hints, fields = hints_of(kind), dataclasses.fields(kind)
        out["properties"] = {name_of(f): json_schema(hints[f.name], f) for f in fields}
        required = [name_of(f) for f in fields if not may_be_absent(f, hints[f.name])]
        if required:
            out["required"] = required
        out["additionalProperties"] = False
    return out


class Mismatch(Exception):
    """A value that is not of the type."""

    def __init__(self, path, text):
        super().__init__(text)
        self.path = path

    def __str__(self):
        at = "".join(f"[{p}]" if isinstance(p, int) else "." + p for p in self.path).lstrip(".")
        return f"{at}: {self.args[0]}" if at else self.args[0]


def read(kind, value, path=()):
    """Reads a value of a type from what JSON gave. Unknown members are let go."""
    kind, optional = without_none(kind)
    if value is None and (optional or kind is typing.Any):
        return None
    if kind is Files:
        return Files(File(f["name"], f["path"]) for f in value or [])
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    for simple, words in ((str, "a string"), (bool, "true or false"), (int, "a whole number"), (float, "a number")):
        if isinstance(kind, type) and issubclass(kind, simple):
            if not isinstance(value, simple) or isinstance(value, bool) and kind is not bool:
                raise Mismatch(path, f"The value must be {words}.")
            return kind(value)
    if _is_list(kind):
        if not isinstance(value, list):
            raise Mismatch(path, "The value must be a list.")
        return [read(_list_of(kind), v, path + (i,)) for i, v in enumerate(value)]
    if _is_dict(kind):
        if not isinstance(value, dict):
            raise Mismatch(path, "The value must be a map.")
        return {k: read(_value_of(kind), v, path + (k,)) for k, v in value.items()}
    if dataclasses.is_dataclass(kind):
        return _read_object(kind, value, path)
    return value


def _read_object(kind, value, path):
    if not isinstance(value, dict):
        raise Mismatch(path, "The value must be an object.")
    hints, given = hints_of(kind), {}
    for field in dataclasses.fields(kind):
        name = name_of(field)
        if value.get(name) is not None:
            given[field.name] = read(hints[field.name], value[name], path + (name,))
        elif default_of(field) is MISSING:
            given[field.name] = None if without_none(hints[field.name])[1] else _zero(hints[field.name], path + (name,))
    return kind(**given)


def _zero(kind, path):
    if kind is Model:
        return Model("")
    if kind is Files:
        return Files()
    raise Mismatch(path, "The value is missing.")


def plain(value):
    """Makes what JSON knows of a value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        out = {}
        for field in dataclasses.fields(value):
            v = getattr(value, field.name)
            if v is not None or default_of(field) is MISSING or meta_of(field).get("null"):
                out[name_of(field)] = plain(v)
        return out
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {sys.intern(str(k)): plain(v) for k, v in value.items()}
    return value
