package main

import (
	"fmt"

	"github.com/aotf/sharedmem/shm"
)

// decodeCells says what the numbers in AOTF's cells mean: a cell has no field
// names of its own.
func (s *segmentStat) decodeCells(m *shm.Image) {
	if treeOf(s.Objects) == nil {
		return
	}
	for i := range s.Objects {
		switch o := &s.Objects[i]; {
		case o.Value == nil:
		case o.Name == "limits":
			o.decoded = fmt.Sprintf(" (tokens %d, %d per address)", *o.Value&0xff, *o.Value>>8&0xff)
		case o.Name == "counts-current":
			o.decoded = countsText(m, *o.Value)
		}
	}
}

// countsText is the record that counts-current names.
func countsText(m *shm.Image, v uint64) string {
	_, rec, err := m.Find(shm.RefOf[struct{}](v).String())
	if v == 0 || err != nil {
		return ""
	}
	got := map[string]any{}
	for _, x := range rec.Values {
		got[x.Name] = x.Value
	}
	return fmt.Sprintf(" (%v tweets, %v accounts)", got["Tweets"], got["Accounts"])
}
