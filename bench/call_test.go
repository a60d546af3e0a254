package bench

import "testing"

// BenchmarkCall: one operation after the other, from one process; nothing else
// happens. The client of all modes but pyro5 is this process.
func BenchmarkCall(b *testing.B) {
	get := shared(b, func(tb testing.TB, name string) *world {
		return newFullWorld(tb, modeNamed(name), size{users: usualUsers})
	})
	for _, o := range ops {
		for _, m := range modes {
			b.Run("op="+o.name+"/mode="+m.name, func(b *testing.B) { get(b, m.name).measure(b, o) })
		}
	}
}
