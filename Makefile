# Targets for people who work on autosafe. Only Go is needed, but for lint
# (golangci-lint v2) and proto (protoc and its two Go plugins).

FUZZTIME ?= 20s
BENCH ?= .

.DEFAULT_GOAL := help
.PHONY: help build test lint fuzz bench hot proto docs

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build ./autosafe.
	go build -o autosafe ./cmd/autosafe

test: ## Run the test command of the README.
	@.ci/run

lint: ## Run golangci-lint.
	golangci-lint run ./...

fuzz: ## Run every fuzz test for FUZZTIME (20s).
	@set -e; for pkg in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

bench: ## Measure beside other programs; writes docs/benchmarks.md.
	go run ./internal/bench

hot: ## Run the Go benchmarks of hot paths; BENCH selects some.
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

proto: ## Make the Go code of the plugin protocol.
	go generate ./plugins/sdk

docs: ## Make docs/reference from the code.
	go test ./internal/doctest -run 'Components|Columns|Commands' -update
