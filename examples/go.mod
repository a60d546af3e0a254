module github.com/aotf/sharedmem/examples

go 1.26.0

require (
	github.com/aotf/sharedmem v0.0.0-00010101000000-000000000000
	github.com/corona10/goimagehash v1.1.0
	github.com/ncruces/go-sqlite3 v0.37.0
	github.com/nfnt/resize v0.0.0-20180221191011-83c6a9932646
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/edsrzf/mmap-go v1.2.0 // indirect
	github.com/ncruces/go-sqlite3-wasm/v6 v6.5.35401 // indirect
	github.com/ncruces/julianday v1.0.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/aotf/sharedmem => ../
