package sdk

//go:generate protoc -I proto --go_out=../.. --go_opt=module=github.com/autosafe/autosafe --go-grpc_out=../.. --go-grpc_opt=module=github.com/autosafe/autosafe autosafe/plugin/v1/plugin.proto
//go:generate protoc -I proto/autosafe/plugin/v1 -I python --python_out=python/autosafe_plugin plugin.proto broker.proto
