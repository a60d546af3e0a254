//go:build linux && (amd64 || arm64)

package storm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aotf/sharedmem/objects"
)

// Lines of a small, faultless round: a job and a parcel or two, a lock, a request
// and a tweet. What is left over fits.
func faultless() (children []string, r *remains) {
	children = []string{
		`1 try+ job 101 0 1
1 ok+ job 101 0 2
1 try+ job 102 0 3
1 ok+ job 102 0 4
1 try+ parcel 268435457 0 5
1 ok+ parcel 268435457 0 6
1 try+ parcel 268435458 0 7
1 ok+ parcel 268435458 0 8
1 have mutex 0 0 10
1 give mutex 0 0 20
3 try+ user 8 0 21
3 ok+ user 8 0 22
3 have user 8 0 23
3 at user 8 1 24
3 past user 8 1 25
3 give user 8 0 26
3 have leg 34 0 30
3 try+ tweet 900 34 31
3 ok+ tweet 900 34 32
3 give leg 34 0 33
0 bye all 0 0 99
`, `1 try- job 101 0 50
1 ok- job 101 0 51
1 order parcel 268435457 1 52
1 try- parcel 268435457 0 53
1 ok- parcel 268435457 0 54
1 order parcel 268435458 1 55
1 try- parcel 268435458 0 56
1 ok- parcel 268435458 0 57
1 have mutex 0 0 58
3 have user 8 0 60
3 at user 8 2 61
3 past user 8 2 62
3 give user 8 0 63
3 try+ scan 17 0 64
3 ok+ scan 17 0 65
3 stored tweet 900 0 66
3 try- tweet 900 0 67
3 ok- tweet 900 0 68
3 saved leg 34 0 69
`, // killed at 70, with the mutex
		`1 have mutex 0 0 71
1 give mutex 0 0 72
3 have user 8 0 73
3 at user 8 3 74
3 give user 8 0 75
3 try= finish 8 0 76
3 try- user 8 0 76
3 ok- user 8 0 77
3 ok= finish 8 0 77
3 try+ user 21 0 78
3 ok+ user 21 0 79
3 expiring user 0 0 80
3 expired user 1 0 81
3 stale user 21 0 82
3 try= metric 2 12884901898 83
3 ok= metric 2 12884901898 84
3 try= counts 85 0 85
3 ok= counts 85 0 86
3 saw counts 85 87 88
3 allowed address 5 1000000000 1000000010
3 allowed address 5 2000000005 2000000020
3 have leg 36 0 90
3 listed leg 36 0 90
3 give leg 36 0 90
3 blocked leg 36 0 91
3 have leg 36 0 92
3 listed leg 36 1 92
3 give leg 36 0 92
3 try+ scan 18 0 93
3 ok+ scan 18 0 94
3 failed scan 18 0 95
3 have thread 1 0 96
3 give thread 1 0 97
0 bye all 0 0 99
`,
		// killed at 70 with a batch on its way, and a metric
		`1 try+ parcel 805306369 0 60
1 try+ parcel 805306370 0 61
2 try= metric 2 4294967297 62
3 try= counts 63 0 63
`}
	r = &remains{
		items: map[string]map[uint64]int{"job": {102: 1}, "name": {}, "parcel": {}, "tweet": {}},
		held:  map[string]int{"lock": 0}, leaked: map[string]int{"jobs": 0}, counted: 2,
		users: map[uint64]ending{8: {ended: true}}, charged: map[uint64]int{},
		scans: map[uint64]bool{17: false, 18: true}, metrics: make([]objects.Mean, objects.ScanFullTime+1), read: 85,
	}
	r.users[21] = ending{ended: true, problem: objects.ProcessingError}
	r.items["parcel"][805306370] = 1 // the other one was not put, or was freed by the sweep
	r.metrics[2] = objects.Mean{Count: 3, Sum: 10}
	r.metrics[objects.UserFullTime] = objects.Mean{Count: 1}
	return children, r
}

func verdict(children []string, r *remains) []string {
	l := newLedger()
	for i, text := range children {
		in := l.listener()
		in.read(strings.NewReader(text))
		killed := int64(0)
		if i == 1 || i == 3 {
			killed = 70
		}
		in.end(killed)
	}
	return judge(l, r)
}

// The oracle finds every kind of fault in lines that were made for it.
func TestOracle(t *testing.T) {
	if found := verdict(faultless()); len(found) > 0 {
		t.Fatalf("a faultless round: %q", found)
	}
	line := func(i int, old, new string) func([]string, *remains) {
		return func(children []string, r *remains) {
			if !strings.Contains(children[i], old) {
				panic(fmt.Sprintf("no %q", old))
			}
			children[i] = strings.Replace(children[i], old, new, 1)
		}
	}
	left := func(f func(*remains)) func([]string, *remains) {
		return func(_ []string, r *remains) { f(r) }
	}
	for name, fault := range map[string]struct {
		inject func([]string, *remains)
		want   string
	}{
		"delivered twice":     {line(2, "3 have user", "1 try- job 101 0 71\n1 ok- job 101 0 72\n3 have user"), "job 0x65: 2 times delivered"},
		"delivered and there": {left(func(r *remains) { r.items["job"][101] = 1 }), "job 0x65: 1 times delivered to its end, and 1 times"},
		"there twice":         {left(func(r *remains) { r.items["job"][102] = 2 }), "job 0x66: 0 times"},
		"lost":                {left(func(r *remains) { delete(r.items["job"], 102) }), "job 0x66: lost"},
		"made by nobody":      {left(func(r *remains) { r.items["name"][5] = 1 }), "never made"},
		"refused and there":   {line(0, "ok+ job 102", "no+ job 102"), "refused, and there"},
		"leaked":              {left(func(r *remains) { r.leaked["jobs"] = 1 }), "1 records leaked"},
		"wrong order":         {line(1, "order parcel 268435457 1", "order parcel 268435459 1"), "order: parcel"},
		"permit of a dead":    {left(func(r *remains) { r.held["slots"] = 1 }), "1 of slots belong to the dead"},
		"two in the mutex":    {line(0, "give mutex 0 0 20", "give mutex 0 0 59"), "2 had the mutex"},
		"robbed":              {line(2, "have mutex 0 0 71", "have mutex 0 0 69"), "2 had the mutex"},
		"two workers":         {line(1, "have user 8 0 60", "have user 8 0 25"), "2 had the user"},
		"counted too many":    {left(func(r *remains) { r.counted = 3 }), "counted 3"},
		"ended and queued":    {left(func(r *remains) { r.users[8] = ending{}; r.queued = 1; r.charged[0] = 1 }), "has ended, and is queued again"},
		"not queued":          {left(func(r *remains) { r.queued = 1 }), "are queued"},
		"charged too much":    {left(func(r *remains) { r.charged[0] = 1 }), "is charged 1"},
		"step left out":       {line(0, "3 past user 8 1 25\n", ""), "without step 1"},
		"delivered after END": {line(2, "0 bye", "3 at user 8 3 80\n0 bye"), "after its end"},
		"request lost":        {line(2, "3 try- user 8 0 76\n3 ok- user 8 0 77\n", ""), "ended without a worker"},
		"request vanished": {func(c []string, r *remains) {
			line(2, "3 try- user 8 0 76\n3 ok- user 8 0 77\n", "")(c, r)
			delete(r.users, 8)
		}, "gone without a word"},
		"scan lost":              {left(func(r *remains) { delete(r.scans, 17) }), "scan 0x11: launched"},
		"cursor before tweets":   {line(1, "saved leg 34 0 69", "saved leg 34 0 65"), "the cursor of leg 0x22"},
		"cursor without a tweet": {line(1, "3 stored tweet 900 0 66\n", ""), "the cursor of leg 0x22"},
		"leg lost":               {left(func(r *remains) { r.open = 1 }), "1 legs are open"},
		"something impossible":   {line(0, "0 bye", "1 bad two have the mutex\n0 bye"), "two have the mutex"},
		"ended by nobody's word": {left(func(r *remains) { r.users[8] = ending{true, objects.NoTwitterAccountFound} }), "which nobody has said"},
		"refused and queued": {left(func(r *remains) { r.users[21] = ending{}; r.queued, r.images, r.charged[1] = 1, 1, 1 }),
			"refused to its worker as ended"},
		"refused and ended":     {line(2, "3 stale user 21", "3 stale user 8"), "refused to its worker as ended, and has ended 1 times"},
		"expired too few":       {line(2, "3 expired user 1", "3 expired user 2"), "2 requests have expired, 1 ended"},
		"refused for nothing":   {line(2, "3 expiring user 0 0 80\n3 expired user 1 0 81\n", ""), "1 requests were refused to their workers as ended, at most 0"},
		"image left":            {left(func(r *remains) { r.images = 1 }), "1 query images"},
		"image lost":            {left(func(r *remains) { r.users[21] = ending{}; r.queued, r.charged[1] = 1, 1 }), "0 query images, want those of 1"},
		"metric lost":           {left(func(r *remains) { r.metrics[2].Count = 2 }), "metric step-c has a count of 2"},
		"metric sum lost":       {left(func(r *remains) { r.metrics[2].Sum = 9 }), "metric step-c has a sum of 9"},
		"metric added twice":    {left(func(r *remains) { r.metrics[2].Count = 7 }), "metric step-c has a count of 7"},
		"metric of nobody":      {left(func(r *remains) { r.metrics[3].Sum = 1 }), "metric step-c-download has a sum of 1"},
		"finish not counted":    {left(func(r *remains) { r.metrics[objects.UserFullTime].Count = 0 }), "metric user-full-time has a count of 0"},
		"old counts read":       {line(2, "3 saw counts 85 87", "3 saw counts 63 87"), "counts of 63 were read from 87 on"},
		"counts lost":           {left(func(r *remains) { r.read = 0 }), "counts of 0 were read"},
		"counts of nobody":      {left(func(r *remains) { r.read = 86 }), "counts of 86 were read, and nobody"},
		"allowed twice":         {line(2, "2000000005 2000000020", "1900000005 1900000020"), "address 5 was allowed two requests"},
		"blocked token":         {line(2, "3 listed leg 36 1 92", "3 listed leg 36 0 92"), "leg 0x24 blocks token 0"},
		"failed scan forgotten": {left(func(r *remains) { r.scans[18] = false }), "scan 0x12 has failed"},
		"two of a thread's name": {func(c []string, r *remains) {
			line(1, "3 stored tweet", "3 have thread 1 0 50\n3 stored tweet")(c, r) // to its death at 70
			line(2, "3 have thread 1 0 96", "3 have thread 1 0 69")(c, r)
		}, "2 had the thread"},
		"batch delivered twice": {left(func(r *remains) { r.items["parcel"][805306369] = 2 }), "parcel 0x30000001: 0 times delivered to its end, and 2"},
		"thread of the dead":    {left(func(r *remains) { r.held["threads"] = 1 }), "1 of threads belong to the dead"},
		"kept at the end":       {line(2, "1 give mutex 0 0 72\n", ""), "not killed ended with a mutex"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			children, r := faultless()
			fault.inject(children, r)
			for _, s := range verdict(children, r) {
				if strings.Contains(s, fault.want) {
					return
				}
			}
			t.Errorf("want %q, got %q", fault.want, verdict(children, r))
		})
	}
}

// More unfinished requests of one address than it may have.
func TestOracle_Quota(t *testing.T) {
	children, r := faultless()
	for i := range perAddress { // and request 8
		id := 1000 + 4*i
		children[0] = strings.Replace(children[0], "0 bye", fmt.Sprintf("3 try+ user %d 0 40\n3 ok+ user %d 0 41\n3 try- user %d 0 %d\n3 ok- user %d 0 98\n0 bye", id, id, id, 50+i, id), 1)
		r.users[uint64(id)] = ending{true, objects.NoProblem}
	}
	if found := verdict(children, r); len(found) != 1 || !strings.Contains(found[0], "had 11 unfinished") {
		t.Errorf("one too many: %q", found)
	}
}

// A storm in which something did not happen, or somebody was blocked, fails.
func TestOracle_Figures(t *testing.T) {
	f := &figures{killing: longStorm + 1}
	found := strings.Join(f.judge(), "\n")
	for _, want := range slices.Concat([]string{"nobody was killed:", "another PID namespace", "stopped for long", "tweet:", "thread:"}, promised, rare) {
		if !strings.Contains(found, want) {
			t.Errorf("nothing has happened, and %q is not missed in\n%s", want, found)
		}
	}
	f.noForeign = errors.New("not permitted")
	if found := strings.Join(f.judge(), "\n"); strings.Contains(found, "another PID namespace") {
		t.Errorf("what the machine does not permit is missed in\n%s", found)
	}
	long := func(d time.Duration) []pause { return []pause{{"put", span{0, int64(d)}}} }
	child := &child{slow: long(5 * time.Second)}
	f.child(child)
	if found := blocked(f); len(found) != 1 || !strings.Contains(found[0], "put was blocked for 5s") {
		t.Errorf("a call of 5 s: %q", found)
	}
	f.waits.add(long(5*time.Second), func(pause) bool { return true })
	if found := blocked(f); len(found) != 2 {
		t.Errorf("and a wait of 5 s past its time: %q", found)
	}
	f.workAlone.add(long(2*time.Second), func(pause) bool { return true })
	if found := blocked(f); len(found) != 0 {
		t.Errorf("on a machine that makes pauses of two seconds: %q", found)
	}
	stopped := &figures{}
	child.stops = []span{{int64(time.Second), int64(2 * time.Second)}}
	stopped.child(child)
	if found := blocked(stopped); len(found) != 0 {
		t.Errorf("a call of a process that was stopped: %q", found)
	}
}
