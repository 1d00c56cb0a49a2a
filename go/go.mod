module github.com/pinion-runtime/pinion/go

go 1.25
