"""What a component has beside the row: models and chance."""

import dataclasses
import json
import random

import grpc

from . import _types
from . import plugin_pb2 as pb
from ._component import Drop, Fail

_MOST_AGAIN = 2
_REPEAT_STRIDE = 1_000_000  # in keys, a repeat is a sample far above those of recipes
MAX_REPEAT = 4000


@dataclasses.dataclass
class ToolCall:
    """A call of a tool that the model made."""

    id: str
    name: str
    arguments: dict


@dataclasses.dataclass
class Tool:
    """A function that the model may call; parameters are a JSON Schema."""

    name: str
    description: str
    parameters: dict


@dataclasses.dataclass
class Message:
    """One message of a conversation."""

    role: str
    content: str = ""
    tool_calls: list = dataclasses.field(default_factory=list)
    tool_call_id: str = ""


def system(text):
    """Makes a system message."""
    return Message("system", text)


def user(text):
    """Makes a user message."""
    return Message("user", text)


def assistant(text):
    """Makes an assistant message."""
    return Message("assistant", text)


@dataclasses.dataclass
class Reply:
    """A model's answer."""

    content: str
    tool_calls: list
    finish_reason: str
    refusal: str
    model: str
    call_id: str
    input_tokens: int
    output_tokens: int
    cached: bool


class Call:
    """What a component has beside the row. It is for one row."""

    def __init__(self, run, task):
        self._run, self._task, self._random = run, task, None

    @property
    def sample(self):
        """The index of this repetition of the row, from 0."""
        return self._task.sample

    @property
    def seed(self):
        """Made by the host of the block's seed, the row and the sample."""
        return self._task.seed

    @property
    def random(self):
        """The row's own source of chance. Every use of chance must come from it."""
        if self._random is None:
            self._random = random.Random(self.seed)
        return self._random

    @property
    def row(self):
        """The columns read, as they came."""
        return json.loads(self._task.row)

    @property
    def cancelled(self):
        """Says that nobody waits for the row any more; long work should end."""
        return self._run.cancelled.is_set()

    def progress(self, note, done=0, total=0):
        """Shows the user how far a long piece of work is."""
        self._run.progress(note, done, total)

    def complete(self, slot, messages, *, purpose="", tools=(), schema=None, schema_name="",
                 stop=(), check=None, facts=None, repeat=0):
        """Calls the model in a slot. What it raises fails the row.

        check takes a reply and raises ValueError with what is wrong with it;
        the model is then asked again with the reason, at most twice. repeat
        tells requests of one row apart that are equal and yet meant to be
        answered anew: 0 for the first.
        """
        if not 0 <= repeat <= MAX_REPEAT:
            raise Fail("bad_request", f"the request's repeat is {repeat}; it can be from 0 to {MAX_REPEAT}")
        messages = list(messages)
        for attempt in range(_MOST_AGAIN + 1):
            reply = self._once(slot, messages, purpose, tools, schema, schema_name, stop, facts, repeat)
            if check is None:
                return reply
            try:
                check(reply)
                return reply
            except (Fail, Drop):
                raise
            except ValueError as e:
                reason = str(e)
            if attempt == _MOST_AGAIN:
                raise Fail("invalid_reply", reason)
            messages.append(Message("assistant", reply.content, reply.tool_calls))
            messages += [Message("tool", "The call was not carried out.", tool_call_id=t.id) for t in reply.tool_calls]
            messages.append(user(f"That reply cannot be used: {reason}. Reply again, with that put right."))

    def json(self, slot, kind, messages, *, check=None, schema_name="reply", **more):
        """Calls the model and reads its reply into a dataclass, by which the
        reply's JSON Schema is made."""
        got = []

        def fits(reply):
            try:
                got[:] = [_types.read(kind, json.loads(reply.content))]
            except (ValueError, _types.Mismatch) as e:
                raise ValueError(f"it is not the JSON that was asked for: {e}") from e
            if check is not None:
                check(got[0])

        schema = more.pop("schema", None) or _types.json_schema(kind)
        self.complete(slot, messages, check=fits, schema=schema, schema_name=schema_name, **more)
        return got[0]

    def _once(self, slot, messages, purpose, tools, schema, schema_name, stop, facts, repeat):
        if not slot:
            raise Fail("no_model", "the component called a model that the recipe does not set")
        m = pb.CompleteRequest(
            run=self._run.start.address, seq=self._task.seq, slot=slot, purpose=purpose, schema_name=schema_name,
            schema_json=_types.dumps(schema) if schema else b"", stop=stop, seed=self.seed,
            sample=self.sample + repeat * _REPEAT_STRIDE,
            facts_json=_types.dumps(_types.plain(facts)) if facts is not None else b"")
        for msg in messages:
            m.messages.add(role=msg.role, content=msg.content, tool_call_id=msg.tool_call_id, tool_calls=[
                pb.ToolCall(id=t.id, name=t.name, arguments_json=_types.dumps(t.arguments)) for t in msg.tool_calls])
        for t in tools:
            m.tools.add(name=t.name, description=t.description, parameters_json=_types.dumps(t.parameters))
        try:
            r = self._run.models(m)
        except grpc.RpcError as e:
            raise Fail("host_error", e.details() or "", summary="the host did not answer a model call", transient=True) from e
        if r.HasField("error"):
            raise Fail(r.error.code, r.error.detail, summary=r.error.summary, transient=r.error.transient)
        return Reply(r.content, [ToolCall(t.id, t.name, json.loads(t.arguments_json or b"{}")) for t in r.tool_calls],
                     r.finish_reason, r.refusal, r.model, r.call, r.input_tokens, r.output_tokens, r.cached)
