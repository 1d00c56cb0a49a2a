module goroot

go 1.24
