package sdk

//go:generate protoc -I proto --go_out=../.. --go_opt=module=github.com/autosafe/autosafe --go-grpc_out=../.. --go-grpc_opt=module=github.com/autosafe/autosafe autosafe/plugin/v1/plugin.proto
