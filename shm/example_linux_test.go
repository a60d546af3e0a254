//go:build amd64 || arm64

package shm_test

import (
	"fmt"
	"os"

	"github.com/aotf/sharedmem/shm"
)

func ExampleImage() {
	name := fmt.Sprint("example-", os.Getpid())
	g := &gallery{}
	s, err := shm.Create(name, g, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Remove()
	launch(g, "http://a/1")

	m, err := shm.Inspect(name, nil) // any program's segment, without its types
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	for r, err := range m.Records("pictures") {
		fmt.Println(r.State, r.Queue, r.Values[0].Value, err)
	}
	found, err := m.Verify()
	fmt.Println(m.State, len(found), err)
	// Output:
	// posted loaded [{Text http://a/1}] <nil>
	// open 0 <nil>
}
