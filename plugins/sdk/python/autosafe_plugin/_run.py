"""One run of a component: tasks in, results out."""

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import queue
import sys
import threading
import traceback
import typing

import grpc

from . import _types
from . import plugin_pb2 as pb
from ._call import Call
from ._component import Drop, Fail

_BATCH_ROWS = 256
_BATCH_BYTES = 1 << 20
_MOST_BYTES = 32 << 20  # of one row
_WORKERS = 64  # rows that a run works on at once: they mostly wait for models
_WAITING = 1024  # results that may wait for the host, and rows for a worker
_MOST_TEXT = 16 << 10
_END = object()


class _Ended(Exception):
    """The host does not want the run any more."""


def failure(error):
    """Makes what the host is told of an exception."""
    if isinstance(error, Fail):
        return pb.RowError(code=_clip(error.code), summary=_clip(error.summary), detail=_clip(error.detail), transient=error.transient)
    print("".join(traceback.format_exception(type(error), error, error.__traceback__)), file=sys.stderr, flush=True)
    return pb.RowError(code="error", summary="the component reported an error", detail=_clip(f"{type(error).__name__}: {error}"))


def _clip(text):
    text = str(text).encode("utf-8", "replace")
    return text[:_MOST_TEXT].decode("utf-8", "ignore")


def _encode(row):
    """Writes a row as a JSON object."""
    try:
        out = _types.dumps(_types.plain(row))
    except (TypeError, ValueError) as e:
        raise Fail("bad_row", str(e)) from e
    if not out.startswith(b"{"):
        raise Fail("bad_row", "a row must be a dataclass or a dict")
    return out


def _row(kind, text):
    """Reads a task's row."""
    try:
        row = json.loads(text)
        return row if kind is dict else _types.read(kind, row)
    except (ValueError, _types.Mismatch) as e:
        raise Fail("bad_row", str(e)) from e


def _result(seq, give):
    """Makes the result of what a function gives: encoded rows."""
    try:
        r = pb.Result(seq=seq, rows=give())
    except Drop as e:
        return pb.Result(seq=seq, dropped=_clip(e.reason))
    except Exception as e:  # whatever a row's function does, there is a result
        return pb.Result(seq=seq, error=failure(e))
    if r.ByteSize() > _MOST_BYTES:
        return pb.Result(seq=seq, error=pb.RowError(
            code="row_too_large", summary="the row is too large to be sent", detail="A row may weigh 32 MiB."))
    return r


class Run:
    """A component at work on one stream."""

    def __init__(self, component, config, start, models):
        self.start, self.models = start, models
        self.cancelled = threading.Event()
        self._component, self._config = component, config
        self._out = queue.Queue(_WAITING)
        self._shows_progress = "progress" in start.host.names

    def progress(self, note, done=0, total=0):
        """Shows how far the run is, where the host can."""
        if self._shows_progress:
            self._put(pb.RunResponse(progress=pb.Progress(note=_clip(note), done=max(int(done), 0), total=max(int(total), 0))))

    def responses(self, requests):
        """Runs the component over the requests and gives the responses."""
        work = {"source": self._source, "rows": self._rows, "dataset": self._dataset, "sink": self._sink}[self._component.shape]
        threading.Thread(target=self._work, args=(work, requests), daemon=True).start()
        item = self._next()
        while item is not _END:
            if not isinstance(item, pb.Result):
                yield item
                item = self._next()
                continue
            batch, size = [], 0
            while isinstance(item, pb.Result) and len(batch) < _BATCH_ROWS and (not batch or size + item.ByteSize() <= _BATCH_BYTES):
                batch.append(item)
                size += item.ByteSize()
                item = self._next(wait=False)
            yield pb.RunResponse(results=pb.ResultBatch(results=batch))
            item = self._next() if item is None else item

    def _next(self, wait=True):
        """Gives what is to be sent next; None if nothing is there and it need not wait."""
        while True:
            try:
                return self._out.get(wait, timeout=1)
            except queue.Empty:
                if not wait:
                    return None
                if self.cancelled.is_set():
                    return _END

    def _put(self, item):
        while not self.cancelled.is_set():
            try:
                self._out.put(item, timeout=1)
                return
            except queue.Full:
                pass
        raise _Ended

    def _work(self, work, requests):
        try:
            work(requests)
        except (_Ended, grpc.RpcError):  # the host ended the run
            pass
        except Exception as e:  # of a source or an output: it ends the run
            if not self.cancelled.is_set():
                self._out.put(pb.RunResponse(failure=failure(e)))
        try:
            self._put(_END)
        except _Ended:
            pass

    # The three shapes.

    def _source(self, _requests):
        for seq, row in enumerate(self._component.function(self._config)):
            def give(row=row):
                if isinstance(row, (Fail, Drop)):
                    raise row
                return [_encode(row)]
            self._put(_result(seq, give))

    def _rows(self, requests):
        room = threading.Semaphore(_WAITING)
        with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
            for task in _tasks(requests):
                while not room.acquire(timeout=1):
                    if self.cancelled.is_set():
                        raise _Ended
                pool.submit(self._row, task, room)

    def _row(self, task, room):
        def give():
            row = _row(self._component.reads, task.row)
            out = self._component.function(self._config, row, Call(self, task))
            return [_encode(r) for r in (out if isinstance(out, list) else [] if out is None else [out])]
        try:
            if not self.cancelled.is_set():
                self._put(_result(task.seq, give))
        except _Ended:
            pass
        finally:
            room.release()

    def _dataset(self, requests):
        if not self.start.whole:
            raise Fail("host_too_old", "Use a newer autosafe.", summary="the component must see all rows at once, which this autosafe does not know")
        table = Table(self, self._component.reads, list(_tasks(requests)))
        self._component.function(self._config, table)
        for result in table.results:
            self._put(result)

    def _sink(self, requests):
        if not self.start.work_dir:
            raise Fail("no_work_dir", "an output needs a folder to write to")
        rows = Rows(self, requests)
        out = Dir(self.start.work_dir, rows)
        try:
            self._component.function(self._config, rows, out)
        finally:
            out.close()
        rows.drain()
        for f in out.files:
            self._put(pb.RunResponse(artifact=pb.Artifact(path=f.name, rows=f.rows, media_type=f.media_type)))


def _tasks(requests):
    for request in requests:
        yield from request.tasks.tasks


_Read, _Written = typing.TypeVar("_Read"), typing.TypeVar("_Written")


class Table(typing.Generic[_Read, _Written]):
    """The input of a component that sees all of it at once, and what becomes of
    its rows, which are named by their places. A row of which nothing is said
    stays as it is."""

    def __init__(self, run, kind, tasks):
        self.rows = []  #: in order; those that cannot be read have failed
        self.results = [pb.Result(seq=t.seq, rows=[b"{}"]) for t in tasks]
        self._run, self._tasks, self._places, self._written = run, [], [], set()
        for i, task in enumerate(tasks):
            try:
                self.rows.append(_row(kind, task.row))
            except Fail as e:
                self.results[i] = pb.Result(seq=task.seq, error=failure(e))
                continue
            self._tasks.append(task)
            self._places.append(i)

    def write(self, place, row):
        """Gives the columns that are written for a row; again, to multiply it."""
        result = self.results[self._places[place]]
        if place not in self._written:
            self._written.add(place)
            del result.rows[:]
        result.rows.append(_encode(row))

    def drop(self, place, reason):
        """Leaves a row out."""
        self._set(place, dropped=_clip(reason or "dropped"))

    def fail(self, place, error):
        """Fails a row with a Fail, or with what a model call raised."""
        self._set(place, error=failure(error))

    def call(self, place):
        """Is for a row's model calls and its chance."""
        return Call(self._run, self._tasks[place])

    def progress(self, note, done=0, total=0):
        """Shows the user how far a long piece of work is."""
        self._run.progress(note, done, total)

    def _set(self, place, **outcome):
        i = self._places[place]
        self.results[i] = pb.Result(seq=self.results[i].seq, **outcome)


@dataclasses.dataclass
class SplitRow:
    """A row and the part of the dataset that it belongs to."""

    split: str
    row: dict


class Rows:
    """Gives an output its rows, in order; iterate over it."""

    def __init__(self, run, requests):
        self._run, self._tasks, self._current, self._dropped = run, _tasks(requests), None, ""

    def __iter__(self):
        for task in self._next():
            yield SplitRow(task.split, json.loads(task.row))

    def _next(self):
        while True:
            self._answer()
            task = next(self._tasks, None)
            if task is None:
                return
            self._current, self._dropped = task, ""
            yield task

    def _answer(self):
        if self._current is not None:
            self._run._put(pb.Result(seq=self._current.seq, dropped=self._dropped))
            self._current = None

    def skip(self, reason):
        """Leaves the row last read out, counted under the reason."""
        self._dropped = reason or "skipped"

    def drain(self):
        """Answers the rows that the output did not want to read."""
        for _ in self._next():
            self._dropped = "not_read"

    def progress(self, note, done=0, total=0):
        """Shows the user how far a long piece of work is."""
        self._run.progress(note, done, total)


class Dir:
    """The folder that an output writes below."""

    def __init__(self, path, rows):
        self._path, self._rows, self.files = pathlib.Path(path), rows, []

    def create(self, name, media_type=""):
        """Makes a file, given by its name relative to the folder, with slashes."""
        parts = pathlib.PurePosixPath(name).parts
        if not parts or name != "/".join(parts) or ".." in parts or any(c in name for c in "\\:\0") or name.startswith("/"):
            raise Fail("bad_path", f"{name!r} is no relative path inside the output folder")
        if any(f.name == name for f in self.files):
            raise Fail("bad_path", f"{name!r} was created twice")
        path = self._path.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        f = OutFile(os.open(path, flags, 0o666), name, media_type)
        self.files.append(f)
        return f

    def skip_row(self, reason):
        """Leaves the row last read out of this output."""
        self._rows.skip(reason)

    def close(self):
        """Closes what is open."""
        for f in self.files:
            f.close()


class OutFile:
    """A file of an output."""

    def __init__(self, descriptor, name, media_type):
        self.name, self.media_type, self.rows = name, media_type, 0
        self._file = os.fdopen(descriptor, "wb")

    def write(self, data):
        """Writes bytes, or text as UTF-8."""
        self._file.write(data.encode() if isinstance(data, str) else data)

    def write_json(self, value):
        """Writes a line of JSON and counts it as a row."""
        self.write(_types.dumps(_types.plain(value)) + b"\n")
        self.rows += 1

    def set_rows(self, n):
        """Says how many rows the file holds."""
        self.rows = n

    def close(self):
        """Finishes the file."""
        self._file.close()
