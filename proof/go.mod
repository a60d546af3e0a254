module github.com/aotf/sharedmem/proof

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/aotf/sharedmem v0.0.0
	github.com/cespare/xxhash/v2 v2.3.0
	golang.org/x/sys v0.38.0
)

require github.com/edsrzf/mmap-go v1.2.0 // indirect

replace github.com/aotf/sharedmem => ../
