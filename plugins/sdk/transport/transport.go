// Package transport is what both ends of the plugin protocol must agree on
// below the messages: the handshake and the sizes. Plugin authors do not need
// it.
package transport

import (
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Major is the protocol major that this module speaks.
const Major = 1

// PluginName is the name under which go-plugin dispenses the service.
const PluginName = "autosafe"

// Rows travel in batches: a batch is sent when it holds BatchRows rows or
// about BatchBytes, when BatchDelay has passed since the last one, or when
// nothing more can come. Rows of 1 KB in batches of 64 cost a tenth more of
// all that a build does.
const (
	BatchRows  = 256
	BatchBytes = 1 << 20
	BatchDelay = 5 * time.Millisecond
)

// CapabilityProgress is what a host that shows the progress of a run names in
// Start.host.
const CapabilityProgress = "progress"

// CapabilityFinetune is what a host that serves finetune components names there,
// too.
const CapabilityFinetune = "finetune"

// MaxRow is the most that one task or one result may weigh, in bytes; above
// it the row fails with CodeRowTooLarge. A message holds one such row at most.
const (
	MaxRow          = 32 << 20
	MaxMessage      = 64 << 20
	CodeRowTooLarge = "row_too_large"
)

// window is how much may be under way on one stream before the sender waits.
const window = 1 << 20

// buffer is how much is written, or read, at a time.
const buffer = 64 << 10

// Handshake keeps a plugin from being run by hand or by another program. It
// is no security measure.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  Major,
		MagicCookieKey:   "AUTOSAFE_PLUGIN",
		MagicCookieValue: "ots-threat-model",
	}
}

// workers answer calls one after another, so that not every call grows a stack
// of its own; there may be more calls than workers.
const workers = 64

// ServerOptions are for either side's gRPC server.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.ReadBufferSize(buffer),
		grpc.WriteBufferSize(buffer),
		grpc.NumStreamWorkers(workers),
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(4 * window),
	}
}

// DialOptions are for either side's gRPC client.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage), grpc.ForceCodecV2(newCodec())),
		grpc.WithReadBufferSize(buffer),
		grpc.WithWriteBufferSize(buffer),
		grpc.WithInitialWindowSize(window),
		grpc.WithInitialConnWindowSize(4 * window),
		grpc.WithIdleTimeout(0), // a quiet connection is no reason to close it
	}
}
