package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// A treeNode is one attribute of the objects that AOTF's threads share, and the
// objects of the segment that it became.
type treeNode struct {
	Node    string   `json:"node"` // its path
	Class   string   `json:"class,omitempty"`
	Objects []string `json:"objects,omitempty"`

	note string
}

var aotfTree = []treeNode{
	{"Shared_Memory", "Shared_Memory", nil, ""},
	{"user_requests", "User_Requests_Pipeline", nil, ""},
	{"user_requests.requests", "", []string{"users"}, ""},
	{"user_requests.requests_sem", "", []string{"users-by-url"}, "no lock: one insert decides"},
	{"user_requests.step_1_link_finder_queue", "", []string{"step-1"}, ""},
	{"user_requests.step_2_tweets_indexer_queue", "", []string{"step-2", "step-2-waiting"}, ""},
	{"user_requests.step_3_reverse_search_queue", "", []string{"step-3"}, ""},
	{"user_requests.limit_per_ip_addresses", "", []string{"addresses", "addresses-by-ip"}, ""},
	{"user_requests.thread_step_2_tweets_indexer_sem", "", []string{"scans-by-account"}, "no lock: one insert decides"},
	{"scan_requests", "Scan_Requests_Pipeline", nil, ""},
	{"scan_requests.requests", "", []string{"scans", "legs"}, ""},
	{"scan_requests.requests_sem", "", []string{"scans-by-account"}, "no lock: one insert decides"},
	{"scan_requests.step_A_SearchAPI_list_account_tweets_prior_queue", "", []string{"listing-a-prior"}, ""},
	{"scan_requests.step_A_SearchAPI_list_account_tweets_queue", "", []string{"listing-a-normal"}, ""},
	{"scan_requests.step_B_TimelineAPI_list_account_tweets_prior_queue", "", []string{"listing-b-prior"}, ""},
	{"scan_requests.step_B_TimelineAPI_list_account_tweets_queue", "", []string{"listing-b-normal"}, ""},
	{"scan_requests.queues_sem", "", nil, "no lock: a leg moves by one step"},
	{"scan_requests.step_C_index_tweets_queue", "", []string{"step-c", "tweets", "save-cursor"}, ""},
	{"scan_requests.indexing_ids_dict", "", []string{"tweets"}, "the owned ones"},
	{"scan_requests.step_C_sem", "", nil, "no lock: the last tweet ends the scan"},
	{"http_limitator", "HTTP_Requests_Limitator", []string{"addresses", "addresses-by-ip"}, ""},
	{"execution_metrics", "Metrics_Container", []string{"metrics"}, ""},
	{"threads_registry", "Threads_Registry", []string{"threads", "threads-by-name"}, ""},
	{"processes_registry", "Processes_Registry", []string{"process-records", "mail"}, ""},
	{"tweets_count", "", []string{"counts-current", "counts"}, ""},
	{"accounts_count", "", []string{"counts-current", "counts"}, ""},
}

// treeOf is the tree of AOTF's objects, nil for another layout.
func treeOf(list []objectInfo) []treeNode {
	for _, n := range aotfTree {
		for _, name := range n.Objects {
			if !slices.ContainsFunc(list, func(o objectInfo) bool { return o.Name == name }) {
				return nil
			}
		}
	}
	return aotfTree
}

func (t *tool) printTree(tree []treeNode, list []objectInfo) {
	t.printf("\n%s\n", t.style.heading("tree of AOTF's objects"))
	for _, n := range tree {
		depth := strings.Count(n.Node, ".") + 1
		name := n.Node[strings.LastIndexByte(n.Node, '.')+1:]
		if n.Node == "Shared_Memory" {
			depth = 0
		}
		line := strings.Repeat("  ", depth+1) + name
		if n.Class != "" && n.Class != name {
			line += ": " + n.Class
		}
		var parts []string
		for _, object := range n.Objects {
			if o, err := find(list, object); err == nil {
				parts = append(parts, o.short())
			}
		}
		text := strings.Join(parts, ", ")
		if n.note != "" {
			text = strings.TrimSpace(text + " (" + n.note + ")")
		}
		if text != "" && len(line)+2+len(text) <= wide {
			t.printf("%-28s  %s\n", line, t.style.quiet(text))
			continue
		}
		t.printf("%s\n", line)
		for _, l := range wrap(parts, wide-2*depth-6) {
			t.printf("%s%s\n", strings.Repeat("  ", depth+3), t.style.quiet(l))
		}
	}
}

// short is an object with its number.
func (o objectInfo) short() string {
	switch {
	case o.Kind == shm.KindArena:
		text := fmt.Sprintf("%s %d of %d", o.Name, *o.Used, o.Capacity)
		if states := statesText(o.States); states != "" {
			text += " (" + states + ")"
		}
		return text
	case o.Used != nil:
		return fmt.Sprintf("%s %d waiting", o.Name, *o.Used)
	}
	return o.Name + o.decoded
}
