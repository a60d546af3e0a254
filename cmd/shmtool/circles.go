package main

import "slices"

// markCircles finds processes that wait for each other. That a process has what
// it waits for itself is no circle: its other goroutine has it. One with a way
// out is only possible: somebody who is not in it, or waits for nothing, has some
// of what is wanted, and may let go.
func markCircles(list []wait) {
	at := map[int]int{}
	for i, w := range list {
		at[w.Slot] = i
	}
	next := make([][]int, len(list)) // of each wait, the waits of those who can end it
	for i, w := range list {
		for _, h := range w.Holders {
			if k, ok := at[h.Slot]; ok && k != i {
				next[i] = append(next[i], k)
			}
		}
	}
	for _, group := range components(next) {
		if len(group) == 1 {
			list[group[0]].Possible = false
			continue
		}
		possible, in := false, map[int]bool{}
		for _, i := range group {
			in[list[i].Slot] = true
		}
		for _, i := range group {
			possible = possible || list[i].Possible || slices.ContainsFunc(list[i].Holders, func(h holder) bool {
				return !in[h.Slot] || h.Slot == list[i].Slot
			})
		}
		circle := shortest(next, slices.Min(group))
		for k, i := range circle {
			circle[k] = list[i].Slot
		}
		for _, i := range group {
			list[i].Circle, list[i].Possible = circle, possible
		}
	}
}

// components are the groups of nodes of a graph each of which leads to all others
// of its group (Tarjan's algorithm: every edge is looked at once, however many
// ways there are).
func components(next [][]int) (groups [][]int) {
	order, low, stack := make([]int, len(next)), make([]int, len(next)), []int{}
	count, on := 0, make([]bool, len(next))
	var visit func(i int)
	visit = func(i int) {
		count++
		order[i], low[i], on[i] = count, count, true
		stack = append(stack, i)
		for _, k := range next[i] {
			if order[k] == 0 {
				visit(k)
				low[i] = min(low[i], low[k])
			} else if on[k] {
				low[i] = min(low[i], order[k])
			}
		}
		if low[i] < order[i] {
			return
		}
		from := slices.Index(stack, i)
		for _, k := range stack[from:] {
			on[k] = false
		}
		groups = append(groups, slices.Clone(stack[from:]))
		stack = stack[:from]
	}
	for i := range next {
		if order[i] == 0 {
			visit(i)
		}
	}
	return groups
}

// shortest is the shortest way from a node of a circle back to it.
func shortest(next [][]int, start int) []int {
	from := map[int]int{}
	for queue := []int{start}; len(queue) > 0; queue = queue[1:] {
		for _, k := range next[queue[0]] {
			if k == start {
				way := []int{start}
				for i := queue[0]; i != start; i = from[i] {
					way = append(way, i)
				}
				way = append(way, start)
				slices.Reverse(way)
				return way
			}
			if _, seen := from[k]; !seen {
				from[k] = queue[0]
				queue = append(queue, k)
			}
		}
	}
	return nil
}
