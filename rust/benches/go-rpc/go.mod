module gorpc

go 1.21
