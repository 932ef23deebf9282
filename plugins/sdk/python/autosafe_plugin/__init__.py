"""What an autosafe plugin in Python is written with.

A component is a function over dataclasses:

    import dataclasses
    from collections.abc import Iterator

    import autosafe_plugin as sdk

    @dataclasses.dataclass
    class Config:
        queue: str = sdk.argument("The queue to read.")

    @dataclasses.dataclass
    class Ticket:
        instruction: str = sdk.column("What the customer asks for.")

    @sdk.source
    def tickets(config: Config) -> Iterator[Ticket]:
        '''The tickets of a queue.'''
        yield Ticket(f"Close every ticket of {config.queue}.")

    if __name__ == "__main__":
        sdk.serve(sdk.Plugin(
            name="github.com/acme/autosafe-plugin-acme", version="1.0.0",
            threat_sources={"tickets": tickets}))

It needs Python 3.9 or newer with grpcio and protobuf (Debian: python3-grpcio
and python3-protobuf). plugin_pb2 is made from plugin.proto, the contract; use
it for what this module does not offer.
"""

import sys

try:
    import google.protobuf
    import grpc
except ModuleNotFoundError as missing:
    sys.exit(f"{sys.executable} has no module {missing.name}. Install grpcio and protobuf for it: on Debian,\n"
             "apt-get install python3-grpcio python3-protobuf, which a plugin that is contained can read too")

from ._call import Call, Message, Reply, Tool, ToolCall, assistant, system, user
from ._component import SDK_VERSION, Component, Drop, Fail, Plugin, Problems, dataset, rows, sink, source, unfit
from ._run import Dir, Rows, SplitRow, Table
from ._serve import serve
from ._trial import Action, Check, Step, Trial, Vote
from ._types import BLOCK, File, Files, Model, argument, column

__all__ = [
    "BLOCK", "SDK_VERSION", "Action", "Call", "Check", "Component", "Dir", "Drop", "Fail", "File", "Files", "Message", "Model",
    "Plugin", "Problems", "Reply", "Rows", "SplitRow", "Step", "Table", "Tool", "ToolCall", "Trial", "Vote", "argument", "assistant",
    "column", "dataset", "rows", "serve", "sink", "source", "system", "unfit", "user",
]
