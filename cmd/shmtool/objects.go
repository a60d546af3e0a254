package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// statesText is "2 posted, 1 owned".
func statesText(states map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(states)) {
		parts = append(parts, fmt.Sprintf("%d %s", states[name], name))
	}
	return strings.Join(parts, ", ")
}

// find returns the object of that name, or an error that names those there are.
func find(list []objectInfo, name string) (objectInfo, error) {
	var names []string
	for _, o := range list {
		if o.Name == name {
			return o, nil
		}
		names = append(names, o.Name)
	}
	return objectInfo{}, fmt.Errorf("no object %q in the segment%s (it has %s)",
		name, didYouMean(name, names), strings.Join(names, ", "))
}
