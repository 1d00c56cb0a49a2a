module github.com/pinion-runtime/pinion/go

go 1.25.0

require (
	github.com/opencontainers/runtime-spec v1.3.0
	golang.org/x/sys v0.36.0
)
