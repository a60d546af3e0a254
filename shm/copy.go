//go:build !race

package shm

// copyWords copies words that another process may be writing. The caller reads
// the header before and after: the copy is used only if nothing changed. The
// loads are atomic, so that none of them moves behind the second look at the
// header on a weakly ordered machine.
func copyWords(dst []uint64, src []word) {
	for i := range src {
		dst[i] = src[i].load(ptRecordLoad)
	}
}
