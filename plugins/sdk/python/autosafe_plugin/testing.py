"""Runs a component in a test, without autosafe and without a process."""

import dataclasses
import json
import threading

from . import plugin_pb2 as pb
from ._component import Fail
from ._run import Run


@dataclasses.dataclass
class Outcome:
    """What a row became, or what a source gave in its place."""

    rows: list
    dropped: str = ""
    error: str = ""  #: the code
    detail: str = ""


def run(plugin, role, component, config, rows=(), models=None, work_dir=""):
    """Runs a component over rows (dicts); gives the outcomes in their order.

    models answers calls: a function of the protocol's CompleteRequest that
    gives the reply's text, or raises Fail. Outputs write below work_dir.
    """
    c = plugin.component(role, component)
    if c is None:
        raise KeyError(f"the plugin has no {role} {component}")
    settings, problems = c.configure(config)
    if settings is None:
        raise ValueError("; ".join(f"{p.summary}: {p.detail}" for p in problems))
    start = pb.Start(role=role, component=component, address=f"{role}.{component}", work_dir=str(work_dir), whole=True)
    tasks = [pb.Task(seq=i, row=json.dumps(r).encode(), seed=i + 1, split="train") for i, r in enumerate(rows)]
    requests = iter([pb.RunRequest(tasks=pb.TaskBatch(tasks=tasks))] if tasks else [])
    lock = threading.Lock()

    def complete(request):
        if models is None:
            raise Fail("no_model", "the test gives no models")
        with lock:
            try:
                return pb.CompleteResponse(content=models(request))
            except Fail as e:
                return pb.CompleteResponse(error=pb.RowError(code=e.code, summary=e.summary, detail=e.detail))

    out = {}
    for response in Run(c, settings, start, complete).responses(requests):
        if response.HasField("failure"):
            raise Fail(response.failure.code, response.failure.detail)
        for r in response.results.results:
            out[r.seq] = Outcome([json.loads(row) for row in r.rows], r.dropped, r.error.code, r.error.detail)
    return [out[seq] for seq in sorted(out)]
