module github.com/aotf/sharedmem/bench

go 1.25.0

require (
	github.com/aotf/sharedmem v0.0.0-00010101000000-000000000000
	golang.org/x/sys v0.38.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/edsrzf/mmap-go v1.2.0 // indirect
	github.com/puzpuzpuz/xsync/v4 v4.5.0
)

replace github.com/aotf/sharedmem => ../
