"""How the host reaches this process: go-plugin's handshake, with TLS."""

import base64
import concurrent.futures
import json
import os
import sys
import tempfile
import threading

import grpc

from . import _cert, broker_pb2
from . import plugin_pb2 as pb
from ._component import Fail
from ._run import Run, failure

_COOKIE = ("AUTOSAFE_PLUGIN", "ots-threat-model")
_MAJOR = "1"  # of the protocol
_PATIENCE = 60  # seconds until the host must have said where it serves models
_MESSAGE = 64 << 20
_STREAMS = 256  # calls served at once: a run takes one
_OPTIONS = [("grpc.max_receive_message_length", _MESSAGE), ("grpc.max_send_message_length", _MESSAGE)]


def serve(plugin):
    """Serves a plugin to the host that started this process. It is a
    plugin's main, and ends with the host. What is printed goes to the host's
    log from then on."""
    if os.environ.get(_COOKIE[0]) != _COOKIE[1]:
        sys.exit("This program is an autosafe plugin: a recipe names it, and autosafe starts it.")
    if _MAJOR not in os.environ.get("PLUGIN_PROTOCOL_VERSIONS", _MAJOR).split(","):
        sys.exit(f"This plugin speaks protocol {_MAJOR}; autosafe does not. Get another version of the one or the other.")
    plugin.describe()  # what is wrong with it is told at once
    done = threading.Event()
    path = os.path.join(os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.gettempdir(), f"plugin{os.getpid()}")
    certificate, pem, key = _cert.make()
    host_pem = os.environ.get("PLUGIN_CLIENT_CERT", "").encode()
    if not host_pem:
        sys.exit("The host sent no certificate: it is none that this plugin may serve.")
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(_STREAMS), options=_OPTIONS)
    broker = _Broker(host_pem, pem, key)
    server.add_generic_rpc_handlers((_handlers(plugin, broker, done),))
    credentials = grpc.ssl_server_credentials([(key, pem)], root_certificates=host_pem, require_client_auth=True)
    if server.add_secure_port("unix:" + path, credentials) == 0:
        sys.exit(f"The socket {path} cannot be served.")
    server.start()
    encoded = base64.b64encode(certificate).decode().rstrip("=")
    print("1", _MAJOR, "unix", path, "grpc", encoded, sep="|", flush=True)
    os.dup2(2, 1)  # standard output is the host's until here
    threading.Thread(target=_watch, args=(done,), daemon=True).start()
    done.wait()
    server.stop(None)
    if os.path.exists(path):
        os.remove(path)
    sys.stderr.flush()
    os._exit(0)  # threads of components may be at work


def _watch(done):
    """Ends the process when the host is gone: it holds standard input."""
    while os.read(0, 4096):
        pass
    done.set()


class _Broker:
    """Knows where the host serves, by the ids that it gives."""

    def __init__(self, host_pem, pem, key):
        self._addresses, self._changed = {}, threading.Condition()
        self._credentials = grpc.ssl_channel_credentials(host_pem, key, pem)

    def listen(self, messages, context):
        """Takes in what the host says, until it ends."""
        for m in messages:
            with self._changed:
                self._addresses[m.service_id] = ("unix:" if m.network == "unix" else "") + m.address
                self._changed.notify_all()
        yield from ()

    def dial(self, service):
        """Connects to what the host serves."""
        with self._changed:
            if not self._changed.wait_for(lambda: service in self._addresses, _PATIENCE):
                raise Fail("no_host", "the host did not say where it serves models", transient=True)
            address = self._addresses.pop(service)
        return grpc.secure_channel(address, self._credentials, _OPTIONS + [("grpc.ssl_target_name_override", "localhost")])


def _handlers(plugin, broker, done):
    """Makes the services: the plugin's own and those that go-plugin asks."""

    def describe(_request, _context):
        return plugin.describe()

    def validate(request, context):
        c = plugin.component(request.role, request.component)
        if c is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"the plugin has no {request.role} {request.component!r}")
        return pb.ValidateResponse(diagnostics=c.configure(_config(request.config_json))[1])

    def run(requests, context):
        yield from _run(plugin, broker, requests, context)

    def shutdown(_request, _context):
        threading.Timer(0.1, done.set).start()  # after the answer
        return b""

    stream, unary = grpc.stream_stream_rpc_method_handler, grpc.unary_unary_rpc_method_handler
    own = "/autosafe.plugin.v1.Plugin/"
    methods = {
        own + "Describe": unary(describe, pb.DescribeRequest.FromString, pb.DescribeResponse.SerializeToString),
        own + "Validate": unary(validate, pb.ValidateRequest.FromString, pb.ValidateResponse.SerializeToString),
        own + "Run": stream(run, pb.RunRequest.FromString, pb.RunResponse.SerializeToString),
        "/plugin.GRPCBroker/StartStream": stream(
            broker.listen, broker_pb2.ConnInfo.FromString, broker_pb2.ConnInfo.SerializeToString),
        "/plugin.GRPCController/Shutdown": unary(shutdown),
        "/grpc.health.v1.Health/Check": unary(lambda _request, _context: b"\x08\x01"),  # SERVING
    }

    class Handlers(grpc.GenericRpcHandler):
        """Finds the method that is called."""

        def service(self, details):
            return methods.get(details.method)

    return Handlers()


def _config(text):
    try:
        return json.loads(text or b"{}")
    except ValueError:
        return None


def _run(plugin, broker, requests, context):
    """Serves one run."""
    first = next(requests, None)
    if first is None or not first.HasField("start"):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a run begins with a start message")
    start = first.start
    component = plugin.component(start.role, start.component)
    if component is None:
        yield pb.RunResponse(failure=pb.RowError(
            code="unknown_component", summary="the plugin does not have this component", detail=f"{start.role} {start.component}"))
        return
    config, problems = component.configure(_config(start.config_json))
    if config is None:
        for p in problems:
            yield pb.RunResponse(diagnostic=p)
        return
    channel, models = None, _no_models
    if start.host_broker_id:
        try:
            channel = broker.dial(start.host_broker_id)
        except Fail as e:
            yield pb.RunResponse(failure=failure(e))
            return
        models = channel.unary_unary(
            "/autosafe.plugin.v1.Host/Complete", pb.CompleteRequest.SerializeToString, pb.CompleteResponse.FromString)
    work = Run(component, config, start, models)
    context.add_callback(work.cancelled.set)
    try:
        yield from work.responses(requests)
    finally:
        work.cancelled.set()
        if channel is not None:
            channel.close()


def _no_models(_request):
    raise Fail("no_model", "the component called a model, but none was given to it")
