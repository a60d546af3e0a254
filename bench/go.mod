module github.com/aotf/sharedmem/bench

go 1.25.0

require golang.org/x/sys v0.38.0

replace github.com/aotf/sharedmem => ../
